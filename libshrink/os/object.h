/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Loaded objects: the program, and the libraries in it. */
#ifndef SHRINK_OS_OBJECT_H
#define SHRINK_OS_OBJECT_H

struct shrink_os_object {
	void *handle;	/* of the dynamic loader; NULL = the program itself */
	void *base;	/* where it lies */
	char path[256]; /* its file; "" = not known */
};

/* The object that defines @symbol for the whole process. May allocate. 0; -ENOENT. To be
 * given back with shrink_os_object_close(). */
int shrink_os_object_of(const char *symbol, struct shrink_os_object *ret_object);
void shrink_os_object_close(struct shrink_os_object *object);

/* Address of @name in this very object, whoever else has one; NULL if it has none. */
void *shrink_os_object_symbol(const struct shrink_os_object *object, const char *name);

#endif /* SHRINK_OS_OBJECT_H */
