// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libshrink/bridge/bpf.h>
#include <libshrink/os/fd.h>
#include <libshrink/os/library.h>

#define SONAME		 "libbpf.so.1"
#define BTF_KIND_TYPEDEF 8

typedef int (*print_fn)(int level, const char *fmt, va_list args);
typedef int (*sample_fn)(void *arg, void *record, size_t size);

/* The part of libbpf 1 that is used; in the order of the names. */
static struct {
	print_fn (*set_print)(print_fn fn);
	void *(*open_mem)(const void *buf, size_t size, const void *opts);
	int (*load)(void *object);
	void (*close)(void *object);
	void *(*next_program)(const void *object, void *program);
	const char *(*section_name)(const void *program);
	int (*set_autoload)(void *program, _Bool load);
	_Bool (*autoload)(const void *program);
	int (*program_fd)(const void *program);
	void *(*attach)(const void *program);
	int (*link_destroy)(void *link);
	int (*link_fd)(const void *link);
	void *(*find_map)(const void *object, const char *name);
	int (*map_fd)(const void *map);
	int (*map_update)(const void *map, const void *key, size_t key_size, const void *value,
			  size_t value_size, uint64_t flags);
	int (*map_delete)(const void *map, const void *key, size_t key_size, uint64_t flags);
	int (*map_resize)(void *map, uint32_t entries);
	void *(*next_map)(const void *object, const void *map);
	void *(*ring_new)(int fd, sample_fn sample, void *arg, const void *opts);
	int (*ring_consume)(void *ring);
	int (*ring_fd)(const void *ring);
	void (*ring_free)(void *ring);
	void *(*load_btf)(void);
	int32_t (*btf_find)(const void *btf, const char *name, uint32_t kind);
	void (*btf_free)(void *btf);
} lib;

static const char *const names[] = {
	"libbpf_set_print",
	"bpf_object__open_mem",
	"bpf_object__load",
	"bpf_object__close",
	"bpf_object__next_program",
	"bpf_program__section_name",
	"bpf_program__set_autoload",
	"bpf_program__autoload",
	"bpf_program__fd",
	"bpf_program__attach",
	"bpf_link__destroy",
	"bpf_link__fd",
	"bpf_object__find_map_by_name",
	"bpf_map__fd",
	"bpf_map__update_elem",
	"bpf_map__delete_elem",
	"bpf_map__set_max_entries",
	"bpf_object__next_map",
	"ring_buffer__new",
	"ring_buffer__consume",
	"ring_buffer__epoll_fd",
	"ring_buffer__free",
	"btf__load_vmlinux_btf",
	"btf__find_by_name_kind",
	"btf__free",
};
_Static_assert(sizeof(lib) == sizeof(names), "a name for each function");

static pthread_mutex_t lib_lock = PTHREAD_MUTEX_INITIALIZER;
static int lib_state; /* 0: not tried; 1: there; or a negative errno */

static int load_library(void)
{
	int r;

	pthread_mutex_lock(&lib_lock);
	if (!lib_state) {
		r = shrink_os_library(SONAME, names, (int)(sizeof(names) / sizeof(*names)), &lib);
		lib_state = r < 0 ? r : 1;
	}
	r = lib_state < 0 ? lib_state : 0;
	pthread_mutex_unlock(&lib_lock);
	return r;
}

/* libbpf writes to stderr unless told otherwise; what it says is for who debugs it. */
static int silent(int level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int fail(char *reason, size_t size, int err, const char *what)
{
	snprintf(reason, size, "%s: %s", what, strerror(-err));
	return err;
}

static int last_error(void)
{
	return errno ? -errno : -EINVAL;
}

/* Whether the kernel has what the program of "tp_btf/NAME" attaches to. */
static int has_tracepoint(const void *btf, const char *section, char *name, size_t size)
{
	const char *slash = strchr(section, '/');

	snprintf(name, size, "btf_trace_%s", slash ? slash + 1 : section);
	return lib.btf_find(btf, name, BTF_KIND_TYPEDEF) >= 0;
}

static void skip(struct shrink_bpf *bpf, void *program, const char *name)
{
	size_t used = strlen(bpf->skipped);

	lib.set_autoload(program, 0);
	bpf->nr_skipped++;
	snprintf(bpf->skipped + used, sizeof(bpf->skipped) - used, "%s%s", used ? " " : "",
		 name + strlen("btf_trace_"));
}

/* How many are left to be loaded; a negative errno where there is no BTF. */
static int skip_missing(struct shrink_bpf *bpf)
{
	void *btf = lib.load_btf(), *program = NULL;
	char name[96];
	int left = 0;

	if (!btf)
		return last_error();
	while ((program = lib.next_program(bpf->object, program))) {
		if (has_tracepoint(btf, lib.section_name(program), name, sizeof(name)))
			left++;
		else
			skip(bpf, program, name);
	}
	lib.btf_free(btf);
	return left;
}

static int attach_all(struct shrink_bpf *bpf)
{
	const int max = (int)(sizeof(bpf->links) / sizeof(*bpf->links));
	void *program = NULL;

	while ((program = lib.next_program(bpf->object, program))) {
		void *link;

		if (!lib.autoload(program) || bpf->nr_links == max)
			continue;
		link = lib.attach(program);
		if (!link)
			return last_error();
		bpf->links[bpf->nr_links++] = link;
	}
	return 0;
}

/* So that the child of a fork closes them (G10): else programs would stay in the kernel
 * as long as any child lives. */
static void own_fd(int fd)
{
	if (fd >= 0)
		(void)shrink_os_fd_own(fd);
}

static void each_fd(struct shrink_bpf *bpf, void (*fn)(int fd))
{
	void *program = NULL, *map = NULL;

	while ((program = lib.next_program(bpf->object, program)))
		if (lib.autoload(program))
			fn(lib.program_fd(program));
	while ((map = lib.next_map(bpf->object, map)))
		fn(lib.map_fd(map));
	for (int i = 0; i < bpf->nr_links; i++)
		fn(lib.link_fd(bpf->links[i]));
	if (bpf->ring)
		fn(lib.ring_fd(bpf->ring));
}

static int resize(struct shrink_bpf *bpf, const struct shrink_bpf_source *source)
{
	void *map = source->map ? lib.find_map(bpf->object, source->map) : NULL;

	return map ? lib.map_resize(map, source->entries) : 0;
}

static int load(struct shrink_bpf *bpf, const struct shrink_bpf_source *source, char *reason,
		size_t size)
{
	int r = skip_missing(bpf);

	if (r < 0)
		return fail(reason, size, -ENOTSUP, "the kernel has no type information (BTF)");
	if (!r)
		return fail(reason, size, -ENOTSUP, "none of the tracepoints is in this kernel");
	r = resize(bpf, source);
	if (!r)
		r = lib.load(bpf->object);
	if (r < 0)
		return fail(reason, size, r, "the kernel refuses the programs");
	return 0;
}

static int start(struct shrink_bpf *bpf, sample_fn sample, void *arg, char *reason, size_t size)
{
	void *map = lib.find_map(bpf->object, "ring");
	int r;

	bpf->ring = map ? lib.ring_new(lib.map_fd(map), sample, arg, NULL) : NULL;
	if (!bpf->ring)
		return fail(reason, size, last_error(), "no ring buffer");
	r = attach_all(bpf);
	if (r < 0)
		return fail(reason, size, r, "a program cannot be attached");
	each_fd(bpf, own_fd);
	return 0;
}

int shrink_bpf_open(struct shrink_bpf *bpf, const struct shrink_bpf_source *source,
		    sample_fn sample, void *arg, char *reason, size_t reason_size)
{
	int r = load_library();
	print_fn print;

	memset(bpf, 0, sizeof(*bpf));
	if (r < 0)
		return fail(reason, reason_size, r, "no " SONAME);
	print = lib.set_print(silent);
	bpf->object = lib.open_mem(source->object, source->size, NULL);
	r = bpf->object ? load(bpf, source, reason, reason_size)
			: fail(reason, reason_size, last_error(), "not an object of programs");
	if (!r)
		r = start(bpf, sample, arg, reason, reason_size);
	if (r < 0)
		shrink_bpf_close(bpf);
	lib.set_print(print);
	return r;
}

void shrink_bpf_close(struct shrink_bpf *bpf)
{
	if (bpf->object)
		each_fd(bpf, shrink_os_fd_disown);
	while (bpf->nr_links)
		lib.link_destroy(bpf->links[--bpf->nr_links]);
	if (bpf->ring)
		lib.ring_free(bpf->ring);
	if (bpf->object)
		lib.close(bpf->object);
	memset(bpf, 0, sizeof(*bpf));
}

int shrink_bpf_set(struct shrink_bpf *bpf, const char *map, const void *key, size_t key_size,
		   const void *value, size_t value_size)
{
	void *found = bpf->object ? lib.find_map(bpf->object, map) : NULL;

	if (!found)
		return -ENOENT;
	return lib.map_update(found, key, key_size, value, value_size, 0) < 0 ? last_error() : 0;
}

int shrink_bpf_unset(struct shrink_bpf *bpf, const char *map, const void *key, size_t key_size)
{
	void *found = bpf->object ? lib.find_map(bpf->object, map) : NULL;

	if (!found)
		return -ENOENT;
	return lib.map_delete(found, key, key_size, 0) < 0 ? last_error() : 0;
}

int shrink_bpf_fd(const struct shrink_bpf *bpf)
{
	return bpf->ring ? lib.ring_fd(bpf->ring) : -EBADF;
}

int shrink_bpf_consume(struct shrink_bpf *bpf)
{
	return bpf->ring ? lib.ring_consume(bpf->ring) : 0;
}
