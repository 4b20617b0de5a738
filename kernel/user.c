// SPDX-License-Identifier: GPL-2.0
/*
 * Every shrinker makes every pass of the kernel a little longer, for everybody: a user
 * may have so many, over all sessions.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "shrink_bridge.h"

static unsigned int caches_per_user = 256;
module_param(caches_per_user, uint, 0644);
MODULE_PARM_DESC(caches_per_user, "caches that one user may register, over all processes");

static DEFINE_MUTEX(users_mutex);
static LIST_HEAD(users);

struct bridge_user *bridge_user_get(kuid_t uid)
{
	struct bridge_user *user;

	mutex_lock(&users_mutex);
	list_for_each_entry(user, &users, link) if (uid_eq(user->uid, uid)) goto found;
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (user) {
		user->uid = uid;
		list_add(&user->link, &users);
	}
found:
	if (user)
		user->sessions++;
	mutex_unlock(&users_mutex);
	return user;
}

void bridge_user_put(struct bridge_user *user)
{
	mutex_lock(&users_mutex);
	if (!--user->sessions) {
		list_del(&user->link);
		kfree(user);
	}
	mutex_unlock(&users_mutex);
}

int bridge_user_charge(struct bridge_user *user)
{
	int r = 0;

	mutex_lock(&users_mutex);
	if (user->caches < READ_ONCE(caches_per_user))
		user->caches++;
	else
		r = -EDQUOT;
	mutex_unlock(&users_mutex);
	return r;
}

void bridge_user_uncharge(struct bridge_user *user)
{
	mutex_lock(&users_mutex);
	user->caches--;
	mutex_unlock(&users_mutex);
}
