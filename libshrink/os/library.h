/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Libraries that are used where they are installed, and done without where not. */
#ifndef SHRINK_OS_LIBRARY_H
#define SHRINK_OS_LIBRARY_H

/* Loads @soname for good and looks up @nr functions by name into @ret_functions, an
 * array of function pointers of whatever type. Allocates, opens files: at start only.
 * 0; -ENOENT: no such library; -ENOSYS: it lacks one of them (an older one). */
int shrink_os_library(const char *soname, const char *const *names, int nr, void *ret_functions);

#endif /* SHRINK_OS_LIBRARY_H */
