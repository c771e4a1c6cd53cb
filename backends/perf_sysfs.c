/* SPDX-License-Identifier: MIT */
/*
 * Events of PMUs that only the kernel knows: pmu/event/, pmu/event,config=0x1/, by the files of
 * sysfs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "perf_pmu.h"

#define TERMS_MAX 256 /* bytes of an events/ or format/ file */

struct source { /* of one PMU */
	const char *root;
	char pmu[64];
	struct launch_event event;
	char *text; /* borrowed: where the sentence goes */
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct source *source, const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(source->text, source->size, format, args);
	va_end(args);
	return -EINVAL;
}

/* Names are checked before they become part of a path. */
static bool is_plain(const char *name, size_t len)
{
	if (!len || len >= 64 || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!parse_is_name_char(name[i]) && name[i] != '-' && name[i] != '.')
			return false;
	}
	return true;
}

static int read_file(const struct source *source, const char *folder, const char *name, size_t len,
		     char *out)
{
	char path[512];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s%.*s", source->root, source->pmu, folder, (int)len,
		 name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	got = read(fd, out, TERMS_MAX - 1);
	close(fd);
	if (got < 0)
		return -EIO;
	while (got > 0 && parse_is_space(out[got - 1]))
		got--;
	out[got] = 0;
	return 0;
}

static int put_bits(uint64_t *word, unsigned low, unsigned high, uint64_t *value)
{
	unsigned width = high - low + 1;
	uint64_t mask = width == 64 ? UINT64_MAX : (1ull << width) - 1;

	*word = (*word & ~(mask << low)) | ((*value & mask) << low);
	*value = width == 64 ? 0 : *value >> width;
	return 0;
}

int perf_format_put(const char *format, uint64_t value, struct launch_event *event)
{
	static const char *const words[] = { "config", "config1", "config2", NULL };
	uint64_t *targets[] = { &event->config, &event->config1, &event->config2 };
	const char *colon = strchr(format, ':');
	int which = colon ? parse_choice(format, (size_t)(colon - format), words) : -1;
	char *end = NULL;

	if (which < 0)
		return -EINVAL;
	for (const char *p = colon + 1;; p = end + 1) {
		unsigned long low, high;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		low = high = strtoul(p, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			high = strtoul(end + 1, &end, 10);
		if (low > high || high > 63)
			return -EINVAL;
		put_bits(targets[which], (unsigned)low, (unsigned)high, &value);
		if (*end != ',')
			break;
	}
	if (*end)
		return -EINVAL;
	return value ? -ERANGE : 0;
}

static int put_value(struct source *source, const char *term, size_t len, uint64_t value)
{
	char format[TERMS_MAX];
	int rc;

	if (parse_equal(term, len, "config") || parse_equal(term, len, "config1") ||
	    parse_equal(term, len, "config2")) {
		snprintf(format, sizeof(format), "%.*s:0-63", (int)len, term);
	} else if (!is_plain(term, len) || read_file(source, "format/", term, len, format)) {
		return refuse(source, "PMU '%s' has no term '%.*s'", source->pmu,
			      (int)(len > 40 ? 40 : len), term);
	}
	rc = perf_format_put(format, value, &source->event);
	if (rc == -ERANGE)
		return refuse(source, "the value of term '%.*s' has too many bits", (int)len, term);
	return rc ? refuse(source, "the format of term '%.*s' is not understood", (int)len, term)
		  : 0;
}

static int put_terms(struct source *source, const char *text, size_t len, bool nested);

static int put_term(struct source *source, const char *term, size_t len, bool nested)
{
	const char *equals = memchr(term, '=', len);
	char terms[TERMS_MAX];
	uint64_t value = 1;

	if (equals) {
		size_t name = (size_t)(equals - term);

		if (parse_u64(equals + 1, len - name - 1, &value))
			return refuse(source, "not a number in '%.*s'", (int)(len > 40 ? 40 : len),
				      term);
		return put_value(source, term, name, value);
	}
	if (!nested && is_plain(term, len) && !read_file(source, "events/", term, len, terms))
		return put_terms(source, terms, strlen(terms), true);
	if (is_plain(term, len) && !read_file(source, "format/", term, len, terms))
		return put_value(source, term, len, 1);
	return refuse(source, "PMU '%s' has no event '%.*s'", source->pmu,
		      (int)(len > 40 ? 40 : len), term);
}

static int put_terms(struct source *source, const char *text, size_t len, bool nested)
{
	const char *end = text + len, *word;
	size_t size;
	int rc = 0;

	while (!rc && (size = parse_word(&text, end, ",", &word)))
		rc = put_term(source, word, size, nested);
	return rc;
}

/*
 * Only PMUs that count instructions of one task can leave the kernel out; the others refuse the
 * attribute.
 */
static bool excludes_kernel(const char *pmu)
{
	static const char *const able[] = { "cpu",      "cpu_core",   "cpu_atom", "breakpoint",
					    "software", "tracepoint", "uprobe",   NULL };

	return parse_choice(pmu, strlen(pmu), able) >= 0;
}

int perf_sysfs_resolve(const char *root, const char *name, size_t len, struct launch_event *out,
		       char *text, size_t size)
{
	const char *slash = memchr(name, '/', len);
	struct source source = { .root = root, .text = text, .size = size };
	char type[TERMS_MAX];
	uint64_t number;
	int rc;

	if (!slash || len < 2 || name[len - 1] != '/' || slash == name + len - 1)
		return refuse(&source, "'%.*s' is not written pmu/event/",
			      (int)(len > 60 ? 60 : len), name);
	if (!is_plain(name, (size_t)(slash - name)))
		return refuse(&source, "'%.*s' does not begin with a PMU's name",
			      (int)(len > 60 ? 60 : len), name);
	snprintf(source.pmu, sizeof(source.pmu), "%.*s", (int)(slash - name), name);
	if (read_file(&source, "", "type", 4, type) || parse_u64(type, strlen(type), &number))
		return refuse(&source, "no PMU '%s' on this machine", source.pmu);
	rc = put_terms(&source, slash + 1, len - (size_t)(slash - name) - 2, false);
	if (rc)
		return rc;
	source.event.type = (uint32_t)number;
	source.event.exclude_kernel = excludes_kernel(source.pmu);
	*out = source.event;
	return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Beside an event may stand its unit and scale. */
static bool is_event(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && (!dot || (strcmp(dot, ".scale") && strcmp(dot, ".unit") &&
					   strcmp(dot, ".snapshot") && strcmp(dot, ".per-pkg")));
}

static int walk_events(const char *root, const char *pmu, const struct perf_visitor *visitor)
{
	struct source source = { .root = root };
	char path[512], terms[TERMS_MAX], spelling[160];
	struct dirent *entry;
	DIR *dir;
	int rc = 0;

	snprintf(source.pmu, sizeof(source.pmu), "%s", pmu);
	snprintf(path, sizeof(path), "%s/%s/events", root, pmu);
	dir = opendir(path);
	if (dir)
		rc = visitor->pmu(visitor->arg, pmu, "of the kernel", 0);
	while (dir && !rc && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (!is_event(entry->d_name) || !is_plain(entry->d_name, len) ||
		    read_file(&source, "events/", entry->d_name, len, terms))
			continue;
		snprintf(spelling, sizeof(spelling), "%.63s/%.63s/", pmu, entry->d_name);
		rc = visitor->event(visitor->arg, pmu, entry->d_name, spelling, terms);
	}
	if (dir)
		closedir(dir);
	return rc;
}

int perf_sysfs_walk(const char *root, const struct perf_visitor *visitor)
{
	DIR *dir = opendir(root);
	struct dirent *entry;
	int rc = 0;

	while (dir && !rc && (entry = readdir(dir))) {
		if (is_plain(entry->d_name, strlen(entry->d_name)))
			rc = walk_events(root, entry->d_name, visitor);
	}
	if (dir)
		closedir(dir);
	return rc;
}
