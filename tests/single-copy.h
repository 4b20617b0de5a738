/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
#ifndef TESTS_SINGLE_COPY_H
#define TESTS_SINGLE_COPY_H

int single_copy_claim(void);
void single_copy_release(void);

#endif /* TESTS_SINGLE_COPY_H */
