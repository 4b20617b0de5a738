// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/* The broken twin: maps of groups without the fence between object and bit. */
#include <stdatomic.h>

#undef atomic_thread_fence
#define atomic_thread_fence(order) atomic_signal_fence(order)

#include <libshrink/core/memcg-map.c>
