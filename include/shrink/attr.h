/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Declarations' plumbing: linkage, visibility and the attributes that let the
 * compiler refuse misuse. Nothing here is part of the ABI.
 */
#ifndef SHRINK_ATTR_H
#define SHRINK_ATTR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define SHRINK_NODISCARD __attribute__((warn_unused_result))
#define SHRINK_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define SHRINK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define SHRINK_VISIBILITY_PUSH _Pragma("GCC visibility push(default)")
#define SHRINK_VISIBILITY_POP _Pragma("GCC visibility pop")
#else
#define SHRINK_NODISCARD
#define SHRINK_NONNULL(...)
#define SHRINK_PRINTF(fmt, args)
#define SHRINK_VISIBILITY_PUSH
#define SHRINK_VISIBILITY_POP
#endif

#ifdef __cplusplus
#define SHRINK_BEGIN_DECLS extern "C" { SHRINK_VISIBILITY_PUSH
#define SHRINK_END_DECLS SHRINK_VISIBILITY_POP }
#else
#define SHRINK_BEGIN_DECLS SHRINK_VISIBILITY_PUSH
#define SHRINK_END_DECLS SHRINK_VISIBILITY_POP
#endif

#endif /* SHRINK_ATTR_H */
