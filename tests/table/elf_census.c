/* SPDX-License-Identifier: MIT */
/*
 * Inspects and links every object of the archives (or the objects) that are named: elf_census [-v] FILE...
 *
 * One row for each file. "linked" objects need nothing but what a run provides; "permitting" ones link as well once
 * every name is provided; "refused" ones do not, and each has its sentence below the row. With -v there is a line for
 * each object. The exit status is 1 when a file cannot be read.
 */
#include "elf.h"
#include "jailed/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BASE	   0x40000000ull
#define TLS	   0x50000000ull
#define PROVIDED   0x7f1234560000ull /* as far away as a library would be */
#define ARCHIVE	   "!<arch>\n"
#define HEAD_BYTES 60u

struct counts {
	unsigned objects, accepted, linked, permitting;
	uint64_t link_ns, inspect_ns;
};

struct census {
	struct counts counts;
	struct wire_table *table;
	const char *file;
	bool verbose;
	bool everything; /* the import callback provides any name */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool import(void *arg, const char *name, uint64_t *address_out)
{
	const struct census *census = arg;

	*address_out = strncmp(name, "__cpu_", 6) == 0 || strcmp(name, "__dso_handle") == 0 ? BASE - 4096 : PROVIDED;
	return census->everything || elf_provides(name);
}

static int link_object(struct census *census, const void *file, size_t size, struct elf_error *err)
{
	struct elf_linked *linked = malloc(sizeof(*linked));
	struct elf_layout layout;
	struct elf_place place = { BASE, TLS, TLS, PROVIDED, PROVIDED, import, census };
	void *image, *scratch;
	uint64_t begin;
	int rc = elf_measure(file, size, &layout, err);

	if (rc == 0) {
		place.thread_pointer = TLS + layout.tls_bytes;
		image = calloc(1, layout.image_bytes);
		scratch = calloc(1, layout.scratch_bytes);
		begin = now_ns();
		rc = image && scratch && linked ? elf_link(file, size, &layout, &place, image, scratch, linked, err)
						: -ENOMEM;
		census->counts.link_ns += now_ns() - begin;
		free(image);
		free(scratch);
	}
	free(linked);
	return rc;
}

static void take_object(struct census *census, const char *name, const void *bytes, size_t size)
{
	struct counts *counts = &census->counts;
	struct elf_error err = { "" }, wanting = { "" };
	void *copy = malloc(size + 1);
	const char *verdict = "linked";
	uint64_t begin;
	int rc;

	if (!copy)
		return;
	memcpy(copy, bytes, size);
	memset(census->table, 0, sizeof(*census->table));
	counts->objects++;
	begin = now_ns();
	elf_inspect(copy, size, census->table);
	counts->inspect_ns += now_ns() - begin;
	counts->accepted += census->table->rc == 0;
	census->everything = false;
	rc = link_object(census, bytes, size, &err);
	counts->linked += rc == 0;
	if (rc != 0) {
		wanting = err;
		census->everything = true;
		rc = link_object(census, bytes, size, &err);
		verdict = rc == 0 ? "imports" : "refused";
	}
	counts->permitting += rc == 0;
	if (rc != 0)
		printf("    %s: %s\n", name, err.text);
	else if (census->table->rc != 0)
		printf("    %s: not accepted: %s\n", name, census->table->text);
	else if (census->verbose)
		printf("    %s: %s %u missing %s\n", name, verdict, census->table->missing, wanting.text);
	free(copy);
}

/* Members are counted where they stand, since several may have one name. */
static void take_archive(struct census *census, const char *bytes, size_t size)
{
	size_t at = strlen(ARCHIVE);

	while (size - at >= HEAD_BYTES) {
		char name[17] = "", length[11] = "";
		size_t member;

		memcpy(name, bytes + at, 16);
		memcpy(length, bytes + at + 48, 10);
		member = strtoul(length, NULL, 10);
		at += HEAD_BYTES;
		if (member > size - at)
			break;
		if (member > 4 && memcmp(bytes + at, "\177ELF", 4) == 0)
			take_object(census, name, bytes + at, member);
		at += member + (member & 1);
		if (at > size)
			break;
	}
}

static char *read_all(const char *path, size_t *size_out)
{
	FILE *stream = fopen(path, "rb");
	char *bytes = NULL;
	long size;

	if (!stream)
		return NULL;
	if (fseek(stream, 0, SEEK_END) == 0 && (size = ftell(stream)) >= 0 && fseek(stream, 0, SEEK_SET) == 0) {
		bytes = malloc((size_t)size + 1);
		*size_out = (size_t)size;
		if (bytes && fread(bytes, 1, (size_t)size, stream) != (size_t)size) {
			free(bytes);
			bytes = NULL;
		}
	}
	(void)fclose(stream);
	return bytes;
}

static double percent(unsigned part, unsigned whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static int take_file(struct census *census, const char *path)
{
	struct counts *counts = &census->counts;
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t size = 0;
	char *bytes = read_all(path, &size);

	if (!bytes) {
		printf("%s cannot be read\n", path);
		return 1;
	}
	memset(counts, 0, sizeof(*counts));
	if (size > strlen(ARCHIVE) && memcmp(bytes, ARCHIVE, strlen(ARCHIVE)) == 0)
		take_archive(census, bytes, size);
	else
		take_object(census, base, bytes, size);
	free(bytes);
	printf("%-16s objects %5u accepted %5u linked %5u imports %5u refused %5u permitting %6.2f%% "
	       "us/link %.1f us/inspect %.1f\n",
	       base, counts->objects, counts->accepted, counts->linked, counts->permitting - counts->linked,
	       counts->objects - counts->permitting, percent(counts->permitting, counts->objects),
	       counts->objects ? (double)counts->link_ns / counts->objects / 1e3 : 0,
	       counts->objects ? (double)counts->inspect_ns / counts->objects / 1e3 : 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct census census = { .table = calloc(1, WIRE_TABLE_BYTES) };
	int rc = 0;

	if (!census.table)
		return 1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0)
			census.verbose = true;
		else
			rc |= take_file(&census, argv[i]);
	}
	free(census.table);
	return rc;
}
