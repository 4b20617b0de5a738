// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/lru/distance.h>

#define GROUP_SHIFT 32
#define NID_SHIFT 48
#define ACTIVE_BIT (UINT64_C(1) << 54)
#define AGED_BIT (UINT64_C(1) << 55)
#define SET_BIT (UINT64_C(1) << 56)

uint64_t shrink_shadow_pack(const struct shrink_shadow *s)
{
	return SET_BIT | (s->aged ? AGED_BIT : 0) | (s->active ? ACTIVE_BIT : 0) |
	       (uint64_t)(s->nid & 0x3f) << NID_SHIFT |
	       (uint64_t)(s->group & 0xffff) << GROUP_SHIFT | s->clock;
}

bool shrink_shadow_unpack(uint64_t packed, struct shrink_shadow *ret)
{
	if (packed >> 56 != 1)
		return false;
	ret->clock = (uint32_t)packed;
	ret->group = packed >> GROUP_SHIFT & 0xffff;
	ret->nid = packed >> NID_SHIFT & 0x3f;
	ret->active = packed & ACTIVE_BIT;
	ret->aged = packed & AGED_BIT;
	return true;
}

uint32_t shrink_distance(uint32_t now, uint32_t then)
{
	return now - then;
}

uint32_t shrink_distance_until(uint32_t end, uint32_t then)
{
	uint32_t d = shrink_distance(end, then);

	return d > UINT32_MAX / 2 ? 0 : d;
}

uint64_t shrink_distance_room(const struct shrink_distance_room *in)
{
	uint64_t room = in->active_clean;

	if (in->dirty)
		room += in->inactive_clean;
	if (in->write_out)
		room += in->active_dirty + (in->dirty ? 0 : in->inactive_dirty);
	return room;
}
