/* SPDX-License-Identifier: MIT */
/* The tenant command: what an administrator says of tenants at run time. */
#ifndef KVCACHED_TENANT_COMMAND_H
#define KVCACHED_TENANT_COMMAND_H

#include <event2/buffer.h>

#include "examples/kvcached/proto.h"

/* Carries out "tenant @name @words". Returns the last line of the answer; a tenant's
 * statistics are written to @out before it. */
const char *tenant_command(struct evbuffer *out, struct span name, struct span words);

#endif /* KVCACHED_TENANT_COMMAND_H */
