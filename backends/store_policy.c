/* SPDX-License-Identifier: MIT */
/* Who may load what into the store, and how much. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "store_priv.h"

#define ALLOW_MAX   64
#define LOADERS_MAX 256
#define NSS_BYTES   (64u << 10)

/*
 * The names are resolved once, at start: a directory service may take its time, and nobody may wait
 * for it later.
 */
static struct {
	bool everybody; /* no list of loaders */
	bool all;       /* no list of hashes */
	uid_t uids[LOADERS_MAX];
	size_t nuids;
	gid_t gids[LOADERS_MAX];
	size_t ngids;
	unsigned char allow[ALLOW_MAX][SHA256_BYTES];
	size_t nallow;
} policy; /* constant after policy_start() */

static int add_uid(uid_t uid)
{
	if (policy.nuids == LOADERS_MAX)
		return sfs_fail(-EINVAL, "[store] loaders: more than %d users", LOADERS_MAX);
	policy.uids[policy.nuids++] = uid;
	return 0;
}

static int add_user(const char *name, char *buf)
{
	struct passwd entry, *found = NULL;
	uint64_t uid;

	if (!parse_u64(name, strlen(name), &uid))
		return uid < UINT32_MAX
			       ? add_uid((uid_t)uid)
			       : sfs_fail(-EINVAL, "[store] loaders: '%.40s' is no uid", name);
	if (getpwnam_r(name, &entry, buf, NSS_BYTES, &found) || !found)
		return sfs_fail(-EINVAL, "[store] loaders: no user '%.40s'", name);
	return add_uid(entry.pw_uid);
}

static int add_group(const char *name, char *buf)
{
	struct group entry, *found = NULL;
	uint64_t gid;
	int rc = 0;

	if (policy.ngids == LOADERS_MAX)
		return sfs_fail(-EINVAL, "[store] loaders: more than %d groups", LOADERS_MAX);
	if (!parse_u64(name, strlen(name), &gid) && gid < UINT32_MAX) {
		policy.gids[policy.ngids++] = (gid_t)gid;
		return 0;
	}
	if (getgrnam_r(name, &entry, buf, NSS_BYTES, &found) || !found)
		return sfs_fail(-EINVAL, "[store] loaders: no group '%.40s'", name);
	policy.gids[policy.ngids++] = entry.gr_gid;
	for (char **member = entry.gr_mem; *member && !rc; member++) {
		struct passwd user, *is = NULL;
		char *more = malloc(NSS_BYTES);

		/* A member that is nobody does no harm. */
		if (more && !getpwnam_r(*member, &user, more, NSS_BYTES, &is) && is)
			rc = add_uid(user.pw_uid);
		free(more);
	}
	return rc;
}

static int add_loader(const char *item, size_t len)
{
	char name[256], *buf;
	int rc;

	if (len == 0 || len >= sizeof(name))
		return sfs_fail(-EINVAL, "[store] loaders: '%.40s' is no user", item);
	memcpy(name, item, len);
	name[len] = '\0';
	buf = malloc(NSS_BYTES);
	if (!buf)
		return sfs_fail(-ENOMEM, "out of memory");
	rc = name[0] == '@' ? add_group(name + 1, buf) : add_user(name, buf);
	free(buf);
	return rc;
}

static int add_hash(const char *item, size_t len)
{
	if (policy.nallow == ALLOW_MAX)
		return sfs_fail(-EINVAL, "[store] allow: more than %d hashes", ALLOW_MAX);
	if (sha256_parse(item, len, policy.allow[policy.nallow]))
		return sfs_fail(-EINVAL, "[store] allow: '%.*s' is no SHA-256",
				(int)(len < 70 ? len : 70), item);
	policy.nallow++;
	return 0;
}

static int each_item(const char *list, int (*add)(const char *item, size_t len))
{
	const char *text = list, *item;
	size_t len;
	int rc = 0;

	while (!rc && *list && parse_item(&text, list + strlen(list), &item, &len))
		rc = add(item, len);
	return rc;
}

int policy_start(void)
{
	const struct sfs_config *config = sfs_config();

	memset(&policy, 0, sizeof(policy));
	policy.everybody = !config->store_loaders[0];
	policy.all = !config->store_allow[0];
	return each_item(config->store_loaders, add_loader)
		       ?: each_item(config->store_allow, add_hash);
}

static int check_loader(const struct sfs_cred *who)
{
	if (policy.everybody || who->uid == 0)
		return 0;
	for (size_t i = 0; i < policy.nuids; i++)
		if (policy.uids[i] == who->uid)
			return 0;
	/* The group that a process acts as; members by the group file are among the uids. */
	for (size_t i = 0; i < policy.ngids; i++)
		if (policy.gids[i] == who->gid)
			return 0;
	return sfs_fail(
		-EPERM,
		"uid %u may not load codelets: it is not among the loaders of the configuration",
		who->uid);
}

int policy_hash(const unsigned char sha256[SHA256_BYTES])
{
	char hex[SHA256_HEX + 1];

	for (size_t i = 0; i < policy.nallow; i++)
		if (!memcmp(policy.allow[i], sha256, SHA256_BYTES))
			return 0;
	if (policy.all)
		return 0;
	sha256_hex(sha256, hex);
	return sfs_fail(-EKEYREJECTED, "sha256 %s is not among those that the configuration allows",
			hex);
}

/* What the owner has beside that name. */
struct share {
	uint32_t count;
	uint64_t bytes;
	bool taken;
	mode_t mode;
};

static void look(const char *name, struct store_record *record, struct share *share)
{
	const struct store_entry *entry;
	struct store_usage usage;

	pthread_mutex_lock(&store.lock);
	entry = entry_find(name);
	share->taken = entry && entry->load && !entry->unloading;
	if (share->taken) {
		record->uid = entry->load->uid;
		record->gid = entry->load->gid;
		share->mode = entry->load->mode;
	}
	usage = usage_of(record->uid);
	share->count = usage.count - share->taken;
	share->bytes = usage.bytes - (share->taken ? entry->load->object->size : 0);
	pthread_mutex_unlock(&store.lock);
}

int policy_place(const char *name, uint64_t size, const struct sfs_cred *who,
		 struct store_record *record_out)
{
	const struct sfs_config *config = sfs_config();
	struct share share = { .count = 0 };

	record_out->uid = who->uid;
	record_out->gid = who->gid;
	look(name, record_out, &share);
	if (share.taken && !sfs_may(who, record_out->uid, record_out->gid, share.mode, W_OK))
		return sfs_fail(-EACCES, "'%.64s' is of uid %u and not writable for uid %u", name,
				record_out->uid, who->uid);
	if (share.count >= config->store_max_codelets)
		return sfs_fail(-EDQUOT, "uid %u has %u codelets, at most %u are possible",
				record_out->uid, share.count, config->store_max_codelets);
	if (size > config->store_max_total_bytes ||
	    share.bytes > config->store_max_total_bytes - size)
		return sfs_fail(-EDQUOT,
				"uid %u has %" PRIu64 " bytes of codelets, with %" PRIu64
				" more it would be over %" PRIu64,
				record_out->uid, share.bytes, size, config->store_max_total_bytes);
	return 0;
}

static int check_name(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
	size_t len = strlen(name);

	if (len == 0 || len > SFS_NAME_MAX || name[0] == '.' || name[strspn(name, allowed)])
		return sfs_fail(-EINVAL, "'%.64s' is no name for a codelet", name);
	return 0;
}

int policy_upload(const char *name, size_t size, const struct sfs_cred *who)
{
	struct store_record record = { .size = 0 };
	int rc = check_name(name) ?: check_loader(who);

	if (!rc && size == 0)
		rc = sfs_fail(-ENOEXEC, "an empty file is no ELF");
	if (!rc && size > sfs_config()->store_max_bytes)
		rc = sfs_fail(-EFBIG, "%zu bytes, at most %llu are possible", size,
			      (unsigned long long)sfs_config()->store_max_bytes);
	/* Asked again when it is published; here so that nobody waits for an inspection in vain. */
	return rc ?: policy_place(name, size, who, &record);
}
