/* SPDX-License-Identifier: MIT */
/* The publishing threads: what each has to announce, and when. */
#include "publish.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "announce.h"
#include "notify.h"
#include "publish_call.h"
#include "publish_item.h"

#define LANES_MAX  16
#define ITEM_SLOTS 64       /* a power of two */
#define REST_NS    10000000 /* between two announcements of one row */
#define RESTS      4        /* each twice as long as the one before: for rows that never rest */
#define SOON       RESTS    /* the queue of those that wait for their first announcement */
#define QUEUES     (RESTS + 1)
#define PATIENCE   10 /* nice value */
#define STUCK_NS   2000000000u
#define STOP_S     3 /* for a thread to come back from its system call */

struct lane {
	const char *name; /* of the directory at the top; "" for the top itself */
	uint64_t patience_ns;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* All below under lock. */
	struct queue ready, resting[QUEUES];
	struct item *slots[ITEM_SLOTS];
	struct item *serving;
	uint64_t busy_since_ns; /* it is in a system call; 0: not */
	uint64_t wakes_ns;      /* it sleeps no longer than until then */
	bool stopping;
};

static struct {
	struct lane lanes[LANES_MAX];
	unsigned count; /* constant once created */
	struct publish_mount mount;
	atomic_bool running; /* something can be announced */
	bool created;        /* stop_lock */
	pthread_mutex_t stop_lock;
} all = { .mount = { .tree = -1 }, .stop_lock = PTHREAD_MUTEX_INITIALIZER };

static struct item **slot_of(struct lane *lane, const struct node *node, unsigned row, uid_t uid)
{
	uint64_t hash = (node->id ^ row * 0x9e3779b97f4a7c15u ^ uid) * 0x100000001b3u;
	struct item **slot = &lane->slots[(hash >> 32) & (ITEM_SLOTS - 1)];

	while (*slot &&
	       ((*slot)->call.node != node || (*slot)->row != row || (*slot)->call.uid != uid))
		slot = &(*slot)->next_slot;
	return slot;
}

static void item_free(void *arg)
{
	struct item *item = arg;

	node_put(item->call.node);
	node_put(item->call.to);
	free(item);
}

/* ---- what to announce ------------------------------------------------------------------------ */

/* The thread for what is in dir. */
static struct lane *lane_of(const struct sfs_obj *dir)
{
	unsigned i = 0;

	while (dir->node.dir && dir->node.dir->node.dir)
		dir = dir->node.dir;
	if (dir->node.dir)
		for (i = all.count - 1; i && strcmp(all.lanes[i].name, dir->node.name); i--)
			;
	return &all.lanes[i];
}

/* Under the lock. */
static void make_dirty(struct lane *lane, struct item *item)
{
	bool rests = item->due_ns;

	if (item->dirty)
		return;
	item->dirty = true;
	if (rests)
		return;
	if (lane->patience_ns) {
		item->due_ns = sfs_now_ns() + lane->patience_ns;
		item_put(&lane->resting[SOON], item);
	} else {
		item_put(&lane->ready, item);
	}
	if (item->due_ns < lane->wakes_ns)
		pthread_cond_signal(&lane->more);
}

static struct item *row_item(struct lane *lane, struct sfs_obj *dir, unsigned row, uid_t uid)
{
	struct item **slot = slot_of(lane, &dir->node, row, uid), *item = *slot;

	if (item)
		return item;
	item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	item->call.kind = CALL_TRUNCATE;
	item->call.node = node_get(&dir->node);
	item->call.uid = uid;
	item->row = row;
	snprintf(item->call.name, sizeof(item->call.name), "%s", dir->type->attrs[row].name);
	*slot = item;
	return item;
}

void publish_row(struct sfs_obj *dir, unsigned row, uid_t uid)
{
	struct lane *lane;
	struct item *item;

	if (!atomic_load(&all.running))
		return;
	lane = lane_of(dir);
	pthread_mutex_lock(&lane->lock);
	item = lane->stopping ? NULL : row_item(lane, dir, row, uid);
	if (item)
		make_dirty(lane, item);
	pthread_mutex_unlock(&lane->lock);
}

/* Under the lock: takes the items of node out of the slots; how many references they held. */
static unsigned forget_in_slot(struct lane *lane, struct item **slot, const struct node *node)
{
	struct item *item;
	unsigned n = 0;

	while ((item = *slot)) {
		if (item->call.node != node || item == lane->serving) {
			slot = &item->next_slot;
			continue;
		}
		*slot = item->next_slot;
		item->call.node = NULL;
		n++;
	}
	return n;
}

void publish_forget(struct sfs_obj *dir)
{
	struct lane *lane;
	unsigned i, n = 0;

	if (!atomic_load(&all.running))
		return;
	lane = lane_of(dir);
	pthread_mutex_lock(&lane->lock);
	for (i = 0; i < ITEM_SLOTS; i++)
		n += forget_in_slot(lane, &lane->slots[i], &dir->node);
	pthread_mutex_unlock(&lane->lock);
	while (n--)
		sfs_put_obj(dir);
}

static bool publish_name(enum call_kind kind, struct node *node, const char *name, struct node *to)
{
	struct lane *lane = lane_of(node->kind == NODE_DIR ? node_obj(node) : node->dir);
	struct item *item = calloc(1, sizeof(*item));
	bool taken;

	if (!item)
		return false;
	item->call.kind = kind;
	item->call.node = node_get(node);
	item->call.to = node_get(to);
	snprintf(item->call.name, sizeof(item->call.name), "%s", name);
	pthread_mutex_lock(&lane->lock);
	taken = !lane->stopping;
	if (taken) {
		item_put(&lane->ready, item);
		pthread_cond_signal(&lane->more);
	}
	pthread_mutex_unlock(&lane->lock);
	if (!taken)
		item_free(item);
	return taken;
}

bool publish_made(struct sfs_obj *dir)
{
	return atomic_load(&all.running) &&
	       publish_name(CALL_MKDIR, &dir->node, dir->node.name, NULL);
}

bool publish_moved(struct sfs_obj *old, struct sfs_obj *fresh)
{
	return atomic_load(&all.running) &&
	       publish_name(CALL_RENAME, &old->node, old->node.name, &fresh->node);
}

bool publish_gone(struct node *node, const char *name)
{
	return atomic_load(&all.running) &&
	       publish_name(node->kind == NODE_DIR ? CALL_RMDIR : CALL_UNLINK, node, name, NULL);
}

bool publish_lost(struct node *node, const char *name)
{
	return atomic_load(&all.running) && publish_name(CALL_LOOK, node, name, NULL);
}

/* ---- announcing ------------------------------------------------------------------------------ */

static unsigned lane_number(const struct lane *lane)
{
	return (unsigned)(lane - all.lanes);
}

/* Under the lock: those that have rested. Returns when the next will have, or UINT64_MAX. */
static uint64_t wake_resting(struct lane *lane, struct queue *rested)
{
	uint64_t now = sfs_now_ns(), next = UINT64_MAX;
	struct item *item;
	unsigned i;

	for (i = 0; i < QUEUES; i++) {
		while ((item = lane->resting[i].first) && item->due_ns <= now) {
			item_take(&lane->resting[i]);
			item->due_ns = 0;
			if (item->dirty) {
				item->rest += i != SOON && item->rest + 1 < RESTS;
				item_put(&lane->ready, item);
				continue;
			}
			if (item->call.node)
				*slot_of(lane, item->call.node, item->row, item->call.uid) =
					item->next_slot;
			item_put(rested, item);
		}
		if (item && item->due_ns < next)
			next = item->due_ns;
	}
	return next;
}

/* With a node's last reference its backend closes descriptors, which are not this thread's. */
static void free_elsewhere(struct item *item)
{
	notify_call(item_free, item);
}

/* Under the lock, which is dropped around the system call. */
static void serve_item(struct lane *lane, struct item *item)
{
	bool is_row = item->call.kind == CALL_TRUNCATE;

	if (!item->call.node) { /* it went meanwhile */
		free(item);
		return;
	}
	item->dirty = false;
	lane->serving = item;
	lane->busy_since_ns = sfs_now_ns();
	/* Until then what comes finds it neither resting nor waiting, and waits for its rest. */
	item->due_ns = UINT64_MAX;
	pthread_mutex_unlock(&lane->lock);
	call_announce(lane_number(lane), &all.mount, &item->call, item->row);
	if (!is_row)
		free_elsewhere(item);
	pthread_mutex_lock(&lane->lock);
	lane->busy_since_ns = 0;
	lane->serving = NULL;
	if (!is_row)
		return;
	item->due_ns = sfs_now_ns() + ((uint64_t)REST_NS << item->rest);
	item_put(&lane->resting[item->rest], item);
}

static void wait_for_more(struct lane *lane, uint64_t until_ns)
{
	const struct timespec until = { (time_t)(until_ns / 1000000000u),
					(long)(until_ns % 1000000000u) };

	lane->wakes_ns = until_ns;
	if (until_ns == UINT64_MAX)
		pthread_cond_wait(&lane->more, &lane->lock);
	else
		pthread_cond_timedwait(&lane->more, &lane->lock, &until);
	lane->wakes_ns = 0; /* it looks at all of them before it sleeps again */
}

/* Under the lock, which is dropped. Who enters the mount before it answers waits for that. */
static void lane_begin(struct lane *lane)
{
	while (!lane->stopping && !atomic_load(&all.running))
		wait_for_more(lane, UINT64_MAX);
	if (lane->stopping)
		return;
	pthread_mutex_unlock(&lane->lock);
	call_thread(lane_number(lane), &all.mount);
	pthread_mutex_lock(&lane->lock);
}

static void *publish(void *arg)
{
	struct lane *lane = arg;
	struct queue rested = { NULL, &rested.first };
	struct item *item, *done;
	uint64_t next;

	/* What is told is news of work that goes on: not before that work, where both want one processor. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), PATIENCE);
	pthread_mutex_lock(&lane->lock);
	lane_begin(lane);
	while (!lane->stopping) {
		next = wake_resting(lane, &rested);
		item = item_take(&lane->ready);
		while ((done = item_take(&rested)))
			free_elsewhere(done);
		if (item)
			serve_item(lane, item);
		else if (!lane->stopping && !lane->ready.first)
			wait_for_more(lane, next);
	}
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void lane_init(struct lane *lane, const char *name, uint64_t patience_ns)
{
	pthread_condattr_t attr;
	unsigned i;

	memset(lane, 0, sizeof(*lane));
	lane->name = name;
	lane->patience_ns = patience_ns;
	lane->ready.last = &lane->ready.first;
	for (i = 0; i < QUEUES; i++)
		lane->resting[i].last = &lane->resting[i].first;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lane->more, &attr);
	pthread_condattr_destroy(&attr);
}

int publish_create(const struct publish_mount *mount)
{
	sigset_t every, before;
	unsigned i;
	int err = 0;

	call_prepare();
	all.mount = *mount;
	lane_init(&all.lanes[0], "", 0);
	for (i = 0; sfs_backends[i] && i + 1 < LANES_MAX; i++)
		lane_init(&all.lanes[i + 1], sfs_backends[i]->name,
			  (uint64_t)sfs_backends[i]->patience_us * 1000);
	all.count = i + 1;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	for (i = 0; i < all.count && !err; i++)
		err = pthread_create(&all.lanes[i].thread, NULL, publish, &all.lanes[i]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		all.count = i - 1;
	all.created = true;
	return -err;
}

static void lane_wake(struct lane *lane, bool to_stop)
{
	pthread_mutex_lock(&lane->lock);
	lane->stopping |= to_stop;
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
}

void publish_begin(void)
{
	unsigned i;

	atomic_store(&all.running, true);
	for (i = 0; i < all.count; i++)
		lane_wake(&all.lanes[i], false);
}

static void free_all(struct queue *queue)
{
	struct item *item;

	while ((item = item_take(queue)))
		item_free(item);
}

/* False: its thread hangs, and what it has stays. */
static bool lane_end(struct lane *lane, const struct timespec *end)
{
	unsigned i;

	if (pthread_timedjoin_np(lane->thread, NULL, end))
		return false;
	free_all(&lane->ready);
	for (i = 0; i < QUEUES; i++)
		free_all(&lane->resting[i]);
	return true;
}

void publish_stop(void)
{
	struct timespec end;
	unsigned i;

	pthread_mutex_lock(&all.stop_lock);
	atomic_store(&all.running, false);
	if (all.created) {
		all.created = false;
		for (i = 0; i < all.count; i++)
			lane_wake(&all.lanes[i], true);
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += STOP_S;
		for (i = 0; i < all.count; i++)
			if (!lane_end(&all.lanes[i], &end))
				sfs_log(SFS_WARN, "the publisher of '%s' hangs in the kernel",
					all.lanes[i].name);
		if (all.mount.tree >= 0)
			close(all.mount.tree); /* one that hangs still reads what it was */
	}
	pthread_mutex_unlock(&all.stop_lock);
}

void publish_show_stuck(struct sfs_buf *out, bool *any)
{
	uint64_t since;
	unsigned i;

	for (i = 0; atomic_load(&all.running) && i < all.count; i++) {
		pthread_mutex_lock(&all.lanes[i].lock);
		since = all.lanes[i].busy_since_ns;
		pthread_mutex_unlock(&all.lanes[i].lock);
		if (!since || sfs_now_ns() - since < STUCK_NS)
			continue;
		*any = true;
		sfs_put(out, "publisher: no events of inotify from /%s: its thread hangs\n",
			all.lanes[i].name);
	}
}
