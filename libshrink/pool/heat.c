// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
#include <libshrink/pool/heat.h>

/* Together with YOUNG they make the last score. */
#define WEIGHT_HEAT 39
#define WEIGHT_FULL 16
#define YOUNG 8

unsigned int shrink_heat_scale(uint64_t mean, uint64_t size)
{
	uint64_t square, root = SHRINK_SCALE_ONE / 4;

	if (!mean || !size)
		return SHRINK_SCALE_ONE;
	square = mean * SHRINK_SCALE_ONE * SHRINK_SCALE_ONE / size;
	while (root < SHRINK_SCALE_ONE * 4 && (root + 1) * (root + 1) <= square)
		root++;
	return (unsigned int)root;
}

unsigned int shrink_heat_next(unsigned int heat, unsigned int hot, unsigned int places)
{
	unsigned int now = places ? hot * SHRINK_HEAT_MAX / places : 0;

	return now > heat / 2 ? now : heat / 2;
}

unsigned int shrink_heat_mean(unsigned int heat, unsigned int hot, unsigned int places)
{
	return heat / 2 + (places ? hot * 128 / places : 0);
}

unsigned int shrink_heat_score(unsigned int heat, unsigned int live, unsigned int places,
			       int young)
{
	unsigned int score = heat * WEIGHT_HEAT / SHRINK_HEAT_MAX;

	/* the first object of a slab costs something too: rounded up */
	score += places ? (live * WEIGHT_FULL + places - 1) / places : 0;
	score += young ? YOUNG : 0;
	return score < SHRINK_SCORES ? score : SHRINK_SCORES - 1;
}

void shrink_heat_enter(struct shrink_heat_map *map, unsigned int score, uint64_t pages,
		       uint64_t window)
{
	map->pages[score] += pages;
	map->total += pages;
	if (map->total < window)
		return;
	map->total = 0;
	for (unsigned int i = 0; i < SHRINK_SCORES; i++) {
		map->pages[i] /= 2;
		map->total += map->pages[i];
	}
}

int shrink_heat_is_cold(const struct shrink_heat_map *map, unsigned int score)
{
	uint64_t colder = 0;

	for (unsigned int i = 0; i < score; i++)
		colder += map->pages[i];
	return colder * 4 < map->total || !map->total;
}

void shrink_age_enter(struct shrink_age_map *map, unsigned int age, uint64_t bytes, uint64_t window)
{
	map->bytes[age] += bytes;
	map->total += bytes;
	if (map->total < window)
		return;
	map->total = 0;
	for (unsigned int i = 0; i < SHRINK_AGES; i++) {
		map->bytes[i] /= 2;
		map->total += map->bytes[i];
	}
}

unsigned int shrink_age_percentile(const struct shrink_age_map *map, unsigned int percent)
{
	uint64_t older = map->bytes[0];
	unsigned int age = 1;

	while (age < SHRINK_AGES - 1 && older * 100 < map->total * percent)
		older += map->bytes[age++];
	return age;
}
