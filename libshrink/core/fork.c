// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * fork() and the core (G10). The gate waits, bounded, until no callback runs; then
 * the locks are held across the fork, so that the child finds them free and the
 * lists whole. The child's shrinkers stay registered and passive.
 */
#include <libshrink/base/atfork.h>
#include <libshrink/base/conf.h>
#include <libshrink/base/log.h>
#include <libshrink/core/core.h>
#include <libshrink/core/memcg-account.h>
#include <libshrink/core/memcg-stock.h>
#include <libshrink/core/memcg-walk.h>
#include <libshrink/core/memcg.h>
#include <libshrink/os/fd.h>

static void registry_child(void)
{
	shrink_owner_fork_child();
	shrink_registry_fork_child();
	shrink_memcg_walk_fork_child();
}

static const struct shrink_fork_hooks gate_hooks = {
	shrink_gate_fork_prepare, shrink_gate_fork_parent, shrink_gate_fork_child};
static const struct shrink_fork_hooks offline_hooks = {
	shrink_memcg_fork_prepare, shrink_memcg_fork_done, shrink_memcg_fork_done};
static const struct shrink_fork_hooks registry_hooks = {
	shrink_registry_fork_prepare, shrink_registry_fork_parent, registry_child};
static void stock_child(void)
{
	shrink_memcg_stock_fork_child();
	shrink_memcg_account_fork_child();
}

static const struct shrink_fork_hooks stock_hooks = {
	shrink_memcg_stock_fork_prepare, shrink_memcg_stock_fork_parent, stock_child};
static const struct shrink_fork_hooks life_hooks = {
	shrink_life_fork_prepare, shrink_life_fork_parent, shrink_life_fork_child};
static const struct shrink_fork_hooks conf_hooks = {
	shrink_conf_fork_prepare, shrink_conf_fork_parent, shrink_conf_fork_child};
static const struct shrink_fork_hooks fd_hooks = {NULL, NULL, shrink_os_fd_fork_child};
static const struct shrink_fork_hooks log_hooks = {NULL, NULL, shrink_log_fork_child};

int shrink_core_fork_arm(void)
{
	static _Atomic int armed;
	int r = 0;

	if (atomic_load_explicit(&armed, memory_order_acquire))
		return 0;
	r |= shrink_fork_register(SHRINK_FORK_GATE, &gate_hooks);
	r |= shrink_fork_register(SHRINK_FORK_OFFLINE, &offline_hooks);
	r |= shrink_fork_register(SHRINK_FORK_REGISTRY, &registry_hooks);
	r |= shrink_fork_register(SHRINK_FORK_STOCK, &stock_hooks);
	r |= shrink_fork_register(SHRINK_FORK_LIFE, &life_hooks);
	r |= shrink_fork_register(SHRINK_FORK_CONF, &conf_hooks);
	r |= shrink_fork_register(SHRINK_FORK_FD, &fd_hooks);
	r |= shrink_fork_register(SHRINK_FORK_LOG, &log_hooks);
	if (!r)
		atomic_store_explicit(&armed, 1, memory_order_release);
	return r;
}
