/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The made-up system of <shrink/sim.h>. */
#ifndef SHRINK_SOURCE_SIMULATED_H
#define SHRINK_SOURCE_SIMULATED_H

#include <stdint.h>

/* 1: the simulated source opens, and the process's RSS is what the test says. */
void shrink_simulated_enable(int on);
int shrink_simulated(void);
uint64_t shrink_simulated_rss(void);

/* What the test has set since is seen at the next turn. On the thread that steps. */
void shrink_simulated_poke(void);

struct shrink_node_reading;
/* What shrink_sim_set_node() said; -ENODEV: nothing. */
int shrink_simulated_node(int nid, struct shrink_node_reading *ret);

#endif /* SHRINK_SOURCE_SIMULATED_H */
