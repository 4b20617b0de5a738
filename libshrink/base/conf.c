// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/base/conf.h>

#define INIT_NUM(name, unit, def, min, max, when, help) .name = def,
#define INIT_WORD(name, words, def, when, help) .name = def,
#define INIT_TEXT(name, size, when, help) .name = "",
struct shrink_tunables shrink_tunables = {SHRINK_TUNABLES(INIT_NUM, INIT_WORD, INIT_TEXT)};
