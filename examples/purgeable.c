/* SPDX-License-Identifier: MIT */
/*
 * purgeable: rendered tiles that the kernel may take while nobody looks at them. Some
 * are, here at the demand of shrink_drop_all(); looking at them renders those anew, and
 * only those.
 */
#include <stdio.h>
#include <string.h>

#include <shrink/shrink.h>

enum { TILES = 256, SIZE = 64 * 1024 };

struct tile {
	unsigned int number;
	unsigned char pixels[SIZE - sizeof(unsigned int)];
};

static struct tile *tiles[TILES];
static unsigned int rendered;

static void render(struct tile *tile, unsigned int number)
{
	tile->number = number;
	memset(tile->pixels, (int)(number % 255 + 1), sizeof(tile->pixels));
	rendered++;
}

/* Pinned for as long as it is looked at. */
static int look_at(struct shrink_region *region, unsigned int number)
{
	struct tile *tile = tiles[number];
	int found = shrink_region_pin(region, tile);

	if (found < 0)
		return found;
	if (found == SHRINK_REGION_PURGED)
		render(tile, number);
	if (tile->number != number || tile->pixels[100] != number % 255 + 1)
		return -1; /* cannot be: a tile is whole, or purged */
	return shrink_region_unpin(region, tile);
}

int main(void)
{
	struct shrink_region *region = shrink_region_create(NULL, 0, (size_t)TILES * SIZE, "tiles");
	struct shrink_region_stats stats;

	if (!region || shrink_start(SHRINK_START_SIMULATED) < 0)
		return 1;
	for (unsigned int i = 0; i < TILES; i++) {
		tiles[i] = shrink_region_alloc(region, SIZE);
		if (!tiles[i])
			return 1;
		render(tiles[i], i);
		shrink_region_unpin(region, tiles[i]);
	}
	shrink_region_flush(region);
	rendered = 0;
	for (unsigned int i = 0; i < TILES; i++)
		if (look_at(region, i))
			return 1;
	printf("left alone: %u of %d tiles rendered again\n", rendered, TILES);

	/* 64 tiles are being looked at and stay; the others go */
	for (unsigned int i = 0; i < 64; i++)
		if (shrink_region_pin(region, tiles[i]) < 0)
			return 1;
	shrink_drop_all();
	for (unsigned int i = 0; i < 64; i++)
		shrink_region_unpin(region, tiles[i]);
	rendered = 0;
	for (unsigned int i = 0; i < TILES; i++)
		if (look_at(region, i))
			return 1;
	printf("pressed:    %u of %d tiles rendered again\n", rendered, TILES);
	if (shrink_region_stats(region, &stats, sizeof(stats)) < 0)
		return 1;
	printf("pins that kept: %llu, that found nothing: %llu\n", (unsigned long long)stats.kept,
	       (unsigned long long)stats.purged);
	shrink_stop();
	shrink_region_destroy(region);
	return rendered == TILES - 64 ? 0 : 1;
}
