/* SPDX-License-Identifier: MIT */
/* From a specification to the message that says what a rocker is made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"
#include "seccomp_profile.h"

/* ---- limits ---------------------------------------------------------------------------------- */

/* What has been judged: the next line of a value, split. False at its end, or without memory. */
static bool next_line(const char **lines, struct rocker_words *out)
{
	size_t len = strcspn(*lines, "\n");
	const char *bad, *why, *text = *lines;

	if (!len)
		return false;
	*lines += len + (text[len] == '\n');
	return !rocker_words_split(text, len, out, &bad, &why);
}

static uint64_t size_or(const struct rocker_spec *spec, enum rocker_key key, uint64_t fallback)
{
	const char *text = spec->values[key];
	uint64_t value = fallback;

	if (text)
		(void)rocker_size(text, strlen(text), &value);
	return value;
}

void rocker_spec_limits(const struct rocker_spec *spec, struct plan_limits *out)
{
	const char *cpu = spec->values[KEY_CPU] ?: "max", *io = spec->values[KEY_IO] ?: "";
	const struct rocker_word *bad;
	struct rocker_words words;

	memset(out, 0, sizeof(*out));
	out->memory_bytes = size_or(spec, KEY_MEMORY, sfs_config()->rocker_memory_bytes);
	out->pids = size_or(spec, KEY_PIDS, sfs_config()->rocker_pids);
	out->disk_bytes = spec->disk_bytes;
	out->cpu_quota_us = PLAN_NO_LIMIT;
	if (next_line(&cpu, &words)) {
		(void)rocker_cpu(words.words, words.count, out);
		rocker_words_free(&words);
	}
	while (out->ndevices < PLAN_DEVICES_MAX && next_line(&io, &words)) {
		if (!rocker_io(words.words, words.count, &out->devices[out->ndevices], &bad))
			out->ndevices++;
		rocker_words_free(&words);
	}
}

/* ---- texts ----------------------------------------------------------------------------------- */

struct planning {
	const struct rocker_spec *spec;
	struct rocker_plan *plan;
	int rc; /* of the first that did not go */
};

static uint32_t add(struct planning *p, const char *text)
{
	uint32_t offset = plan_add(p->plan, text, strlen(text));

	if (!offset && *text && !p->rc)
		p->rc = sfs_fail(-E2BIG, "the paths of a rocker have at most %d bytes together",
				 PLAN_TEXT_MAX);
	return offset;
}

static uint32_t opener(struct planning *p, enum rocker_key key)
{
	int number = plan_add_opener(p->plan, p->spec->openers[key]);

	if (number < 0 && !p->rc)
		p->rc = sfs_fail(number, "more than %d users' paths in one rocker",
				 PLAN_OPENERS_MAX);
	return number < 0 ? 0 : (uint32_t)number;
}

/* The words of a value; false where it is not set, or without memory. */
static bool words_of(struct planning *p, enum rocker_key key, struct rocker_words *out)
{
	const char *text = p->spec->values[key], *bad, *why;

	if (!text)
		return false;
	if (!rocker_words_split(text, strlen(text), out, &bad, &why) && out->count)
		return true;
	if (!p->rc)
		p->rc = sfs_fail(-ENOMEM, "out of memory");
	return false;
}

/* A value of one word, or by default. */
static uint32_t add_only(struct planning *p, enum rocker_key key, const char *fallback)
{
	struct rocker_words words;
	uint32_t offset;

	if (!words_of(p, key, &words))
		return add(p, fallback);
	offset = add(p, words.words[0].text);
	rocker_words_free(&words);
	return offset;
}

static void add_overlays(struct planning *p)
{
	struct rocker_plan *plan = p->plan;
	struct rocker_words words;

	if (!words_of(p, KEY_OVERLAYS, &words))
		return;
	plan->overlays_opener = opener(p, KEY_OVERLAYS);
	for (unsigned i = 0; i < words.count && i < PLAN_OVERLAYS_MAX; i++)
		plan->overlays[plan->noverlays++] = add(p, words.words[i].text);
	rocker_words_free(&words);
}

static void add_binds(struct planning *p)
{
	const char *lines = p->spec->values[KEY_BINDS] ?: "";
	struct rocker_plan *plan = p->plan;
	uint32_t by = *lines ? opener(p, KEY_BINDS) : 0;
	struct rocker_words words;

	while (plan->nbinds < PLAN_BINDS_MAX && next_line(&lines, &words)) {
		struct plan_bind *bind = &plan->binds[plan->nbinds++];

		bind->host = add(p, words.words[0].text);
		bind->inside = add(p, words.words[1].text);
		bind->writable = !strcmp(words.words[2].text, "rw");
		bind->opener = by;
		rocker_words_free(&words);
	}
}

static void add_host_paths(struct planning *p, enum rocker_key key)
{
	const struct rocker_spec *spec = p->spec;
	struct rocker_plan *plan = p->plan;

	if (spec->values[KEY_PACKAGE] && (key == KEY_PACKAGE || key == ROCKER_KEYS)) {
		plan->package = add_only(p, KEY_PACKAGE, "");
		plan->exec_dir = add_only(p, KEY_EXEC_DIR, "/app");
		plan->package_opener = opener(p, KEY_PACKAGE);
	}
	if (spec->values[KEY_DATA_DIR] && (key == KEY_DATA_DIR || key == ROCKER_KEYS)) {
		plan->data_dir = add_only(p, KEY_DATA_DIR, "");
		plan->data_opener = opener(p, KEY_DATA_DIR);
	}
	if (key == KEY_OVERLAYS || key == ROCKER_KEYS)
		add_overlays(p);
	if (key == KEY_BINDS || key == ROCKER_KEYS)
		add_binds(p);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/*
 * 0 is root's name inside, and on the host the id that there is by default: not even root gives his own away, since
 * a job without any capability would still own what it writes to a data directory, set-user-ID programs too.
 */
static bool is_root_inside(const struct rocker_spec *spec, enum rocker_key key)
{
	return spec->values[key] && !strcmp(spec->values[key], "0");
}

static uint32_t host_id(const struct rocker_spec *spec, enum rocker_key key, uint32_t own,
			bool root)
{
	const char *text = spec->values[key];

	if (text && !is_root_inside(spec, key))
		return (uint32_t)strtoul(text, NULL, 10);
	return root ? ROCKER_ANY_ID : own;
}

static void set_ids(const struct rocker_spec *spec, const struct rocker_whose *whose,
		    struct rocker_plan *plan)
{
	plan->uid = host_id(spec, KEY_UID, whose->uid, !whose->uid);
	plan->gid = host_id(spec, KEY_GID, whose->gid, !whose->uid);
	plan->inside_uid = is_root_inside(spec, KEY_UID) ? 0 : PLAN_AS_HOST;
	plan->inside_gid = is_root_inside(spec, KEY_GID) ? 0 : PLAN_AS_HOST;
}

static bool is_yes(const struct rocker_spec *spec, enum rocker_key key)
{
	return spec->values[key] && !strcmp(spec->values[key], "yes");
}

bool rocker_spec_persists(const struct rocker_spec *spec)
{
	return is_yes(spec, KEY_PERSIST);
}

static uint32_t network_of(const struct rocker_spec *spec)
{
	const char *text = spec->values[KEY_NETWORK] ?: "none";

	return !strcmp(text, "host")       ? PLAN_NET_HOST
	       : !strcmp(text, "loopback") ? PLAN_NET_LOOPBACK
					   : PLAN_NET_NONE;
}

static const char *profile_of(const struct rocker_spec *spec)
{
	return spec->values[KEY_SECCOMP] ?: sfs_config()->rocker_seccomp;
}

int rocker_spec_profile(const struct rocker_spec *spec)
{
	return seccomp_profile_find(profile_of(spec));
}

int rocker_spec_plan(const struct rocker_spec *spec, const struct rocker_whose *whose,
		     struct rocker_plan *plan)
{
	struct planning p = { .spec = spec, .plan = plan };
	int number = rocker_spec_profile(spec);

	if (number < 0)
		return sfs_fail(-ENOENT, "no system call profile '%.64s'", profile_of(spec));
	plan_init(plan);
	set_ids(spec, whose, plan);
	plan->network = network_of(spec);
	plan->profile = (uint32_t)number;
	plan->leave_empty = is_yes(spec, KEY_LEAVE_EMPTY);
	rocker_spec_limits(spec, &plan->limits);
	plan->hostname = add_only(&p, KEY_HOSTNAME, whose->name);
	plan->domainname = add_only(&p, KEY_DOMAINNAME, "");
	add_host_paths(&p, ROCKER_KEYS);
	if (rocker_spec_persists(spec))
		plan->persist = plan_number(plan, whose->name, whose->uid, whose->gid);
	return p.rc;
}

bool rocker_spec_check_plan(const struct rocker_spec *spec, enum rocker_key key,
			    struct rocker_plan *plan)
{
	struct planning p = { .spec = spec, .plan = plan };

	plan_init(plan);
	add_host_paths(&p, key);
	return plan->package || plan->data_dir || plan->noverlays || plan->nbinds;
}
