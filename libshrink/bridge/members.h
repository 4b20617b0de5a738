/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Which processes are of our group, asked by the monitor amid an event: so it is a look
 * into a table, which another thread makes anew when somebody comes who is not in it.
 *
 * Two tables; the asker reads the one that was published last, the maker writes the other.
 * A making begins only when the asker has wanted it, and he wants the next one only after
 * the last was published: so nobody reads what is written.
 */
#ifndef SHRINK_BRIDGE_MEMBERS_H
#define SHRINK_BRIDGE_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum members_answer {
	MEMBERS_NO,
	MEMBERS_YES,
	MEMBERS_UNKNOWN, /* not there when the table was made: one is wanted */
};

struct members;

/* Of the group at @dir, a folder of the cgroup file system. NULL: no memory, or no list. */
struct members *shrink_members_open(const char *dir);
void shrink_members_close(struct members *m);

/* The asker, one thread. Who is not in the table is unknown until one that was wanted
 * after it is there, and a stranger for a second from then on; the table as a whole is
 * wanted anew after ten. */
enum members_answer shrink_members_ask(struct members *m, uint32_t pid, uint64_t now);
bool shrink_members_wanted(const struct members *m);

/* The maker: opens and reads, takes its time. 0, or a negative errno: the old one stays. */
int shrink_members_make(struct members *m);

#endif /* SHRINK_BRIDGE_MEMBERS_H */
