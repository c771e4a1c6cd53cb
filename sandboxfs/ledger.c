/* SPDX-License-Identifier: MIT */
/* The ledger: slots of open files in memory that outlives a daemon. */
#include "ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 65536u /* open files of everybody together */

struct slot {
	atomic_uint used; /* 1: all below is valid */
	uint32_t generation;
	atomic_uint written, saved;
	atomic_uint_fast64_t polled; /* by this number the kernel knows who waits in poll(2) */
	int refused; /* by the daemon that serves now */
	struct ledger_open open;
};

struct ledger {
	atomic_uint_fast64_t replacements, rotation;
	atomic_uint init_size; /* 0: no INIT yet */
	unsigned char init[LEDGER_INIT_MAX];
	atomic_uint top; /* no slot from here on has been used */
	struct slot slots[SLOTS];
};

static struct ledger *ledger; /* shared with all daemons that come */

/* The daemon's own. */
static _Atomic(struct file *) files[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t next_free[SLOTS], first_free; /* one more than the slot; 0: none; lock */

/* ---- the supervisor's part ------------------------------------------------------------------- */

int ledger_start(void)
{
	void *memory = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	ledger = memory;
	return 0;
}

void ledger_clear(void)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top && i < SLOTS; i++)
		atomic_store(&ledger->slots[i].used, 0);
	atomic_store(&ledger->init_size, 0);
}

void ledger_count_replacement(void)
{
	atomic_fetch_add(&ledger->replacements, 1);
}

uint64_t ledger_replacements(void)
{
	return ledger ? atomic_load(&ledger->replacements) : 0;
}

/* ---- a daemon begins -------------------------------------------------------------------------- */

/* Under the lock. */
static void free_slot(uint32_t i)
{
	next_free[i] = first_free;
	first_free = i + 1;
}

int ledger_begin(void)
{
	int err = ledger ? 0 : ledger_start();
	uint32_t i;

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	first_free = 0;
	for (i = atomic_load(&ledger->top); i-- > 0;)
		if (!atomic_load(&ledger->slots[i].used))
			free_slot(i);
	pthread_mutex_unlock(&lock);
	return 0;
}

void ledger_keep_init(const void *bytes, size_t size)
{
	if (size > sizeof(ledger->init))
		return;
	memcpy(ledger->init, bytes, size);
	atomic_store(&ledger->init_size, (unsigned)size);
}

const void *ledger_init(size_t *size)
{
	*size = atomic_load(&ledger->init_size);
	return *size ? ledger->init : NULL;
}

uint64_t ledger_rotation(void)
{
	static atomic_uint_fast64_t own; /* of tests that have no daemon */

	return atomic_fetch_add(ledger ? &ledger->rotation : &own, 1) + 1;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint64_t fh_of(uint32_t i)
{
	return (uint64_t)ledger->slots[i].generation << 32 | (i + 1);
}

/* NULL: none of that generation is in use. */
static struct slot *slot_of(uint64_t fh)
{
	uint32_t i = (uint32_t)fh - 1;
	struct slot *slot = i < SLOTS ? &ledger->slots[i] : NULL;

	return slot && atomic_load(&slot->used) && slot->generation == fh >> 32 ? slot : NULL;
}

/* Under the lock: one more than the slot, 0: there is none. */
static uint32_t find_free(void)
{
	uint32_t found = first_free;

	if (found) {
		first_free = next_free[found - 1];
	} else if (atomic_load(&ledger->top) < SLOTS) {
		found = atomic_fetch_add(&ledger->top, 1) + 1;
	}
	return found;
}

int ledger_take(const struct ledger_open *open, struct file *file, uint64_t *fh_out)
{
	struct slot *slot;
	uint32_t found;

	pthread_mutex_lock(&lock);
	found = find_free();
	pthread_mutex_unlock(&lock);
	if (!found)
		return sfs_fail(-EMFILE, "more than %u files are open here", SLOTS);
	slot = &ledger->slots[found - 1];
	slot->generation++;
	slot->open = *open;
	slot->refused = 0;
	atomic_store(&slot->written, 0);
	atomic_store(&slot->saved, 0);
	atomic_store(&files[found - 1], file);
	*fh_out = fh_of(found - 1);
	atomic_store(&slot->used, 1);
	return 0;
}

struct file *ledger_file(uint64_t fh)
{
	return slot_of(fh) ? atomic_load(&files[(uint32_t)fh - 1]) : NULL;
}

struct file *ledger_put(uint64_t fh)
{
	struct slot *slot = slot_of(fh);
	struct file *file;

	if (!slot)
		return NULL;
	file = atomic_exchange(&files[(uint32_t)fh - 1], NULL);
	atomic_store(&slot->used, 0);
	pthread_mutex_lock(&lock);
	free_slot((uint32_t)fh - 1);
	pthread_mutex_unlock(&lock);
	return file;
}

struct file *ledger_put_any(void)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&files[i]))
			return ledger_put(fh_of(i));
	return NULL;
}

uint64_t ledger_asked_by(uint64_t number)
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&ledger->slots[i].used) &&
		    ledger->slots[i].open.asked_by == number)
			return fh_of(i);
	return 0;
}

/* ---- what was written ------------------------------------------------------------------------ */

void ledger_wrote(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_fetch_add(&slot->written, 1);
}

uint32_t ledger_written(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	return slot ? atomic_load(&slot->written) : 0;
}

void ledger_saved(uint64_t fh, uint32_t written)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_store(&slot->saved, written);
}

bool ledger_unsaved(uint64_t fh)
{
	struct slot *slot = slot_of(fh);

	return slot && atomic_load(&slot->written) != atomic_load(&slot->saved);
}

/* ---- a successor ----------------------------------------------------------------------------- */

void ledger_each(void (*each)(uint64_t fh, const struct ledger_open *open))
{
	uint32_t i, top = atomic_load(&ledger->top);

	for (i = 0; i < top; i++)
		if (atomic_load(&ledger->slots[i].used))
			each(fh_of(i), &ledger->slots[i].open);
}

void ledger_poll(uint64_t fh, uint64_t number)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		atomic_store(&slot->polled, number);
}

void ledger_each_polled(void (*each)(uint64_t number, void *arg), void *arg)
{
	unsigned i, top = atomic_load(&ledger->top);
	uint64_t number;

	for (i = 0; i < top && i < SLOTS; i++) {
		number = atomic_exchange(&ledger->slots[i].polled, 0);
		if (number && atomic_load(&ledger->slots[i].used))
			each(number, arg);
	}
}

void ledger_reopened(uint64_t fh, struct file *file)
{
	struct slot *slot = slot_of(fh);

	slot->refused = 0;
	atomic_store(&files[(uint32_t)fh - 1], file);
}

void ledger_refused(uint64_t fh, int err)
{
	slot_of(fh)->refused = err;
}

const struct ledger_open *ledger_opened(uint64_t fh, int *refused)
{
	struct slot *slot = slot_of(fh);

	if (slot)
		*refused = slot->refused;
	return slot ? &slot->open : NULL;
}
