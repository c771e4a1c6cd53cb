/* SPDX-License-Identifier: MIT */
/* The keys of a rocker's specification: what each takes, as it is kept. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"
#include "seccomp_profile.h"

#define MEMORY_MIN (UINT64_C(1) << 20)
#define DISK_MIN   (UINT64_C(64) << 10)
#define PIDS_MAX   4194304

int rocker_refuse(const struct rocker_judge *judge, int err, const struct rocker_word *word,
		  const char *format, ...)
{
	char text[SFS_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (judge->line)
		return sfs_fail_at(err, word->raw, word->raw_len, "line %u: %s", judge->line, text);
	return sfs_fail_at(err, word->raw, word->raw_len, "%s", text);
}

/* The whole line as a word, for what is wrong with all of it. */
static struct rocker_word whole(const struct rocker_line *line)
{
	return (struct rocker_word){ "", 0, line->text, line->len };
}

int rocker_refuse_all(const struct rocker_line *line, int err, const char *what)
{
	const struct rocker_word word = whole(line);

	return rocker_refuse(line->judge, err, &word, "'%.80s': %s %s",
			     word.raw_len ? line->words.words[0].text : "",
			     rocker_key_name(line->key), what);
}

static bool is(const struct rocker_word *word, const char *literal)
{
	return parse_equal(word->text, word->len, literal);
}

const struct rocker_word *rocker_only(struct rocker_line *line, const char *none, int *rc_out)
{
	const struct rocker_words *words = &line->words;

	*rc_out = 0;
	if (none && (!words->count || (words->count == 1 && is(&words->words[0], none))))
		return NULL;
	if (words->count != 1)
		*rc_out = rocker_refuse_all(line, -EINVAL, "takes one word");
	return words->count == 1 ? words->words : NULL;
}

static int judge_name(struct rocker_line *line, struct sfs_buf *out)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+@-";
	const char *none = line->key == KEY_DOMAINNAME ? "none" : NULL;
	int rc;
	const struct rocker_word *word = rocker_only(line, none, &rc);

	if (!word)
		return rc;
	if (word->len > SFS_NAME_MAX)
		return rocker_refuse(line->judge, -ENAMETOOLONG, word, "%s has at most %d bytes",
				     rocker_key_name(line->key), SFS_NAME_MAX);
	if (!word->len || strspn(word->text, allowed) != word->len)
		return rocker_refuse(line->judge, -EINVAL, word,
				     "'%.64s' is no %s: letters, digits and ._+@- make one",
				     word->text, rocker_key_name(line->key));
	sfs_put(out, "%s", word->text);
	return 0;
}

/* 0 is what jobs are called inside, and on the host never theirs: see rocker_spec_plan(). */
static int judge_id_rule(const struct rocker_line *line, const struct rocker_word *word,
			 uint64_t id)
{
	const struct plan_opener *by = line->judge->by;
	bool may = line->key == KEY_UID ? rocker_may_uid(by, id) : rocker_may_gid(by, id);

	if (may)
		return 0;
	return rocker_refuse(
		line->judge, -EPERM, word,
		"%s %llu is not uid %u's to give: neither its own nor in [rockers] ids",
		rocker_key_name(line->key), (unsigned long long)id, by->uid);
}

static int judge_id(struct rocker_line *line, struct sfs_buf *out)
{
	int rc;
	const struct rocker_word *word = rocker_only(line, "auto", &rc);
	uint64_t id = 0;

	if (!word)
		return rc;
	rc = parse_u64(word->text, word->len, &id);
	if (rc == -EINVAL && !parse_is_below_zero(word->text, word->len))
		return rocker_refuse(line->judge, -EINVAL, word, "'%.40s' is no number",
				     word->text);
	if (rc || id >= UINT32_MAX)
		return rocker_refuse(line->judge, -ERANGE, word,
				     "%.40s is not between 0 and 4294967294", word->text);
	rc = judge_id_rule(line, word, id);
	if (!rc)
		sfs_put(out, "%llu", (unsigned long long)id);
	return rc;
}

/* ---- io.max ---------------------------------------------------------------------------------- */

static void put_io_limit(struct sfs_buf *out, const char *key, uint64_t value)
{
	if (value == PLAN_NO_LIMIT)
		sfs_put(out, " %s=max", key);
	else
		sfs_put(out, " %s=%llu", key, (unsigned long long)value);
}

/* The lines but that of the device; how many. */
static unsigned put_other_devices(struct sfs_buf *out, const char *lines, const char *device)
{
	size_t own = strlen(device);
	unsigned n = 0;

	while (lines && *lines) {
		size_t len = strcspn(lines, "\n");

		if (strncmp(lines, device, own) || lines[own] != ' ')
			sfs_put(out, "%s%.*s", n++ ? "\n" : "", (int)len, lines);
		lines += len + (lines[len] == '\n');
	}
	return n;
}

static int judge_io(struct rocker_line *line, struct sfs_buf *out)
{
	const struct rocker_word *bad = NULL;
	struct plan_device device = { 0 };
	char name[32];
	unsigned others;
	int rc = line->words.count ? rocker_io(line->words.words, line->words.count, &device, &bad)
				   : -EINVAL;

	if (!bad)
		return rocker_refuse_all(line, -EINVAL, "takes MAJ:MIN rbps= wbps= riops= wiops=");
	if (rc)
		return rocker_refuse(
			line->judge, rc, bad,
			rc == -ERANGE ? "'%.40s' is out of range"
				      : "'%.40s' is none of MAJ:MIN rbps= wbps= riops= wiops=",
			bad->text);
	snprintf(name, sizeof(name), "%u:%u", device.major, device.minor);
	others = put_other_devices(out, line->old, name);
	if (device.rbps == PLAN_NO_LIMIT && device.wbps == PLAN_NO_LIMIT &&
	    device.riops == PLAN_NO_LIMIT && device.wiops == PLAN_NO_LIMIT)
		return 0;
	if (others == PLAN_DEVICES_MAX)
		return rocker_refuse(line->judge, -EDQUOT, line->words.words, "at most %d devices",
				     PLAN_DEVICES_MAX);
	sfs_put(out, "%s%s", others ? "\n" : "", name);
	put_io_limit(out, "rbps", device.rbps);
	put_io_limit(out, "wbps", device.wbps);
	put_io_limit(out, "riops", device.riops);
	put_io_limit(out, "wiops", device.wiops);
	return 0;
}

/* ---- words of a choice, numbers --------------------------------------------------------------- */

static int judge_network(struct rocker_line *line, struct sfs_buf *out)
{
	static const char *const list[] = { "none", "loopback", "host", NULL };
	int rc;
	const struct rocker_word *word = rocker_only(line, NULL, &rc);
	int choice = word ? parse_choice(word->text, word->len, list) : -1;

	if (!word)
		return rc;
	if (choice < 0)
		return rocker_refuse(line->judge, -EINVAL, word,
				     "'%.40s' is none of none, loopback, host", word->text);
	if (choice == PLAN_NET_HOST && !rocker_may_host_network(line->judge->by))
		return rocker_refuse(line->judge, -EPERM, word,
				     "uid %u is not among [rockers] host_network",
				     line->judge->by->uid);
	sfs_put(out, "%s", list[choice]);
	return 0;
}

static int judge_seccomp(struct rocker_line *line, struct sfs_buf *out)
{
	char list[256] = "";
	size_t used = 0;
	int rc;
	const struct rocker_word *word = rocker_only(line, NULL, &rc);

	if (!word)
		return rc;
	if (seccomp_profile_find(word->text) >= 0) {
		sfs_put(out, "%s", word->text);
		return 0;
	}
	for (unsigned i = 0; i < seccomp_profile_count() && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, " %s",
					 seccomp_profile_name(i));
	return rocker_refuse(line->judge, -ENOENT, word, "no profile '%.40s'; there are:%s",
			     word->text, list);
}

struct range {
	uint64_t min, max;
	bool may_max; /* the word max */
	bool size;    /* with a suffix */
};

static struct range range_of(enum rocker_key key)
{
	switch (key) {
	case KEY_MEMORY:
		return (struct range){ MEMORY_MIN, INT64_MAX, true, true };
	case KEY_DISK:
		return (struct range){ DISK_MIN, INT64_MAX, true, true };
	case KEY_PIDS:
		return (struct range){ 1, PIDS_MAX, true, false };
	default:
		return (struct range){ 1, sfs_config()->rocker_time_ms_max, false, false };
	}
}

/* What others than root may say at most. */
static uint64_t allowed(const struct plan_opener *by, enum rocker_key key)
{
	const struct sfs_config *config = sfs_config();

	if (!by->uid || (key != KEY_MEMORY && key != KEY_PIDS))
		return UINT64_MAX;
	if (key == KEY_PIDS)
		return config->rocker_pids_max > config->rocker_pids ? config->rocker_pids_max
								     : config->rocker_pids;
	return config->rocker_memory_max_bytes > config->rocker_memory_bytes
		       ? config->rocker_memory_max_bytes
		       : config->rocker_memory_bytes;
}

static int judge_number(struct rocker_line *line, struct sfs_buf *out)
{
	const struct range range = range_of(line->key);
	int rc;
	const struct rocker_word *word = rocker_only(line, NULL, &rc);
	uint64_t value = 0;
	bool max = word && range.may_max && is(word, "max");

	if (!word)
		return rc;
	if (!max)
		rc = range.size ? rocker_size(word->text, word->len, &value)
				: parse_u64(word->text, word->len, &value);
	if (rc == -EINVAL && !parse_is_below_zero(word->text, word->len))
		return rocker_refuse(line->judge, -EINVAL, word, "'%.40s' is no number%s%s",
				     word->text, range.size ? " with one of K M G T" : "",
				     range.may_max ? ", nor max" : "");
	if (rc || (!max && (value < range.min || value > range.max)))
		return rocker_refuse(line->judge, -ERANGE, word,
				     "%.40s is not between %llu and %llu", word->text,
				     (unsigned long long)range.min, (unsigned long long)range.max);
	if ((max ? UINT64_MAX : value) > allowed(line->judge->by, line->key))
		return rocker_refuse(line->judge, -EDQUOT, word,
				     "%.40s is more than [rockers] %s allows: %llu", word->text,
				     line->key == KEY_PIDS ? "pids_max" : "memory_max_bytes",
				     (unsigned long long)allowed(line->judge->by, line->key));
	if (max)
		sfs_put(out, "max");
	else
		sfs_put(out, "%llu", (unsigned long long)value);
	return 0;
}

static int judge_cpu(struct rocker_line *line, struct sfs_buf *out)
{
	struct plan_limits limits = { 0 };
	int rc = rocker_cpu(line->words.words, line->words.count, &limits);

	if (rc == -ERANGE)
		return rocker_refuse_all(
			line, rc, "has a quota of 1000 us at least, each 1000 to 1000000 us");
	if (rc)
		return rocker_refuse_all(line, rc, "takes 'QUOTA PERIOD' in us, or max");
	if (limits.cpu_quota_us == PLAN_NO_LIMIT)
		sfs_put(out, "max %llu", (unsigned long long)limits.cpu_period_us);
	else
		sfs_put(out, "%llu %llu", (unsigned long long)limits.cpu_quota_us,
			(unsigned long long)limits.cpu_period_us);
	return 0;
}

static int judge_bool(struct rocker_line *line, struct sfs_buf *out)
{
	int rc;
	const struct rocker_word *word = rocker_only(line, NULL, &rc);
	bool value = false;

	if (!word)
		return rc;
	if (is(word, "yes"))
		value = true;
	else if (!is(word, "no") && parse_bool(word->text, word->len, &value))
		return rocker_refuse(line->judge, -EINVAL, word, "'%.40s' is neither yes nor no",
				     word->text);
	sfs_put(out, value ? "yes" : "no");
	return 0;
}

/* ---- the keys -------------------------------------------------------------------------------- */

static const struct key {
	const char *name;
	int (*judge)(struct rocker_line *line, struct sfs_buf *out);
	unsigned flags;
} keys[ROCKER_KEYS] = {
	[KEY_APP_ID] = { "app_id", judge_name, KEY_JOBS },
	[KEY_UID] = { "uid", judge_id, 0 },
	[KEY_GID] = { "gid", judge_id, 0 },
	[KEY_HOSTNAME] = { "hostname", judge_name, 0 },
	[KEY_DOMAINNAME] = { "domainname", judge_name, 0 },
	[KEY_PACKAGE] = { "package", rocker_judge_path, KEY_HOST },
	[KEY_EXEC_DIR] = { "exec_dir", rocker_judge_path, 0 },
	[KEY_DATA_DIR] = { "data_dir", rocker_judge_path, KEY_HOST },
	[KEY_OVERLAYS] = { "overlays", rocker_judge_overlays, KEY_HOST },
	[KEY_BINDS] = { "binds", rocker_judge_binds, KEY_HOST | KEY_LINES },
	[KEY_NETWORK] = { "network", judge_network, 0 },
	[KEY_SECCOMP] = { "seccomp", judge_seccomp, 0 },
	[KEY_MEMORY] = { "memory.max", judge_number, KEY_LIMIT },
	[KEY_PIDS] = { "pids.max", judge_number, KEY_LIMIT },
	[KEY_CPU] = { "cpu.max", judge_cpu, KEY_LIMIT },
	[KEY_IO] = { "io.max", judge_io, KEY_LIMIT | KEY_LINES | KEY_ADDS },
	[KEY_DISK] = { "disk.max", judge_number, 0 },
	[KEY_TIME] = { "time.max_ms", judge_number, KEY_JOBS },
	[KEY_ENV] = { "env", rocker_judge_env, KEY_JOBS | KEY_LINES },
	[KEY_CWD] = { "cwd", rocker_judge_path, KEY_JOBS },
	[KEY_PERSIST] = { "persist", judge_bool, 0 },
	[KEY_LEAVE_EMPTY] = { "leave_empty", judge_bool, 0 },
};

const char *rocker_key_name(enum rocker_key key)
{
	return keys[key].name;
}

static unsigned taken
	[ROCKER_KEYS]; /* flags that this machine does not let them have; set before there are threads */

unsigned rocker_key_flags(enum rocker_key key)
{
	return keys[key].flags & ~taken[key];
}

void rocker_key_fix(enum rocker_key key)
{
	taken[key] = KEY_LIMIT;
}

enum rocker_key rocker_key_find(const char *name, size_t len)
{
	unsigned key = 0;

	while (key < ROCKER_KEYS && !parse_equal(name, len, keys[key].name))
		key++;
	return key;
}

int rocker_judge_line(struct rocker_line *line, struct sfs_buf *out)
{
	const char *bad, *why;
	int rc = rocker_words_split(line->text, line->len, &line->words, &bad, &why);

	if (rc == -EINVAL) {
		const struct rocker_word word = { bad, 0, bad,
						  (size_t)(line->text + line->len - bad) };

		return rocker_refuse(line->judge, rc, &word, "%s: %s", rocker_key_name(line->key),
				     why);
	}
	if (rc)
		return sfs_fail(rc, "out of memory");
	rc = keys[line->key].judge(line, out);
	rocker_words_free(&line->words);
	return rc;
}
