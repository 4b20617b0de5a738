/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* A made-up machine, in which all sources there can be are live, and the monitor in it,
 * driven turn by turn. */
#ifndef TESTS_MACHINE_H
#define TESTS_MACHINE_H

#include <libshrink/source/source.h>

#define MIB (1024ULL * 1024)

/* The files, in a fakeroot: a v2 group /u/own with a limit of 100 MiB; or, @version 1, a
 * v1 group /m/own with it, and PSI in /u/own as on a hybrid system. */
void machine_begin(int version);
/* Opens the monitor without its thread. */
void machine_open(void);
/* One turn that looks at once, and one that only takes what is due. */
void machine_look(void);
void machine_turn(void);
/* Closes the monitor, if it is open, which leaves no descriptor behind; removes the files. */
void machine_end(void);
/* The same after shrink_start(), which keeps some. */
void machine_leave(void);

struct shrink_source *machine_source(const char *name);
/* State and reason as anybody can ask for them; prints what it is instead. */
int machine_says(const char *name, const char *state, const char *why);
/* The gauge that is believed now; "" = none. */
const char *machine_believes(void);

/* memory.pressure of the own group. */
void machine_stalled(unsigned long long some_usec, unsigned long long full_usec);

#endif /* TESTS_MACHINE_H */
