/* SPDX-License-Identifier: MIT */
/* A hash table of nodes that live inside other structs. */
#include "store_map.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
	/* Early in a boot there may be no entropy yet; then the clock has to do. */
	if (getrandom(key, sizeof(key), GRND_NONBLOCK) != (ssize_t)sizeof(key)) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		key[0] ^= (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15;
	}
}

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1], v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1], v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
uint64_t map_hash(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t v[4], m;

	pthread_once(&key_once, draw_key);
	v[0] = key[0] ^ 0x736f6d6570736575, v[1] = key[1] ^ 0x646f72616e646f6d;
	v[2] = key[0] ^ 0x6c7967656e657261, v[3] = key[1] ^ 0x7465646279746573;
	for (size_t left = size; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}
	m = (uint64_t)size << 56;
	for (size_t i = 0; i < size % 8; i++)
		m |= (uint64_t)p[i] << (8 * i);
	v[3] ^= m;
	rounds(v, 2);
	v[0] ^= m;
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct map_node **slot(const struct map *map, uint64_t hash)
{
	return &map->slots[hash & (map->nslots - 1)];
}

/* Nodes of one hash come from one chain and go to one chain, at its end: their order stays. */
static void move_all(struct map *from, struct map *to)
{
	for (size_t i = 0; i < from->nslots; i++) {
		struct map_node *node = from->slots[i], *next;

		for (; node; node = next) {
			struct map_node **end = slot(to, node->hash);

			next = node->next;
			while (*end)
				end = &(*end)->next;
			node->next = NULL;
			*end = node;
		}
	}
}

int map_reserve(struct map *map, size_t n)
{
	struct map bigger = { .nslots = map->nslots ?: 64, .count = map->count };

	while (bigger.nslots < map->count + n)
		bigger.nslots *= 2;
	if (bigger.nslots == map->nslots)
		return 0;
	bigger.slots = calloc(bigger.nslots, sizeof(struct map_node *));
	if (!bigger.slots)
		return -ENOMEM;
	move_all(map, &bigger);
	free(map->slots);
	*map = bigger;
	return 0;
}

void map_put(struct map *map, struct map_node *node,
	     int (*before)(const struct map_node *other, const void *arg), const void *arg)
{
	struct map_node **at = slot(map, node->hash);

	if (before)
		while (*at && ((*at)->hash != node->hash || before(*at, arg)))
			at = &(*at)->next;
	node->next = *at;
	*at = node;
	map->count++;
}

void map_take(struct map *map, struct map_node *node)
{
	struct map_node **at = slot(map, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	map->count--;
}

static struct map_node *matching(struct map_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct map_node *map_first(const struct map *map, uint64_t hash)
{
	return map->nslots ? matching(*slot(map, hash), hash) : NULL;
}

struct map_node *map_next(const struct map_node *node)
{
	return matching(node->next, node->hash);
}

void map_each(struct map *map, void (*each)(struct map_node *node, void *arg), void *arg)
{
	for (size_t i = 0; i < map->nslots; i++) {
		struct map_node *node = map->slots[i], *next;

		for (; node; node = next) {
			next = node->next;
			each(node, arg);
		}
	}
}

void map_free(struct map *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}
