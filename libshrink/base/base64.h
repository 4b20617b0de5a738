/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/* Bytes out of Base64 (RFC 4648, section 4). */
#ifndef SHRINK_BASE_BASE64_H
#define SHRINK_BASE_BASE64_H

#include <stddef.h>

/* Decodes all of @text into @out. Blanks and line ends do not count; padding is
 * required, and what a decoder would ignore - bits behind the last byte, anything
 * behind the padding - is an error, so that no two texts mean the same by accident.
 * Returns the number of bytes, NULs among them; -EINVAL: not Base64; -ENOSPC: more
 * than @size. @out is then undefined. */
long shrink_base64_decode(const char *text, void *out, size_t size);

#endif /* SHRINK_BASE_BASE64_H */
