/* SPDX-License-Identifier: MIT */
/* Which ids and which network a user may give to a rocker, and who somebody is. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "rocker_spec.h"

#define RANGES_MAX   64
#define USERS_MAX    64
#define NSS_BYTES    (64u << 10)
#define STATUS_BYTES 16384 /* of /proc/PID/status */
#define NOBODY       65534

/* Read at start, since a directory service may take its time and nobody may wait for it later. */
static struct {
	struct {
		uint64_t first, last;
	} ranges[RANGES_MAX];
	unsigned nranges;
	struct {
		uint64_t id;
		bool group;
	} network[USERS_MAX];
	unsigned nnetwork;
} rules; /* constant after rocker_rules_start() */

static int add_range(const char *item, size_t len)
{
	const char *dash = memchr(item, '-', len);
	size_t head = dash ? (size_t)(dash - item) : len;
	uint64_t first = 0, last = 0;

	if (parse_u64(item, head, &first) || (dash && parse_u64(dash + 1, len - head - 1, &last)))
		return sfs_fail(-EINVAL, "[rockers] ids: '%.*s' is not FIRST-LAST", (int)len, item);
	last = dash ? last : first;
	if (!first || first > last || last >= UINT32_MAX || rules.nranges == RANGES_MAX)
		return sfs_fail(-ERANGE,
				"[rockers] ids: '%.*s' is no range from 1 on, or there are over %d",
				(int)len, item, RANGES_MAX);
	rules.ranges[rules.nranges].first = first;
	rules.ranges[rules.nranges++].last = last;
	return 0;
}

static int find_user(const char *name, bool group, char *buf, uint64_t *out)
{
	struct passwd user, *is_user = NULL;
	struct group members, *is_group = NULL;

	if (group && !getgrnam_r(name, &members, buf, NSS_BYTES, &is_group) && is_group)
		*out = members.gr_gid;
	else if (!group && !getpwnam_r(name, &user, buf, NSS_BYTES, &is_user) && is_user)
		*out = user.pw_uid;
	else
		return sfs_fail(-EINVAL, "[rockers] host_network: no %s '%.40s'",
				group ? "group" : "user", name);
	return 0;
}

static int add_network(const char *item, size_t len)
{
	bool group = *item == '@';
	char name[256], *buf = malloc(NSS_BYTES);
	uint64_t id = 0;
	int rc = 0;

	snprintf(name, sizeof(name), "%.*s", (int)(len - group), item + group);
	if (!buf)
		rc = sfs_fail(-ENOMEM, "out of memory");
	else if (rules.nnetwork == USERS_MAX)
		rc = sfs_fail(-EINVAL, "[rockers] host_network: more than %d", USERS_MAX);
	else if (parse_u64(name, strlen(name), &id))
		rc = find_user(name, group, buf, &id);
	free(buf);
	if (rc)
		return rc;
	rules.network[rules.nnetwork].id = id;
	rules.network[rules.nnetwork++].group = group;
	return 0;
}

static int each_item(const char *list, int (*add)(const char *item, size_t len))
{
	const char *end = list + strlen(list), *word;
	size_t len;
	int rc = 0;

	while (!rc && (len = parse_word(&list, end, ", ", &word)))
		rc = add(word, len);
	return rc;
}

int rocker_rules_start(void)
{
	rules.nranges = rules.nnetwork = 0;
	return each_item(sfs_config()->rocker_ids, add_range)
		       ?: each_item(sfs_config()->rocker_host_network, add_network);
}

static bool in_range(uint64_t id)
{
	for (unsigned i = 0; i < rules.nranges; i++)
		if (rules.ranges[i].first <= id && id <= rules.ranges[i].last)
			return true;
	return false;
}

static bool in_group(const struct plan_opener *by, uint64_t gid)
{
	if (by->gid == gid)
		return true;
	for (uint32_t i = 0; i < by->ngroups; i++)
		if (by->groups[i] == gid)
			return true;
	return false;
}

bool rocker_may_uid(const struct plan_opener *by, uint64_t uid)
{
	return !by->uid || !uid || by->uid == uid || in_range(uid);
}

bool rocker_may_gid(const struct plan_opener *by, uint64_t gid)
{
	return !by->uid || !gid || in_group(by, gid) || in_range(gid);
}

bool rocker_may_host_network(const struct plan_opener *by)
{
	if (!by->uid)
		return true;
	for (unsigned i = 0; i < rules.nnetwork; i++)
		if (rules.network[i].group ? in_group(by, rules.network[i].id)
					   : rules.network[i].id == by->uid)
			return true;
	return false;
}

/* ---- who somebody is ------------------------------------------------------------------------- */

/* The next number of a line; false at its end. */
static bool next_number(const char **list, uint32_t *out)
{
	const char *at = *list + strspn(*list, " \t");
	char *end;

	if (*at < '0' || *at > '9')
		return false;
	*out = (uint32_t)strtoul(at, &end, 10);
	*list = end;
	return true;
}

static bool read_status(pid_t pid, char text[STATUS_BYTES])
{
	char path[64];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, STATUS_BYTES - 1);
	if (fd >= 0)
		close(fd);
	text[size > 0 ? size : 0] = '\0';
	return size > 0;
}

void rocker_cred(const struct sfs_cred *who, struct plan_opener *out)
{
	char text[STATUS_BYTES];
	const char *uids, *groups;
	uint32_t id;
	bool same = false;

	*out = (struct plan_opener){ .uid = who->uid, .gid = who->gid };
	if (!who->pid || !read_status(who->pid, text))
		return;
	uids = strstr(text, "\nUid:");
	groups = strstr(text, "\nGroups:");
	if (!uids || !groups)
		return;
	/* The number may be another's by now: his groups are not the caller's. */
	for (uids += strlen("\nUid:"); next_number(&uids, &id);)
		same |= id == who->uid;
	groups += strlen("\nGroups:");
	while (same && out->ngroups < PLAN_GROUPS_MAX && next_number(&groups, &id))
		out->groups[out->ngroups++] = id;
}

void rocker_cred_of(uid_t uid, struct plan_opener *out)
{
	struct passwd user, *is = NULL;
	char *buf = malloc(NSS_BYTES);
	gid_t groups[PLAN_GROUPS_MAX];
	int ngroups = PLAN_GROUPS_MAX;

	*out = (struct plan_opener){ .uid = uid, .gid = uid ? NOBODY : 0 };
	if (buf && !getpwuid_r(uid, &user, buf, NSS_BYTES, &is) && is) {
		out->gid = user.pw_gid;
		if (getgrouplist(user.pw_name, user.pw_gid, groups, &ngroups) < 0)
			ngroups = 0;
		for (int i = 0; i < ngroups; i++)
			out->groups[out->ngroups++] = groups[i];
	}
	free(buf);
}
