/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Between life.c (what callers do to a shrinker) and registry.c (the list). */
#ifndef SHRINK_CORE_LIFE_H
#define SHRINK_CORE_LIFE_H

#include <libshrink/core/core.h>

/* Under the registry lock. */
void shrink_registry_link(struct shrinker_impl *s);
void shrink_registry_wait_end(struct shrinker_impl *s); /* until X */
void shrinker_apply_rules(struct shrinker_impl *s);

/* Memory of a shrinker in X, or of one never registered: to limbo. No lock held. */
void shrink_registry_bury(struct shrinker_impl *s);
void shrinker_release_id(int id);
void shrinker_unmap_id(int id); /* nobody finds it by its id any more */

#endif /* SHRINK_CORE_LIFE_H */
