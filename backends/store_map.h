/* SPDX-License-Identifier: MIT */
/*
 * A hash table of nodes that live inside other structs; equal hashes keep the order in which they
 * were put.
 *
 * The hash is SipHash-2-4 under a key drawn at start, since users choose the names. The caller has
 * the lock and the nodes; only map_reserve() allocates, so that putting a node in cannot fail.
 */
#ifndef STORE_MAP_H
#define STORE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **slots; /* owned */
	size_t nslots;           /* a power of two, or 0 */
	size_t count;
};

uint64_t map_hash(const void *data, size_t size);
/* Room for n more nodes. 0 or -ENOMEM. */
int map_reserve(struct map *map, size_t n);
/*
 * Puts node, whose hash is set, behind those of the same hash for which before(arg, other) holds.
 * NULL: first.
 */
void map_put(struct map *map, struct map_node *node,
	     int (*before)(const struct map_node *other, const void *arg), const void *arg);
void map_take(struct map *map, struct map_node *node);
/* The first node with that hash, and the next one with the hash of node. */
struct map_node *map_first(const struct map *map, uint64_t hash);
struct map_node *map_next(const struct map_node *node);
/* Calls each for every node, which may take that node out. */
void map_each(struct map *map, void (*each)(struct map_node *node, void *arg), void *arg);
void map_free(struct map *map);

#endif
