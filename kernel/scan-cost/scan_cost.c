// SPDX-License-Identifier: GPL-2.0
/*
 * What a call of the bridge's scan_objects costs, beside one that does nothing; for
 * scan-cost.sh, in /sys/kernel/debug/scan_cost:
 *
 *	pass   what the kernel's own passes took in the slices of both, from
 *	       mm_shrink_slab_start to mm_shrink_slab_end, since it was read last
 *	bare   calls one behind the other, as the kernel would make them: the median and
 *	       the least of BATCHES times CALLS
 *
 * The bridge's shrinker is whichever the tracepoint names that has its scan function in
 * that module; it and its group must stay until the files were read.
 */
#include <linux/debugfs.h>
#include <linux/kallsyms.h>
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/sort.h>
#include <linux/tracepoint.h>

#define CALLS 256
#define BATCHES 63
#define OBJECTS (1UL << 22) /* as many as the bridge believes in */
#define BATCH 128

enum { EMPTY, BRIDGE, KINDS };
static const char *const kind_name[KINDS] = {"empty", "bridge"};

/* Of one kind, from slices that do not overlap: the test makes one pass at a time, and
 * another task's slice meanwhile is left out. */
struct tally {
	struct task_struct *task;
	u64 began;
	unsigned long total;
	u64 slices, batches, nsec;
};

static struct tally tally[KINDS];
static struct shrinker *bridge;
static struct mem_cgroup *bridge_group;
static int bridge_nid;

static unsigned long empty_count(struct shrinker *s, struct shrink_control *sc)
{
	return OBJECTS;
}

static unsigned long empty_scan(struct shrinker *s, struct shrink_control *sc)
{
	return 0;
}

#ifdef SHRINKER_ALLOCATED
static struct shrinker *empty;

static int empty_make(void)
{
	empty = shrinker_alloc(SHRINKER_NUMA_AWARE, "scan-cost-empty");
	if (!empty)
		return -ENOMEM;
	empty->count_objects = empty_count;
	empty->scan_objects = empty_scan;
	empty->seeks = DEFAULT_SEEKS;
	shrinker_register(empty);
	return 0;
}

static void empty_unmake(void)
{
	shrinker_free(empty);
}
#else
static struct shrinker empty_shrinker = {
	.count_objects = empty_count,
	.scan_objects = empty_scan,
	.seeks = DEFAULT_SEEKS,
	.flags = SHRINKER_NUMA_AWARE,
};
static struct shrinker *const empty = &empty_shrinker;

static int empty_make(void)
{
	return register_shrinker(empty, "scan-cost-empty");
}

static void empty_unmake(void)
{
	unregister_shrinker(empty);
}
#endif

static bool is_bridge(const struct shrinker *s)
{
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", (void *)s->scan_objects);
	return strstr(name, "[shrink_bridge]") != NULL;
}

static struct tally *tally_of(const struct shrinker *s)
{
	if (s == empty)
		return &tally[EMPTY];
	return s == bridge ? &tally[BRIDGE] : NULL;
}

static void on_start(void *data, struct shrinker *s, struct shrink_control *sc, long deferred,
		     unsigned long items, unsigned long long delta, unsigned long total,
		     int priority)
{
	struct tally *t;

	if (!bridge && s != empty && is_bridge(s)) {
		bridge_group = sc->memcg;
		bridge_nid = sc->nid;
		bridge = s;
	}
	t = tally_of(s);
	if (!t || t->task)
		return;
	t->task = current;
	t->total = total;
	t->began = ktime_get_ns();
}

static void on_end(void *data, struct shrinker *s, int nid, int freed, long deferred, long left,
		   long total)
{
	u64 now = ktime_get_ns();
	struct tally *t = tally_of(s);

	if (!t || t->task != current)
		return;
	t->task = NULL;
	t->slices++;
	t->batches += (t->total - total) / BATCH;
	t->nsec += now - t->began;
}

static int pass_show(struct seq_file *m, void *v)
{
	int i;

	for (i = 0; i < KINDS; i++) {
		seq_printf(m, "%s_slices=%llu %s_batches=%llu %s_nsec=%llu ", kind_name[i],
			   tally[i].slices, kind_name[i], tally[i].batches, kind_name[i],
			   tally[i].nsec);
		tally[i].slices = tally[i].batches = tally[i].nsec = 0;
	}
	seq_putc(m, '\n');
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pass);

static u64 time_calls(struct shrinker *s, struct shrink_control *sc)
{
	u64 began = ktime_get_ns();
	int i;

	for (i = 0; i < CALLS; i++) {
		sc->nr_to_scan = BATCH;
		sc->nr_scanned = BATCH;
		s->scan_objects(s, sc);
	}
	return ktime_get_ns() - began;
}

static int compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void bare_show_one(struct seq_file *m, int kind, struct shrinker *s)
{
	struct shrink_control sc = {
		.gfp_mask = GFP_KERNEL,
		.nid = bridge_nid,
		.memcg = bridge_group,
	};
	static u64 nsec[BATCHES]; /* there is one reader */
	int i;

	for (i = 0; i < BATCHES; i++)
		nsec[i] = time_calls(s, &sc);
	sort(nsec, BATCHES, sizeof(*nsec), compare, NULL);
	seq_printf(m, "%s_median=%llu %s_least=%llu ", kind_name[kind],
		   nsec[BATCHES / 2] * 1000 / CALLS, kind_name[kind], nsec[0] * 1000 / CALLS);
}

/* Picoseconds a call. */
static int bare_show(struct seq_file *m, void *v)
{
	if (!bridge)
		return -ENODEV;
	bare_show_one(m, EMPTY, empty);
	bare_show_one(m, BRIDGE, bridge);
	seq_putc(m, '\n');
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bare);

static struct probe {
	const char *name;
	void *function;
	struct tracepoint *tp;
} probes[] = {
	{"mm_shrink_slab_start", on_start},
	{"mm_shrink_slab_end", on_end},
};

static void find(struct tracepoint *tp, void *data)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i].name))
			probes[i].tp = tp;
}

static void detach(size_t attached)
{
	while (attached--)
		tracepoint_probe_unregister(probes[attached].tp, probes[attached].function, NULL);
	tracepoint_synchronize_unregister();
}

static int attach(void)
{
	size_t i;
	int r;

	for_each_kernel_tracepoint(find, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		r = probes[i].tp ? tracepoint_probe_register(probes[i].tp, probes[i].function, NULL)
				 : -ENOENT;
		if (r) {
			detach(i);
			return r;
		}
	}
	return 0;
}

static struct dentry *folder;

static int __init scan_cost_init(void)
{
	int r = empty_make();

	if (r)
		return r;
	r = attach();
	if (r) {
		empty_unmake();
		return r;
	}
	folder = debugfs_create_dir("scan_cost", NULL);
	debugfs_create_file("pass", 0400, folder, NULL, &pass_fops);
	debugfs_create_file("bare", 0400, folder, NULL, &bare_fops);
	return 0;
}

static void __exit scan_cost_exit(void)
{
	debugfs_remove(folder);
	detach(ARRAY_SIZE(probes));
	empty_unmake();
}

module_init(scan_cost_init);
module_exit(scan_cost_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test: the cost of scan_objects");
