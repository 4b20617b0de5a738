/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* The expensive half of an asymmetric fence: one side pays a system call, the other
 * nothing but a compiler barrier. */
#ifndef SHRINK_OS_MEMBARRIER_H
#define SHRINK_OS_MEMBARRIER_H

/* Registers the process; 0, or a negative errno where the kernel cannot. Once per
 * process, also in the child of a fork. */
int shrink_os_membarrier_prepare(void);
/* Every thread of the process passes a full fence before this returns. */
void shrink_os_membarrier(void);
/* Another thread has a few instructions to go, and no processor: let it. */
void shrink_os_yield(void);

#endif /* SHRINK_OS_MEMBARRIER_H */
