/* SPDX-License-Identifier: MIT */
/* A queue that goes round by uid. */
#include "store_turns.h"

#include <stddef.h>

/* Where the first of uid hangs, or the end of the queue. */
static struct turn **place_of(struct turns *turns, uid_t uid)
{
	struct turn **at = &turns->first;

	while (*at && (*at)->uid != uid)
		at = &(*at)->next;
	return at;
}

/* Out of the queue, with all that is behind it. */
static struct turn *unhook(struct turn **at)
{
	struct turn *first = *at;

	*at = first->next;
	first->next = NULL;
	return first;
}

static void hook_last(struct turns *turns, struct turn *first)
{
	struct turn **at = &turns->first;

	while (*at)
		at = &(*at)->next;
	*at = first;
}

void turns_add(struct turns *turns, struct turn *turn, uid_t uid)
{
	struct turn **at = place_of(turns, uid);

	*turn = (struct turn){ .uid = uid, .last = turn };
	if (!*at) {
		*at = turn;
		return;
	}
	(*at)->last->behind = turn;
	(*at)->last = turn;
}

void turns_again(struct turns *turns, struct turn *turn)
{
	struct turn **at = place_of(turns, turn->uid);
	struct turn *rest = *at ? unhook(at) : NULL;

	*turn = (struct turn){ .uid = turn->uid, .behind = rest, .last = rest ? rest->last : turn };
	hook_last(turns, turn);
}

static struct turn **next_place(struct turns *turns, bool (*may)(uid_t uid))
{
	struct turn **at = &turns->first;

	while (may && *at && !may((*at)->uid))
		at = &(*at)->next;
	return at;
}

struct turn *turns_take(struct turns *turns, bool (*may)(uid_t uid))
{
	struct turn **at = next_place(turns, may);
	struct turn *turn = *at ? unhook(at) : NULL;

	if (turn && turn->behind) {
		turn->behind->last = turn->last;
		hook_last(turns, turn->behind);
		turn->behind = NULL;
	}
	return turn;
}

bool turns_any(const struct turns *turns, bool (*may)(uid_t uid))
{
	return *next_place((struct turns *)turns, may);
}

bool turns_remove(struct turns *turns, struct turn *turn)
{
	struct turn **at = place_of(turns, turn->uid), *first = *at, *before = first;

	if (first == turn) {
		*at = turn->behind ?: turn->next;
		if (turn->behind) {
			turn->behind->next = turn->next;
			turn->behind->last = turn->last;
		}
		return true;
	}
	while (before && before->behind != turn)
		before = before->behind;
	if (!before)
		return false;
	before->behind = turn->behind;
	if (first->last == turn)
		first->last = before;
	return true;
}
