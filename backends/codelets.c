/* SPDX-License-Identifier: MIT */
/* The files of codelets/NAME: what is known of one codelet that is loaded. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store_priv.h"

/* What is shown, as it was at one moment. */
struct view {
	char name[SFS_NAME_MAX + 1];
	struct store_record record;
	uint32_t type, machine;
	const char *state;
	uint64_t loads, runs, last_run_ns;
	unsigned running;
};

static int view(struct sfs_obj *dir, struct view *out)
{
	const struct store_entry *entry = sfs_priv(dir);
	const struct store_load *load;

	pthread_mutex_lock(&store.lock);
	load = entry->load;
	if (load) {
		memcpy(out->name, entry->name, sizeof(out->name));
		load_record(load, &out->record);
		out->type = load->type;
		out->machine = load->machine;
		out->state = entry->unloading ? "unloading" : load->running ? "running" : "loaded";
		out->loads = entry->loads;
		out->runs = load->runs;
		out->last_run_ns = load->last_run_ns;
		out->running = load->running;
	}
	pthread_mutex_unlock(&store.lock);
	return load ? 0 : sfs_fail(-ENODEV, "the codelet is gone");
}

static const char *type_name(uint32_t type, char *buf, size_t size)
{
	static const char *const names[] = {
		[ET_REL] = "relocatable", [ET_EXEC] = "executable", [ET_DYN] = "shared"
	};

	if (type < sizeof(names) / sizeof(names[0]) && names[type])
		return names[type];
	snprintf(buf, size, "%u", type);
	return buf;
}

static const char *machine_name(uint32_t machine, char *buf, size_t size)
{
	if (machine == EM_X86_64)
		return "x86-64";
	if (machine == EM_AARCH64)
		return "aarch64";
	snprintf(buf, size, "%u", machine);
	return buf;
}

/* RFC 3339 in UTC, always 30 characters long. */
static const char *time_text(uint64_t ns, char buf[40])
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	if (!ns || !gmtime_r(&seconds, &tm))
		return "never";
	n = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%09" PRIu64 "Z", ns % 1000000000);
	return buf;
}

static int info_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	char hex[SHA256_HEX + 1], number[16], when[40];
	struct view v;
	int rc = view(dir, &v);

	(void)who;
	if (rc)
		return rc;
	sha256_hex(v.record.sha256, hex);
	sfs_put(out, "name %s\nsha256 %s\nsize %" PRIu64 "\n", v.name, hex, v.record.size);
	sfs_put(out, "type %s\n", type_name(v.type, number, sizeof(number)));
	sfs_put(out, "machine %s\n", machine_name(v.machine, number, sizeof(number)));
	sfs_put(out, "owner %u\n", v.record.uid);
	sfs_put(out, "loaded_at %s\n", time_text(v.record.loaded_at_ns, when));
	sfs_put(out, "signer none\n");
	sfs_put(out, "state %-9s\n", v.state);
	sfs_put_count(out, "runs", v.runs);
	sfs_put(out, "last_run %-30s\n", time_text(v.last_run_ns, when));
	return 0;
}

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct view v;
	int rc = view(dir, &v);

	(void)who;
	if (!rc)
		sfs_put(out, "%s\n", v.state);
	return rc;
}

static int activity_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct view v;
	int rc = view(dir, &v);

	(void)who;
	if (rc)
		return rc;
	sfs_put_count(out, "loads", v.loads);
	sfs_put_count(out, "runs", v.runs);
	sfs_put_count(out, "running", v.running);
	return 0;
}

/* From the table on disk, so that nothing of it is kept in memory while nobody looks. */
static int text_show(struct sfs_obj *dir, enum wire_text which, struct sfs_buf *out)
{
	struct store_table table;
	struct view v;
	int rc = view(dir, &v) ?: db_get_table(v.record.sha256, &table);

	if (rc)
		return rc;
	sfs_put_bytes(out, table.texts[which].text, table.texts[which].bytes);
	table_free(&table);
	return 0;
}

static int symbols_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	return text_show(dir, WIRE_SYMBOLS, out);
}

static int sections_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	return text_show(dir, WIRE_SECTIONS, out);
}

static int imports_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	return text_show(dir, WIRE_IMPORTS, out);
}

static int relocations_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	return text_show(dir, WIRE_RELOCATIONS, out);
}

static int spec_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	return text_show(dir, WIRE_SPEC, out);
}

static void release(void *priv)
{
	pthread_mutex_lock(&store.lock);
	entry_put(priv);
	pthread_mutex_unlock(&store.lock);
}

static const struct sfs_attr codelet_attrs[] = {
	{ "info", 0444, info_show,
	  .help = "flat keyed: hash, size, type, owner, when it was loaded and run" },
	{ "symbols", 0444, symbols_show, .help = "one line per symbol" },
	{ "sections", 0444, sections_show, .help = "one line per section" },
	{ "imports", 0444, imports_show,
	  .help = "names that it needs, each with ok, missing or weak" },
	{ "relocations", 0444, relocations_show, .help = "one line per relocation" },
	{ "spec", 0444, spec_show,
	  .help = "the specification in its section .sandboxfs; empty if it has none" },
	{ "state", 0444, state_show,
	  .help = "loaded, running or unloading (removed, but still running)" },
	{ "activity", 0444, activity_show,
	  .help = "loads under this name, runs, runs at this moment" },
	{ "error", 0444, sfs_error_show, .flags = SFS_PER_UID,
	  .help = "the last refusal here, for the reader's uid" },
	{ 0 },
};

const struct sfs_dirtype codelet_dirtype = { .attrs = codelet_attrs,
					     .moves = true,
					     .release = release };
