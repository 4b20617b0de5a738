// SPDX-License-Identifier: GPL-2.0
/*
 * In the kernel: who is being reclaimed, at which node, how hard.
 *
 * mm_shrink_slab_start fires before each shrinker's slice and has all of it: the group
 * and the node asked, and the priority. A descent makes thousands of them; what matters
 * to us is that it happens and its lowest priority so far. So the first of a (group,
 * node) in each millisecond is told at once, and after it only those of lower priority.
 * Groups that are not ours are left out here.
 *
 * drop_caches comes the same way, at priority 0, but outside of any reclaim: therefore
 * it is kept which tasks are in one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <libshrink/bridge/follow.h>

/* As much of the kernel's types as is read; offsets are the running kernel's. */
#define KERNEL __attribute__((preserve_access_index))
struct kernfs_node {
	__u64 id;
} KERNEL;
struct cgroup {
	struct kernfs_node *kn;
} KERNEL;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
} KERNEL;
struct mem_cgroup {
	struct cgroup_subsys_state css;
} KERNEL;
struct shrink_control {
	int nid;
	struct mem_cgroup *memcg;
} KERNEL;
struct css_set {
	struct cgroup_subsys_state *subsys[14];
} KERNEL;
struct task_struct {
	struct css_set *cgroups;
} KERNEL;
enum cgroup_subsys_id {
	memory_cgrp_id = 4,
};
struct shrinker;

struct told_key {
	__u64 group;
	__u32 nid;
	__u32 kind;
};

struct told {
	__u64 msec;
	int priority;
	__u32 folded;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FOLLOW_GROUPS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FOLLOW_TOLD_MAX);
	__type(key, struct told_key);
	__type(value, struct told);
} told SEC(".maps");

/* Tasks that are in reclaim; one that dies there is forgotten with time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} reclaiming SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FOLLOW_RING_BYTES);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

char LICENSE[] SEC("license") = "GPL";

static __always_inline void tell(__u64 group, int nid, int priority, __u32 kind)
{
	struct told_key key = {.group = group, .nid = (__u32)nid, .kind = kind};
	__u64 now = bpf_ktime_get_ns(), msec = now / 1000000;
	struct told fresh = {.msec = msec, .priority = priority};
	struct told *last = bpf_map_lookup_elem(&told, &key);
	struct follow_event *event;
	__u32 zero = 0;
	__u64 *nr_lost = bpf_map_lookup_elem(&lost, &zero);

	if (last && last->msec == msec && priority >= last->priority) {
		last->folded++;
		return;
	}
	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) { /* a reader that does not come misses nothing but repetitions */
		if (nr_lost)
			__sync_fetch_and_add(nr_lost, 1);
		return;
	}
	event->nsec = now;
	event->group = group;
	event->nid = nid;
	event->priority = priority;
	event->kind = kind;
	event->folded = last ? last->folded : 0;
	event->lost = nr_lost ? *nr_lost : 0;
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	bpf_map_update_elem(&told, &key, &fresh, BPF_ANY);
}

static __always_inline int ours(__u64 group)
{
	return bpf_map_lookup_elem(&groups, &group) != 0;
}

static __always_inline __u32 task(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

SEC("tp_btf/mm_shrink_slab_start")
int BPF_PROG(follow_slab, struct shrinker *shr, struct shrink_control *sc, long deferred,
	     unsigned long items, unsigned long long delta, unsigned long total, int priority)
{
	__u64 group = BPF_CORE_READ(sc, memcg, css.cgroup, kn, id);
	__u32 me = task();

	/* Without a memory controller there is only the machine */
	if (!group)
		group = 1;
	if (!ours(group))
		return 0;
	tell(group, BPF_CORE_READ(sc, nid), priority,
	     priority || bpf_map_lookup_elem(&reclaiming, &me) ? FOLLOW_RECLAIM : FOLLOW_DROP);
	return 0;
}

/* The current task's group, where the memory controller counts it. */
static __always_inline __u64 own_group(void)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	int memory = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct cgroup_subsys_state *css = 0;
	struct css_set *set = BPF_CORE_READ(current, cgroups);

	if (memory < 0 || memory > 13)
		return 0;
	bpf_core_read(&css, sizeof(css), &set->subsys[memory]);
	return BPF_CORE_READ(css, cgroup, kn, id);
}

static __always_inline int begin(void)
{
	__u32 me = task(), one = 1;
	__u64 group = own_group();

	bpf_map_update_elem(&reclaiming, &me, &one, BPF_ANY);
	if (group != 1 && ours(group))
		tell(group, -1, -1, FOLLOW_HINT);
	return 0;
}

static __always_inline int end(void)
{
	__u32 me = task();

	bpf_map_delete_elem(&reclaiming, &me);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(follow_memcg_begin)
{
	return begin();
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(follow_memcg_end)
{
	return end();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(follow_direct_begin)
{
	return begin();
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(follow_direct_end)
{
	return end();
}

SEC("tp_btf/mm_vmscan_node_reclaim_begin")
int BPF_PROG(follow_node_begin)
{
	return begin();
}

SEC("tp_btf/mm_vmscan_node_reclaim_end")
int BPF_PROG(follow_node_end)
{
	return end();
}

SEC("tp_btf/mm_vmscan_kswapd_wake")
int BPF_PROG(follow_kswapd_wake, int nid)
{
	__u32 me = task(), one = 1;

	bpf_map_update_elem(&reclaiming, &me, &one, BPF_ANY);
	tell(1, nid, -1, FOLLOW_HINT);
	return 0;
}

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int BPF_PROG(follow_kswapd_sleep)
{
	return end();
}
