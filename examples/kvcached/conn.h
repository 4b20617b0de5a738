/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: bytes from the socket to the session and back. It reads
 * a value straight into its item, and stops reading while much output waits.
 */
#ifndef KVCACHED_CONN_H
#define KVCACHED_CONN_H

struct conn;
struct worker;

/* Takes over @fd, connected and non-blocking; on the worker's thread. 0 or
 * -errno, @fd is the caller's then. */
int conn_open(struct worker *w, int fd);

/* On the worker's thread. */
void conn_close(struct conn *c);

#endif /* KVCACHED_CONN_H */
