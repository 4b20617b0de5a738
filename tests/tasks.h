/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Threads of the library that this process has, known by their names. */
#ifndef TESTS_TASKS_H
#define TESTS_TASKS_H

/* Their ids; returns how many there are, at most @max are written. */
int tasks_list(int *tids, int max);
/* The one named so, or 0. */
int tasks_named(const char *name);
/* A thread names itself a moment after it was born, and what it does first it does in
 * its own time. Waits, for a minute at most, until there are @n and all of them have
 * nothing to do: they sleep, the monitor looked at first, as it is the one that gives the
 * others work. False: they never did. */
int tasks_settle(int n);

#endif /* TESTS_TASKS_H */
