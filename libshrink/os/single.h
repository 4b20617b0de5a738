/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * One authority per process. Two copies of the library (a static one in the
 * program, a shared one pulled in by a plug-in) must not both answer pressure.
 */
#ifndef SHRINK_OS_SINGLE_H
#define SHRINK_OS_SINGLE_H

/* 0: this copy is the one (also when called again); -EEXIST: another copy is. */
int shrink_os_single_claim(void);
/* Gives the place up, so that another copy may have it. */
void shrink_os_single_release(void);

#endif /* SHRINK_OS_SINGLE_H */
