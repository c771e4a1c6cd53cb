/* SPDX-License-Identifier: MIT */
/*
 * Templates: codelets linked in a jail and kept warm, lent to one run at a time, the least recently
 * used dropped first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

enum state { BUILDING, IDLE, BUSY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct template *templates;                                  /* under lock */
static struct template_wait *first_wait, **last_wait = &first_wait; /* under lock */
static bool stopped;                                                /* under lock */

/* ---- birth and death, without the lock ------------------------------------------------------- */

static int make_page(const char *name, size_t bytes, int *fd_out)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
		close(fd);
		return -ENOMEM;
	}
	*fd_out = fd;
	return 0;
}

static void *map_page(int fd, size_t bytes, int protection)
{
	void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The plan is ours alone to write: once it is mapped here, nobody else can map it writable. */
static int make_pages(struct template *t)
{
	if (make_page("plan", WIRE_PLAN_BYTES, &t->plan_fd) ||
	    make_page("claim", WIRE_CLAIM_BYTES, &t->claim_fd) ||
	    make_page("link", WIRE_LINK_BYTES, &t->link_fd))
		return -ENOMEM;
	t->plan = map_page(t->plan_fd, WIRE_PLAN_BYTES, PROT_READ | PROT_WRITE);
	t->claim = map_page(t->claim_fd, WIRE_CLAIM_BYTES, PROT_READ | PROT_WRITE);
	t->link = map_page(t->link_fd, WIRE_LINK_BYTES, PROT_READ);
	if (!t->plan || !t->claim || !t->link)
		return -ENOMEM;
	return fcntl(t->plan_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) ? -errno : 0;
}

static void destroy(struct template *t)
{
	if (t->zygote)
		launch_zygote_drop(t->zygote);
	if (t->plan)
		munmap(t->plan, WIRE_PLAN_BYTES);
	if (t->claim)
		munmap(t->claim, WIRE_CLAIM_BYTES);
	if (t->link)
		munmap((void *)t->link, WIRE_LINK_BYTES);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? t->plan_fd : i == 1 ? t->claim_fd : t->link_fd;

		if (fd >= 0)
			close(fd);
	}
	arena_free(t->arena);
	store_put(t->codelet);
	free(t);
}

static void pump(void);

/* ---- building -------------------------------------------------------------------------------- */

static void unlist(struct template *t)
{
	for (struct template **p = &templates; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			return;
		}
	}
}

static bool same_key(const struct template_key *a, const struct template_key *b)
{
	return a->uid == b->uid && !memcmp(a->sha256, b->sha256, sizeof(a->sha256)) &&
	       a->memory_bytes == b->memory_bytes && a->arena_bytes == b->arena_bytes &&
	       a->stack_bytes == b->stack_bytes && !strcmp(a->allow, b->allow) &&
	       a->place.rocker == b->place.rocker && a->place.group == b->place.group;
}

/*
 * Takes one waiter that only this template could have served, for as long as no other one lives.
 * Under lock.
 */
static struct template_wait *take_hopeless(const struct template *failed)
{
	for (struct template *t = templates; t; t = t->next) {
		if (t != failed && same_key(&t->key, &failed->key))
			return NULL;
	}
	for (struct template_wait **p = &first_wait; *p; p = &(*p)->next) {
		struct template_wait *wait = *p;

		if (!same_key(&wait->key, &failed->key))
			continue;
		*p = wait->next;
		if (!*p)
			last_wait = p;
		wait->queued = false;
		return wait;
	}
	return NULL;
}

static void build_failed(struct template *t, int rc, const char *sentence)
{
	struct template_wait *wait;

	pthread_mutex_lock(&lock);
	unlist(t);
	while ((wait = take_hopeless(t))) {
		pthread_mutex_unlock(&lock);
		wait->got(wait, NULL, launch_answer(rc), sentence);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	destroy(t);
	pump();
}

static void ready(void *arg, struct launch_zygote *zygote, int rc, const char *sentence)
{
	struct template *t = arg;

	t->zygote = zygote;
	if (rc) {
		build_failed(t, rc,
			     sentence && *sentence ? sentence : "the codelet could not be linked");
		return;
	}
	pthread_mutex_lock(&lock);
	t->state = IDLE;
	t->used_at = sfs_now_ns();
	pthread_mutex_unlock(&lock);
	pump();
}

/* On the pool: reading the codelet back may take as long as the disk does. */
static void build(void *arg)
{
	struct template *t = arg;
	struct launch_limits limits = { .memory_bytes = t->key.memory_bytes,
					.pids = sfs_config()->jail_pids,
					.place = t->key.place };
	struct wire_order order = { .type = WIRE_SETUP,
				    .arena_bytes = t->key.arena_bytes,
				    .stack_bytes = t->key.stack_bytes };
	int codelet = store_open(t->codelet);
	struct launch_zygote *zygote = NULL;
	int rc = codelet < 0 ? codelet : make_pages(t);

	memcpy(order.allow, t->key.allow, sizeof(order.allow));
	if (!rc) {
		int fds[] = { codelet, t->link_fd, t->plan_fd, t->claim_fd };

		zygote = launch_zygote_new(LAUNCH_RUNNER, t->key.uid, &limits, &order, fds, 4,
					   ready, t);
		if (!zygote)
			rc = -EIO;
	}
	if (codelet >= 0)
		close(codelet);
	if (rc) /* otherwise ready() has it, and may have freed it already */
		build_failed(t, rc, *sfs_sentence() ? sfs_sentence() : "no jail could be made");
}

/* ---- who gets what, under the lock ----------------------------------------------------------- */

static struct template *find_idle(const struct template_key *key)
{
	for (struct template *t = templates; t; t = t->next) {
		if (t->state == IDLE && same_key(&t->key, key))
			return t;
	}
	return NULL;
}

static unsigned count_templates(const struct template_key *key, bool building)
{
	unsigned count = 0;

	for (struct template *t = templates; t; t = t->next)
		count += same_key(&t->key, key) && (!building || t->state == BUILDING);
	return count;
}

/* Makes room for one more of uid: true when there is; *victim_out is idle and has to go first. */
static bool make_room(uid_t uid, struct template **victim_out)
{
	const struct sfs_config *config = sfs_config();
	struct template *oldest = NULL, *own_oldest = NULL;
	unsigned total = 0, own = 0;

	for (struct template *t = templates; t; t = t->next) {
		total++;
		own += t->key.uid == uid;
		if (t->state != IDLE)
			continue;
		if (!oldest || t->used_at < oldest->used_at)
			oldest = t;
		if (t->key.uid == uid && (!own_oldest || t->used_at < own_oldest->used_at))
			own_oldest = t;
	}
	*victim_out = NULL;
	if (own >= config->templates_max)
		*victim_out = own_oldest;
	else if (total >= config->templates_total)
		*victim_out = oldest;
	else
		return true;
	return *victim_out != NULL;
}

static struct template *add_template(const struct template_wait *wait)
{
	struct template *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->key = wait->key;
	t->state = BUILDING;
	t->plan_fd = t->claim_fd = t->link_fd = -1;
	t->codelet = store_get(wait->codelet);
	t->job = (struct pool_job){ build, t, t->key.uid, NULL };
	t->next = templates;
	templates = t;
	return t;
}

struct action {
	struct template_wait *wait; /* gets give */
	struct template *give, *build, *drop;
};

static void dequeue(struct template_wait **at)
{
	struct template_wait *wait = *at;

	*at = wait->next;
	if (!*at)
		last_wait = at;
	wait->queued = false;
}

/*
 * May a further template for this waiter be begun? Those ahead of it with the same key are served
 * first.
 */
static bool may_build(const struct template_wait *wait, unsigned cores)
{
	unsigned building;

	/* First what takes few steps: thousands may wait, and each change asks for each of them. */
	if (count_templates(&wait->key, false) >= cores)
		return false;
	building = count_templates(&wait->key, true);
	for (const struct template_wait *w = first_wait; building && w != wait; w = w->next)
		building -= same_key(&w->key, &wait->key);
	return !building;
}

/* Their codelet is gone, and nobody who came for the same bytes waits any more. */
static struct template *take_forgotten(void)
{
	for (struct template *t = templates; t; t = t->next) {
		if (t->state != IDLE || !t->forgotten)
			continue;
		unlist(t);
		return t;
	}
	return NULL;
}

static bool next_action(struct action *out)
{
	unsigned cores = pool_cores();

	for (struct template_wait **p = &first_wait; *p; p = &(*p)->next) {
		struct template_wait *wait = *p;
		struct template *idle = find_idle(&wait->key), *victim;

		*out = (struct action){ 0 };
		if (idle) {
			idle->state = BUSY;
			dequeue(p);
			out->wait = wait;
			out->give = idle;
			return true;
		}
		if (!may_build(wait, cores) || !make_room(wait->key.uid, &victim))
			continue;
		if (victim)
			unlist(victim);
		out->drop = victim;
		out->build = add_template(wait);
		return true;
	}
	*out = (struct action){ .drop = take_forgotten() };
	return out->drop != NULL;
}

static void pump(void)
{
	struct action action;

	for (;;) {
		bool found;

		pthread_mutex_lock(&lock);
		found = !stopped && next_action(&action);
		pthread_mutex_unlock(&lock);
		if (!found)
			return;
		if (action.drop)
			destroy(action.drop);
		if (action.build)
			pool_submit(&action.build->job);
		if (action.give)
			action.wait->got(action.wait, action.give, 0, "");
	}
}

/* ---- for runs -------------------------------------------------------------------------------- */

void template_get(struct template_wait *wait)
{
	bool refused;

	wait->next = NULL;
	pthread_mutex_lock(&lock);
	refused = stopped;
	wait->queued = !refused;
	if (!refused) {
		*last_wait = wait;
		last_wait = &wait->next;
	}
	pthread_mutex_unlock(&lock);
	if (refused)
		wait->got(wait, NULL, -EAGAIN, "the daemon is ending");
	else
		pump();
}

bool template_forget(struct template_wait *wait)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (struct template_wait **p = &first_wait; *p && !found; p = &(*p)->next) {
		if (*p == wait) {
			dequeue(p);
			found = true;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void template_put(struct template *t, bool dead)
{
	pthread_mutex_lock(&lock);
	dead = dead || stopped;
	t->used_at = sfs_now_ns();
	t->state = IDLE;
	if (dead)
		unlist(t);
	pthread_mutex_unlock(&lock);
	if (dead)
		destroy(t);
	pump();
}

/* Of one codelet, or all. Those that are in use or not ready yet go when they are idle. */
static void forget(const unsigned char *sha256)
{
	struct template *t;

	pthread_mutex_lock(&lock);
	for (t = templates; t; t = t->next)
		t->forgotten |= !sha256 || !memcmp(t->key.sha256, sha256, sizeof(t->key.sha256));
	pthread_mutex_unlock(&lock);
	do {
		pthread_mutex_lock(&lock);
		t = take_forgotten();
		pthread_mutex_unlock(&lock);
		if (t)
			destroy(t);
	} while (t);
}

void template_forget_codelet(const struct codelet *codelet)
{
	forget(codelet->sha256);
}

void template_stop(void)
{
	struct template_wait *wait;

	pthread_mutex_lock(&lock);
	stopped = true;
	pthread_mutex_unlock(&lock);
	forget(NULL);
	do {
		pthread_mutex_lock(&lock);
		wait = first_wait;
		if (wait)
			dequeue(&first_wait);
		pthread_mutex_unlock(&lock);
		if (wait)
			wait->got(wait, NULL, -EAGAIN, "the daemon is ending");
	} while (wait);
}
