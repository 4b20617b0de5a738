/* SPDX-License-Identifier: MIT */
/*
 * Size classes are the pool's. It does not list them, so they are learned from what
 * it says an object can hold; there are few, each is learned once, and they are the
 * same for all tenants.
 */
#ifndef KVCACHED_CLASS_H
#define KVCACHED_CLASS_H

#include <stddef.h>

#define CLASSES 128

/* Bytes of the place that an object of @size will have, as <shrink/pool.h> says. */
size_t class_round(size_t size);

/* Bytes of an object of class @cls, 0 = there is no such class yet. */
size_t class_bytes(unsigned int cls);

/* The class of objects that hold @usable bytes; learns it. */
unsigned int class_of(size_t usable);

/* The class that an object of @size will probably be in; CLASSES if none of that
 * size has been seen. */
unsigned int class_for(size_t size);

#endif /* KVCACHED_CLASS_H */
