/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The bare kernel spellings, for shrinker code ported from the kernel. Include
 * it in the ported file only: it defines unprefixed macros.
 */
#ifndef SHRINK_LINUX_COMPAT_H
#define SHRINK_LINUX_COMPAT_H

#include <shrink/shrinker.h>

#ifndef DEFAULT_SEEKS
#define DEFAULT_SEEKS SHRINK_DEFAULT_SEEKS
#endif
#ifndef DEF_PRIORITY
#define DEF_PRIORITY SHRINK_DEF_PRIORITY
#endif
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE SHRINK_NUMA_NO_NODE
#endif
#ifndef __GFP_FS
#define __GFP_FS SHRINK_GFP_LOCK
#endif
#ifndef __GFP_IO
#define __GFP_IO SHRINK_GFP_IO
#endif
#ifndef __GFP_DIRECT_RECLAIM
#define __GFP_DIRECT_RECLAIM SHRINK_GFP_WAIT
#endif
#ifndef GFP_KERNEL
#define GFP_KERNEL SHRINK_GFP_ALL
#endif
#ifndef GFP_NOFS
#define GFP_NOFS SHRINK_GFP_NOLOCK
#endif
#ifndef GFP_NOIO
#define GFP_NOIO SHRINK_GFP_WAIT
#endif
/** A kernel flag without meaning here: all memory is the process's own. */
#ifndef SHRINKER_NONSLAB
#define SHRINKER_NONSLAB 0u
#endif

#ifndef __cplusplus
typedef shrink_gfp_t gfp_t;
#else
using gfp_t = shrink_gfp_t;
#endif

#endif /* SHRINK_LINUX_COMPAT_H */
