/* SPDX-License-Identifier: MIT */
/* Limits of each uid: a small table, where a uid that holds nothing takes no place. */
#include "account.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "sandboxfs.h"

struct account {
	struct account *next;
	uid_t uid;
	uint32_t opens, staged_files;
	uint64_t staged_bytes;
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

static void drop_if_empty(struct account *account)
{
	struct account **link = &accounts;

	if (!account || account->opens || account->staged_files || account->staged_bytes)
		return;
	while (*link != account)
		link = &(*link)->next;
	*link = account->next;
	free(account);
}

int account_open(uid_t uid)
{
	uint32_t max = sfs_config()->opens_max;
	struct account *account;
	int err = 0;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (!account)
		err = -ENOMEM;
	else if (account->opens >= max)
		err = sfs_fail(-EDQUOT, "uid %u has %u files open here already", uid, max);
	else
		account->opens++;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
	return err;
}

void account_close(uid_t uid)
{
	struct account *account;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (account && account->opens)
		account->opens--;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
}

int account_stage_file(uid_t uid)
{
	uint32_t max = sfs_config()->staging_max_files;
	struct account *account;
	int err = 0;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (!account)
		err = -ENOMEM;
	else if (account->staged_files >= max)
		err = sfs_fail(-EDQUOT, "uid %u stages %u files already", uid, max);
	else
		account->staged_files++;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
	return err;
}

void account_unstage_file(uid_t uid)
{
	struct account *account;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (account && account->staged_files)
		account->staged_files--;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
}

int account_stage(uid_t uid, uint64_t bytes)
{
	uint64_t max = sfs_config()->staging_max_bytes;
	struct account *account;
	int err = 0;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (!account)
		err = -ENOMEM;
	else if (bytes > max || account->staged_bytes > max - bytes)
		err = sfs_fail(-EDQUOT, "uid %u may not stage more than %llu bytes", uid,
			       (unsigned long long)max);
	else
		account->staged_bytes += bytes;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
	return err;
}

void account_unstage(uid_t uid, uint64_t bytes)
{
	struct account *account;

	pthread_mutex_lock(&lock);
	account = account_of(uid);
	if (account)
		account->staged_bytes -=
			bytes < account->staged_bytes ? bytes : account->staged_bytes;
	drop_if_empty(account);
	pthread_mutex_unlock(&lock);
}
