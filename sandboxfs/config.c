/* SPDX-License-Identifier: MIT */
/* The rows of the configuration, and the INI that sets them. */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (256 << 10)
#define GIB            (UINT64_C(1) << 30)
#define ANY_UID        UINT64_C(4294967294)

/* The library cuts longer lines without a word, so they are refused before it sees them. */
#define LINE_BYTES_MAX 196
#define TEXT_BYTES_MAX 180
#define LIST_LINE_MAX  150 /* where a list goes on in the next line, when shown */
#define ROWS_MAX       64

enum kind { TEXT, LIST, NUMBER32, NUMBER64, BOOLEAN };

struct row {
	const char *section, *key;
	enum kind kind;
	size_t offset, room; /* room: bytes of a text, with the NUL */
	const char *fallback;
	uint64_t min, max;
	const char *unit;
	const char *help;
};

static struct sfs_config config; /* lists in it are kept as "a,b,c" */

#define AT(field) offsetof(struct sfs_config, field), sizeof(((struct sfs_config *)0)->field)

_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t),
	       "ids are NUMBER32");

static const struct row rows[] = {
	{ "daemon", "state_dir", TEXT, AT(state_dir), "", 0, 0, "",
	  "directory of the store; empty: /var/lib/sandboxfs for root, else below "
	  "$XDG_STATE_HOME" },
	{ "daemon", "uid", NUMBER32, AT(daemon_uid), "64800", 1, ANY_UID, "",
	  "user id of the daemon when root starts it; the default gives way to an account named "
	  "sandboxfs" },
	{ "daemon", "gid", NUMBER32, AT(daemon_gid), "64800", 1, ANY_UID, "",
	  "group id of the daemon" },
	{ "daemon", "threads", NUMBER32, AT(threads), "4", 2, 64, "",
	  "threads that serve requests" },
	{ "daemon", "adopt", BOOLEAN, AT(daemon_adopt), "yes", 0, 1, "",
	  "a daemon that replaces a dead one goes on with the same mount; no: mounts anew" },
	{ "users", "group", TEXT, AT(users_group), "", 0, 0, "",
	  "group, by name or id, whose members may enter the directories where users make objects; "
	  "empty: everybody" },
	{ "store", "max_bytes", NUMBER64, AT(store_max_bytes), "67108864", 1, 64 * GIB, "bytes",
	  "size of one codelet" },
	{ "store", "max_codelets", NUMBER32, AT(store_max_codelets), "256", 1, 1000000, "",
	  "codelets of one user" },
	{ "store", "max_total_bytes", NUMBER64, AT(store_max_total_bytes), "1073741824", 1,
	  1024 * GIB, "bytes", "bytes in the store of one user" },
	{ "store", "durable", BOOLEAN, AT(store_durable), "no", 0, 1, "",
	  "close(2) of an upload returns only when the disk has it" },
	{ "store", "allow", LIST, AT(store_allow), "", 0, 0, "",
	  "SHA-256 hashes of the codelets that may be loaded, separated by commas; empty: all" },
	{ "store", "loaders", LIST, AT(store_loaders), "", 0, 0, "",
	  "users and @groups who may load, separated by commas; empty: all" },
	{ "jail", "uid_base", NUMBER32, AT(jail_uid_base), "1879048192", 1, ANY_UID, "",
	  "first of the user ids under which jailed code runs" },
	{ "jail", "uid_count", NUMBER32, AT(jail_uid_count), "65536", 1, 1 << 20, "",
	  "how many such ids there are" },
	{ "jail", "memory_bytes", NUMBER64, AT(jail_memory_bytes), "1073741824", 16 << 20,
	  1024 * GIB, "bytes", "memory of one run, at most" },
	{ "jail", "pids", NUMBER32, AT(jail_pids), "64", 4, 65536, "", "processes of one jail" },
	{ "kernels", "max", NUMBER32, AT(kernels_max), "256", 1, 100000, "",
	  "kernels of one user" },
	{ "kernels", "templates_max", NUMBER32, AT(templates_max), "8", 1, 1024, "",
	  "warm templates of one user" },
	{ "kernels", "templates_total", NUMBER32, AT(templates_total), "32", 1, 4096, "",
	  "warm templates in all" },
	{ "kernels", "run_wall_ms", NUMBER32, AT(run_wall_ms), "10000", 1, 86400000, "ms",
	  "time of one run when it says nothing" },
	{ "kernels", "run_wall_ms_max", NUMBER32, AT(run_wall_ms_max), "600000", 1, 86400000, "ms",
	  "time that a run may ask for" },
	{ "kernels", "samples", NUMBER32, AT(samples), "100", 1, 16384, "",
	  "samples of a run when it says nothing" },
	{ "kernels", "samples_max", NUMBER32, AT(samples_max), "16384", 1, 16384, "",
	  "samples that a run may ask for" },
	{ "kernels", "outputs_max_bytes", NUMBER64, AT(outputs_max_bytes), "268435456", 0,
	  1024 * GIB, "bytes", "outputs that are kept of one user's last runs, in all kernels" },
	{ "kernels", "runs_kept", NUMBER32, AT(runs_kept), "16", 0, 100000, "",
	  "last runs of one user that a kernel shows in runs" },
	{ "kernels", "runs_max_bytes", NUMBER64, AT(runs_max_bytes), "16777216", 0, 1024 * GIB,
	  "bytes", "last runs of one user, in all kernels, without their outputs" },
	{ "kernels", "jobs_max", NUMBER32, AT(jobs_max), "64", 1, 100000, "",
	  "jobs of one user, started or held open" },
	{ "kernels", "events", LIST, AT(events),
	  "tsc,time_ns,task-clock,page-faults,cycles,instructions", 0, 0, "",
	  "events that are counted when a kernel names none, separated by commas" },
	{ "rockers", "max", NUMBER32, AT(rockers_max), "256", 1, 4000, "", "rockers of one user" },
	{ "rockers", "pool", NUMBER32, AT(rockers_pool), "4", 0, 64, "",
	  "sets of namespaces that are made before anybody asks" },
	{ "rockers", "memory_bytes", NUMBER64, AT(rocker_memory_bytes), "536870912", 1 << 20,
	  1024 * GIB, "bytes", "memory.max of a new rocker" },
	{ "rockers", "pids", NUMBER32, AT(rocker_pids), "128", 1, 65536, "",
	  "pids.max of a new rocker" },
	{ "rockers", "memory_max_bytes", NUMBER64, AT(rocker_memory_max_bytes), "8589934592",
	  1 << 20, 1024 * GIB, "bytes",
	  "memory.max that others than root may give to a rocker; no less than memory_bytes" },
	{ "rockers", "pids_max", NUMBER32, AT(rocker_pids_max), "4096", 1, 4194304, "",
	  "pids.max that others than root may give to a rocker; no less than pids" },
	{ "rockers", "tmp_bytes", NUMBER64, AT(rocker_tmp_bytes), "67108864", 65536, 1024 * GIB,
	  "bytes", "what a rocker may write to memory when it has no disk.max" },
	{ "rockers", "time_ms", NUMBER32, AT(rocker_time_ms), "60000", 1, 86400000, "ms",
	  "time.max_ms of a new rocker: the time of one job" },
	{ "rockers", "time_ms_max", NUMBER32, AT(rocker_time_ms_max), "86400000", 1, 2000000000,
	  "ms", "time that a rocker may give its jobs" },
	{ "rockers", "jobs_max", NUMBER32, AT(rocker_jobs_max), "64", 1, 256, "",
	  "jobs that run in one rocker" },
	{ "rockers", "jobs_kept", NUMBER32, AT(rocker_jobs_kept), "16", 1, 1024, "",
	  "jobs that a rocker shows when they have ended" },
	{ "rockers", "output_bytes", NUMBER64, AT(rocker_output_bytes), "1048576", 4096, 1 << 30,
	  "bytes", "what is kept of one job's standard output, and as much of its error" },
	{ "rockers", "seccomp", TEXT, AT(rocker_seccomp), "default", 0, 0, "",
	  "system call profile of a new rocker" },
	{ "rockers", "ids", LIST, AT(rocker_ids), "", 0, 0, "",
	  "ids FIRST-LAST that every user may give to his rockers, separated by commas" },
	{ "rockers", "host_network", LIST, AT(rocker_host_network), "", 0, 0, "",
	  "users and @groups whose rockers may use the host's network, separated by commas" },
	{ "rockers", "images", LIST, AT(rocker_images), "", 0, 0, "",
	  "SHA-256 hashes of images that the kernel mounts for everybody, not only root's; separated by "
	  "commas" },
	{ "rockers", "templates", TEXT, AT(rocker_templates), "/etc/sandboxfs/rockers", 0, 0, "",
	  "directory of NAME.ini for mkdir rockers/NAME@INSTANCE" },
	{ "limits", "request_ms", NUMBER32, AT(request_ms), "1000", 10, 600000, "ms",
	  "deadline of an answer that is put off and has none of its own" },
	{ "limits", "opens_max", NUMBER32, AT(opens_max), "1024", 8, 1000000, "",
	  "open files of one user" },
	{ "limits", "staging_max_files", NUMBER32, AT(staging_max_files), "256", 1, 1000000, "",
	  "uploads of one user that are not accepted yet, those with a leading dot among them" },
	{ "limits", "staging_max_bytes", NUMBER64, AT(staging_max_bytes), "268435456", 4096,
	  1024 * GIB, "bytes", "bytes of one user in such uploads" },
	{ 0 },
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= ROWS_MAX, "struct reading counts them");

static void *field(const struct row *row)
{
	return (char *)&config + row->offset;
}

/* Programs without main(), such as tests, find the defaults. */
static void fill_once(void)
{
	if (!config.threads)
		config_defaults();
}

const struct sfs_config *sfs_config(void)
{
	static pthread_once_t filled = PTHREAD_ONCE_INIT;

	pthread_once(&filled, fill_once);
	return &config;
}

/* ---- setting --------------------------------------------------------------------------------- */

static int set_number(const struct row *row, const char *value)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end)
		return sfs_fail(-EINVAL, "%s: '%.40s' is no number", row->key, value);
	if (errno || number < row->min || number > row->max)
		return sfs_fail(-ERANGE, "%s: %.40s is not between %llu and %llu", row->key, value,
				(unsigned long long)row->min, (unsigned long long)row->max);
	if (row->kind == NUMBER32)
		*(uint32_t *)field(row) = (uint32_t)number;
	else
		*(uint64_t *)field(row) = number;
	return 0;
}

static int set_boolean(const struct row *row, const char *value)
{
	bool yes = !strcmp(value, "yes"), no = !strcmp(value, "no");

	if (!yes && !no)
		return sfs_fail(-EINVAL, "%s: '%.40s' is neither yes nor no", row->key, value);
	*(bool *)field(row) = yes;
	return 0;
}

static int judge_text(const struct row *row, const char *value, size_t max)
{
	const char *c;

	if (strlen(value) > max)
		return sfs_fail(-E2BIG, "%s: at most %zu bytes", row->key, max);
	for (c = value; *c; c++)
		if (*c < ' ' || *c == 127 || *c == ';')
			return sfs_fail(-EINVAL, "%s: '%.40s' has a character that cannot be here",
					row->key, value);
	return 0;
}

static int set_text(const struct row *row, const char *value)
{
	int err = judge_text(row, value, TEXT_BYTES_MAX);

	if (!err)
		strcpy(field(row), value);
	return err;
}

/* Items separated by commas, blanks around them; again means in addition. */
static int set_list(const struct row *row, const char *value, bool again)
{
	char *list = field(row);
	size_t used = again ? strlen(list) : 0, length;
	int err = judge_text(row, value, row->room - 1);

	if (err)
		return err;
	list[used] = '\0';
	while (*value) {
		value += strspn(value, ", \t");
		length = strcspn(value, ", \t");
		if (!length)
			break;
		if (used + 1 + length >= row->room)
			return sfs_fail(-E2BIG, "%s: at most %zu bytes", row->key, row->room - 1);
		if (length > LIST_LINE_MAX)
			return sfs_fail(-EINVAL, "%s: '%.40s...' is too long", row->key, value);
		used += (size_t)sprintf(list + used, "%s%.*s", used ? "," : "", (int)length, value);
		value += length;
	}
	return 0;
}

static int set_row(const struct row *row, const char *value, bool again)
{
	if (again && row->kind != LIST)
		return sfs_fail(-EINVAL, "%s is given twice", row->key);
	switch (row->kind) {
	case TEXT:
		return set_text(row, value);
	case LIST:
		return set_list(row, value, again);
	case BOOLEAN:
		return set_boolean(row, value);
	default:
		return set_number(row, value);
	}
}

static const struct row *row_named(const char *section, const char *key)
{
	const struct row *row = rows;

	while (row->key && (strcmp(row->section, section) || strcmp(row->key, key)))
		row++;
	return row->key ? row : NULL;
}

static int unknown(const char *section, const char *key)
{
	return sfs_fail(-EINVAL, "unknown key '%.40s' in section [%.40s]", key, section);
}

int config_set(const char *section, const char *key, const char *value)
{
	const struct row *row = row_named(section, key);

	return row ? set_row(row, value, false) : unknown(section, key);
}

void config_defaults(void)
{
	const struct row *row;

	memset(&config, 0, sizeof(config));
	for (row = rows; row->key; row++)
		(void)config_set(row->section, row->key, row->fallback);
}

/* ---- INI ------------------------------------------------------------------------------------- */

struct reading {
	bool seen[ROWS_MAX]; /* by row: a list goes on, anything else is there twice */
	int err;             /* of the first bad line */
	char why[SFS_SENTENCE_MAX];
};

static int take(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	const struct row *row = row_named(section, key);
	int err;

	if (reading->err)
		return 1;
	err = row ? set_row(row, value ?: "", reading->seen[row - rows]) : unknown(section, key);
	if (row)
		reading->seen[row - rows] = true;
	if (!err)
		return 1;
	reading->err = err;
	snprintf(reading->why, sizeof(reading->why), "%s", sfs_sentence());
	return 0;
}

static int skip(void *user, const char *section, const char *key, const char *value)
{
	(void)user, (void)section, (void)key, (void)value;
	return 1;
}

/* The number of the first line that is too long, or 0. */
static int long_line(const char *text)
{
	size_t length;
	int line;

	for (line = 1; *text; line++) {
		length = strcspn(text, "\n");
		if (length > LINE_BYTES_MAX)
			return line;
		text += length + (text[length] == '\n');
	}
	return 0;
}

int config_parse(const char *name, const char *text)
{
	struct reading reading = { 0 };
	int line = long_line(text);

	if (line)
		return sfs_fail(
			-E2BIG,
			"%.200s:%d: a line has at most %d bytes; lists go on in indented lines",
			name, line, LINE_BYTES_MAX);
	/* Twice, since the library does not say which of the two a line was refused for. */
	line = ini_parse_string(text, skip, NULL);
	if (line)
		return sfs_fail(-EINVAL, "%.200s:%d: neither a section nor key = value", name,
				line);
	line = ini_parse_string(text, take, &reading);
	return reading.err ? sfs_fail(reading.err, "%.200s:%d: %s", name, line, reading.why) : 0;
}

int config_load(const char *path)
{
	char *text = malloc(FILE_BYTES_MAX + 1);
	FILE *file = fopen(path, "re");
	size_t size = 0;
	int err = 0;

	if (!text || !file)
		err = sfs_fail(-errno, "%.200s: cannot be opened", path);
	else
		size = fread(text, 1, FILE_BYTES_MAX + 1, file);
	if (!err && (ferror(file) || size > FILE_BYTES_MAX))
		err = sfs_fail(-EINVAL, "%.200s: cannot be read, or has more than %d bytes", path,
			       FILE_BYTES_MAX);
	if (!err) {
		text[size] = '\0';
		err = strlen(text) == size ? config_parse(path, text)
					   : sfs_fail(-EINVAL, "%.200s: holds a NUL byte", path);
	}
	if (file)
		fclose(file);
	free(text);
	return err;
}

/* ---- showing --------------------------------------------------------------------------------- */

static void put_list(const char *list, struct sfs_buf *out)
{
	size_t column = 0, length;

	for (; *list; list += length + (list[length] == ',')) {
		length = strcspn(list, ",");
		if (column && column + length > LIST_LINE_MAX) {
			sfs_put(out, ",\n\t");
			column = 0;
		}
		sfs_put(out, "%s%.*s", column ? "," : "", (int)length, list);
		column += length + 1;
	}
}

static void put_value(const struct row *row, struct sfs_buf *out)
{
	if (row->kind == LIST)
		put_list(field(row), out);
	else if (row->kind == TEXT)
		sfs_put(out, "%s", (const char *)field(row));
	else if (row->kind == BOOLEAN)
		sfs_put(out, "%s", *(const bool *)field(row) ? "yes" : "no");
	else if (row->kind == NUMBER32)
		sfs_put(out, "%u", *(const uint32_t *)field(row));
	else
		sfs_put(out, "%llu", (unsigned long long)*(const uint64_t *)field(row));
}

void config_show(struct sfs_buf *out)
{
	const char *section = "";
	const struct row *row;

	for (row = rows; row->key; row++) {
		if (strcmp(section, row->section) != 0)
			sfs_put(out, "%s[%s]\n", *section ? "\n" : "", row->section);
		section = row->section;
		sfs_put(out, "%s = ", row->key);
		put_value(row, out);
		sfs_put(out, "\n");
	}
}

void config_describe(struct sfs_buf *out)
{
	const char *section = "";
	const struct row *row;

	for (row = rows; row->key; row++) {
		if (strcmp(section, row->section) != 0)
			sfs_put(out, "[%s]\n", row->section);
		section = row->section;
		sfs_put(out, "  %s = %s", row->key, row->fallback);
		if (row->max > 1)
			sfs_put(out, "  (%llu to %llu%s%s)", (unsigned long long)row->min,
				(unsigned long long)row->max, *row->unit ? " " : "", row->unit);
		sfs_put(out, "\n\t%s\n", row->help);
	}
}
