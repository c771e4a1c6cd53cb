/* SPDX-License-Identifier: MIT */
/* Limits of each uid: a small table, where a uid that holds nothing takes no place. */
#include "account.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "sandboxfs.h"

#define HELD_MAX_BYTES (UINT64_C(256) << 20)
#define OPENS_SPARE    8 /* files that one uid may have open above the limit */

struct account {
	struct account *next;
	uid_t uid;
	uint32_t opens, staged_files;
	uint64_t staged_bytes, held_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct account *accounts;

/* Under the lock. NULL: out of memory. */
static struct account *account_of(uid_t uid)
{
	struct account *account = accounts;

	while (account && account->uid != uid)
		account = account->next;
	if (account)
		return account;
	account = calloc(1, sizeof(*account));
	if (account) {
		account->uid = uid;
		account->next = accounts;
		accounts = account;
	}
	return account;
}

static struct account *begin(uid_t uid)
{
	pthread_mutex_lock(&lock);
	return account_of(uid);
}

/* An account that holds nothing goes. */
static void end(struct account *account)
{
	struct account **link = &accounts;

	if (account && !account->opens && !account->staged_files && !account->staged_bytes &&
	    !account->held_bytes) {
		while (*link != account)
			link = &(*link)->next;
		*link = account->next;
		free(account);
	}
	pthread_mutex_unlock(&lock);
}

int account_open(uid_t uid, bool spare)
{
	uint32_t max = sfs_config()->opens_max;
	struct account *account = begin(uid);
	int err = 0;

	if (!account)
		err = -ENOMEM;
	else if (account->opens >= max + (spare ? OPENS_SPARE : 0))
		err = sfs_fail(-EDQUOT, "uid %u has %u files open here already", uid, max);
	else
		account->opens++;
	end(account);
	return err;
}

void account_close(uid_t uid)
{
	struct account *account = begin(uid);

	if (account && account->opens)
		account->opens--;
	end(account);
}

int account_stage_file(uid_t uid)
{
	uint32_t max = sfs_config()->staging_max_files;
	struct account *account = begin(uid);
	int err = 0;

	if (!account)
		err = -ENOMEM;
	else if (account->staged_files >= max)
		err = sfs_fail(-EDQUOT, "uid %u stages %u files already", uid, max);
	else
		account->staged_files++;
	end(account);
	return err;
}

void account_unstage_file(uid_t uid)
{
	struct account *account = begin(uid);

	if (account && account->staged_files)
		account->staged_files--;
	end(account);
}

/* which: the offset of the sum in struct account. */
static int add_bytes(uid_t uid, size_t which, uint64_t bytes, uint64_t max, const char *what)
{
	struct account *account = begin(uid);
	uint64_t *sum = account ? (uint64_t *)((char *)account + which) : NULL;
	int err = 0;

	if (!sum)
		err = -ENOMEM;
	else if (bytes > max || *sum > max - bytes)
		err = sfs_fail(-EDQUOT, "uid %u may not %s more than %llu bytes", uid, what,
			       (unsigned long long)max);
	else
		*sum += bytes;
	end(account);
	return err;
}

static void take_bytes(uid_t uid, size_t which, uint64_t bytes)
{
	struct account *account = begin(uid);
	uint64_t *sum = account ? (uint64_t *)((char *)account + which) : NULL;

	if (sum)
		*sum -= bytes < *sum ? bytes : *sum;
	end(account);
}

int account_stage(uid_t uid, uint64_t bytes)
{
	return add_bytes(uid, offsetof(struct account, staged_bytes), bytes,
			 sfs_config()->staging_max_bytes, "stage");
}

void account_unstage(uid_t uid, uint64_t bytes)
{
	take_bytes(uid, offsetof(struct account, staged_bytes), bytes);
}

int account_hold(uid_t uid, uint64_t bytes)
{
	return add_bytes(uid, offsetof(struct account, held_bytes), bytes, HELD_MAX_BYTES,
			 "keep open files of");
}

void account_unhold(uid_t uid, uint64_t bytes)
{
	take_bytes(uid, offsetof(struct account, held_bytes), bytes);
}
