// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/shrink. A session belongs to the process that opened it; a forked child has the
 * descriptor but may do nothing with it, and does not inherit the mapping.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "shrink_bridge.h"

static bool is_owner(const struct bridge_session *s)
{
	return task_tgid(current) == s->owner;
}

static int bridge_open(struct inode *inode, struct file *file)
{
	struct bridge_session *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return -ENOMEM;
	s->user = bridge_user_get(current_uid());
	if (!s->user) {
		kfree(s);
		return -ENOMEM;
	}
	s->owner = get_pid(task_tgid(current));
	mutex_init(&s->admin);
	mutex_init(&s->mutex);
	spin_lock_init(&s->table_lock);
	init_waitqueue_head(&s->wait);
	file->private_data = s;
	return stream_open(inode, file);
}

/* Under admin, or at the very end. Once the mutex was held nobody is inside the old one
 * but the kernel. */
static struct bridge_cache *table_set(struct bridge_session *s, u32 index, struct bridge_cache *c)
{
	struct bridge_cache *old;

	mutex_lock(&s->mutex);
	spin_lock(&s->table_lock);
	old = s->cache[index];
	s->cache[index] = c;
	if (c && s->dead)
		bridge_cache_silence(c);
	spin_unlock(&s->table_lock);
	mutex_unlock(&s->mutex);
	return old;
}

/* Under admin, or at the very end. */
static void drop(struct bridge_session *s, u32 index)
{
	struct bridge_cache *c = table_set(s, index, NULL);

	if (!c)
		return;
	bridge_cache_destroy(c);
	bridge_user_uncharge(s->user);
}

static int bridge_release(struct inode *inode, struct file *file)
{
	struct bridge_session *s = file->private_data;
	u32 i;

	for (i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		drop(s, i);
	bridge_user_put(s->user);
	put_pid(s->owner);
	kfree(s);
	return 0;
}

/* The descriptor may live on in a child that the owner has left behind: nobody would
 * answer, so nobody is to ask. */
static int bridge_flush(struct file *file, fl_owner_t id)
{
	struct bridge_session *s = file->private_data;
	u32 i;

	if (!(current->flags & PF_EXITING) || !is_owner(s))
		return 0;
	spin_lock(&s->table_lock);
	s->dead = true;
	for (i = 0; i < SHRINK_BRIDGE_CACHES; i++)
		if (s->cache[i])
			bridge_cache_silence(s->cache[i]);
	spin_unlock(&s->table_lock);
	return 0;
}

/* A name is shown in files of debugfs, one a line. */
static bool name_is_fine(const char *name)
{
	size_t len = strnlen(name, SHRINK_BRIDGE_NAME_MAX), i;

	if (!len || len == SHRINK_BRIDGE_NAME_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return true;
}

static int check(const struct shrink_bridge_register *reg)
{
	if (reg->flags & ~(SHRINK_BRIDGE_NUMA | SHRINK_BRIDGE_GROUP))
		return -EINVAL;
	if (reg->seeks > 1024 || reg->batch > SHRINK_BRIDGE_COUNT_MAX ||
	    (reg->batch && reg->batch < SHRINK_BRIDGE_BATCH_MIN))
		return -ERANGE;
	return name_is_fine(reg->name) ? 0 : -EINVAL;
}

static int register_cache(struct bridge_session *s, struct shrink_bridge_register *reg)
{
	struct bridge_cache *c;
	u32 index = 0;
	int r = check(reg);

	if (r)
		return r;
	while (index < SHRINK_BRIDGE_CACHES && s->cache[index])
		index++;
	if (index == SHRINK_BRIDGE_CACHES)
		return -ENOSPC;
	r = bridge_user_charge(s->user);
	if (r)
		return r;
	c = bridge_cache_create(s, reg, index);
	if (IS_ERR(c)) {
		bridge_user_uncharge(s->user);
		return PTR_ERR(c);
	}
	table_set(s, index, c);
	reg->ret_index = index;
	return 0;
}

static struct bridge_cache *find(struct bridge_session *s, u32 index)
{
	return index < SHRINK_BRIDGE_CACHES ? s->cache[index] : NULL;
}

static long ioctl_register(struct bridge_session *s, void __user *arg)
{
	struct shrink_bridge_register reg;
	int r;

	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	mutex_lock(&s->admin);
	r = register_cache(s, &reg);
	mutex_unlock(&s->admin);
	if (r || !copy_to_user(arg, &reg, sizeof(reg)))
		return r;
	/* whoever cannot be told the index cannot use it */
	mutex_lock(&s->admin);
	drop(s, reg.ret_index);
	mutex_unlock(&s->admin);
	return -EFAULT;
}

static long ioctl_unregister(struct bridge_session *s, unsigned long index)
{
	long r = -ENOENT;

	mutex_lock(&s->admin);
	if (index < SHRINK_BRIDGE_CACHES && s->cache[index]) {
		drop(s, index);
		r = 0;
	}
	mutex_unlock(&s->admin);
	return r;
}

static long ioctl_bind(struct bridge_session *s, void __user *arg)
{
	struct shrink_bridge_bind bind;
	struct bridge_cache *c;
	int r;

	if (copy_from_user(&bind, arg, sizeof(bind)))
		return -EFAULT;
	mutex_lock(&s->admin);
	c = find(s, bind.index);
	r = c ? bridge_cache_bind(c, &bind.ret_nid) : -ENOENT;
	mutex_unlock(&s->admin);
	if (!r && copy_to_user(arg, &bind, sizeof(bind)))
		r = -EFAULT;
	return r;
}

static long ioctl_stats(struct bridge_session *s, void __user *arg)
{
	struct shrink_bridge_cache_stats stats;
	struct bridge_cache *c;

	if (copy_from_user(&stats, arg, sizeof(stats)))
		return -EFAULT;
	mutex_lock(&s->mutex);
	c = find(s, stats.index);
	if (c)
		bridge_cache_stats(c, &stats);
	mutex_unlock(&s->mutex);
	if (!c)
		return -ENOENT;
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long ioctl_version(u32 __user *arg)
{
	return put_user(SHRINK_BRIDGE_ABI, arg);
}

static long bridge_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bridge_session *s = file->private_data;

	if (!is_owner(s))
		return -EPERM;
	switch (cmd) {
	case SHRINK_BRIDGE_REGISTER:
		return ioctl_register(s, (void __user *)arg);
	case SHRINK_BRIDGE_UNREGISTER:
		return ioctl_unregister(s, arg);
	case SHRINK_BRIDGE_BIND:
		return ioctl_bind(s, (void __user *)arg);
	case SHRINK_BRIDGE_STATS:
		return ioctl_stats(s, (void __user *)arg);
	case SHRINK_BRIDGE_VERSION:
		return ioctl_version((void __user *)arg);
	}
	return -ENOTTY;
}

static bool take_from(struct bridge_cache *c, u64 seq, struct shrink_bridge_request *ret)
{
	bool taken = false;
	u32 nid;

	spin_lock(&c->lock);
	for (nid = 0; nid < SHRINK_BRIDGE_NODES && !taken; nid++)
		if (bridge_slot_take(c, &c->slot[nid], seq, &ret->objects)) {
			*ret = (struct shrink_bridge_request){
				.seq = seq,
				.objects = ret->objects,
				.index = c->index,
				.nid = nid,
			};
			taken = true;
		}
	spin_unlock(&c->lock);
	return taken;
}

static bool take(struct bridge_session *s, struct shrink_bridge_request *ret)
{
	bool taken = false;
	u32 i;

	mutex_lock(&s->mutex);
	for (i = 0; i < SHRINK_BRIDGE_CACHES && !taken; i++)
		taken = s->cache[i] && take_from(s->cache[i], s->seq + 1, ret);
	if (taken)
		s->seq++;
	mutex_unlock(&s->mutex);
	return taken;
}

static void give_back(struct bridge_session *s, const struct shrink_bridge_request *req)
{
	struct bridge_cache *c;

	mutex_lock(&s->mutex);
	c = find(s, req->index);
	if (c) {
		spin_lock(&c->lock);
		bridge_slot_untake(c, &c->slot[req->nid], req->seq);
		spin_unlock(&c->lock);
	}
	mutex_unlock(&s->mutex);
}

static ssize_t bridge_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct bridge_session *s = file->private_data;
	struct shrink_bridge_request req;
	size_t done = 0;

	if (!is_owner(s))
		return -EPERM;
	if (len < sizeof(req))
		return -EINVAL;
	while (len - done >= sizeof(req)) {
		if (!take(s, &req)) {
			if (done || (file->f_flags & O_NONBLOCK))
				break;
			if (wait_event_interruptible(s->wait, atomic_read(&s->ready) > 0))
				return -ERESTARTSYS;
			continue;
		}
		if (copy_to_user(buf + done, &req, sizeof(req))) {
			give_back(s, &req);
			return done ? done : -EFAULT;
		}
		done += sizeof(req);
	}
	return done ? done : -EAGAIN;
}

static int answer(struct bridge_session *s, const struct shrink_bridge_result *res)
{
	struct bridge_cache *c;
	int r = -ENOENT;

	if (res->nid >= SHRINK_BRIDGE_NODES)
		return -EINVAL;
	mutex_lock(&s->mutex);
	c = find(s, res->index);
	if (c) {
		spin_lock(&c->lock);
		r = bridge_slot_answer(c, &c->slot[res->nid], res->seq, res->freed);
		spin_unlock(&c->lock);
	}
	mutex_unlock(&s->mutex);
	return r;
}

static ssize_t bridge_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	struct bridge_session *s = file->private_data;
	struct shrink_bridge_result res;
	size_t done = 0;
	int r = -EINVAL;

	if (!is_owner(s))
		return -EPERM;
	while (len - done >= sizeof(res)) {
		r = copy_from_user(&res, buf + done, sizeof(res)) ? -EFAULT : answer(s, &res);
		if (r)
			break;
		done += sizeof(res);
		cond_resched();
	}
	return done ? done : r;
}

static __poll_t bridge_poll(struct file *file, poll_table *wait)
{
	struct bridge_session *s = file->private_data;

	if (!is_owner(s))
		return EPOLLERR;
	poll_wait(file, &s->wait, wait);
	return EPOLLOUT | EPOLLWRNORM | (atomic_read(&s->ready) > 0 ? EPOLLIN | EPOLLRDNORM : 0);
}

static void set_flags(struct vm_area_struct *vma)
{
	/* a child that wrote the parent's counts would speak for it */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP;
#endif
}

static int bridge_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct bridge_session *s = file->private_data;
	struct bridge_cache *c;
	struct page *page = NULL;
	int r;

	if (!is_owner(s))
		return -EPERM;
	if (vma->vm_end - vma->vm_start != PAGE_SIZE || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_pgoff >= SHRINK_BRIDGE_CACHES)
		return -EINVAL;
	spin_lock(&s->table_lock);
	c = s->cache[vma->vm_pgoff];
	if (c) {
		page = c->page;
		get_page(page);
	}
	spin_unlock(&s->table_lock);
	if (!page)
		return -ENOENT;
	set_flags(vma);
	r = vm_insert_page(vma, vma->vm_start, page);
	put_page(page);
	return r;
}

static const struct file_operations bridge_fops = {
	.owner = THIS_MODULE,
	.open = bridge_open,
	.release = bridge_release,
	.flush = bridge_flush,
	.unlocked_ioctl = bridge_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = bridge_read,
	.write = bridge_write,
	.poll = bridge_poll,
	.mmap = bridge_mmap,
};

/* Root's, until an administrator says otherwise (docs/kernel-bridge.md). */
static struct miscdevice bridge_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "shrink",
	.mode = 0600,
	.fops = &bridge_fops,
};

static int __init bridge_init(void)
{
	int r = bridge_cache_init();

	if (r)
		return r;
	r = misc_register(&bridge_device);
	if (r)
		bridge_cache_exit();
	return r;
}

static void __exit bridge_exit(void)
{
	misc_deregister(&bridge_device);
	bridge_cache_exit();
}

module_init(bridge_init);
module_exit(bridge_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("caches of user-space programs as shrinkers of the kernel");
