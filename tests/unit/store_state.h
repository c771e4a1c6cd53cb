/* SPDX-License-Identifier: MIT */
/* A store in a folder of its own with two objects, and what it shows and keeps: for tests of the whole store. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <dirent.h>

#include "store_fake.h"
#include "store_elf.h"

static char state[128];
static unsigned char one[ELF_ROOM], two[ELF_ROOM];
static size_t one_size, two_size;

static void begin(void)
{
	static const char *const dot[] = { "sdot", NULL }, *const both[] = { "sdot", "saxpy", NULL };

	fake_inspector = FAKE_HONEST;
	one_size = make_elf(one, dot, NULL, 1);
	two_size = make_elf(two, both, NULL, 2);
	fake_state(state, sizeof(state));
	CHECK_INT(fake_begin(state), 0);
}

static void end(void)
{
	fake_end();
	CHECK_INT(fake_zygotes, 0);
	CHECK(!fake_dirs);
	fake_wipe(state);
	memset(fake_status, 0, sizeof(fake_status));
}

static void restart(void)
{
	fake_end();
	CHECK_INT(fake_begin(state), 0);
}

static void check_row(const char *name, const char *row, const char *part)
{
	char *text = fake_show(name, row);

	CHECK_HAS(text, part);
	free(text);
}

static void check_bytes(const char *name, const void *bytes, size_t size)
{
	char got[ELF_ROOM];
	ssize_t n = fake_read(name, got, sizeof(got));

	CHECK_INT(n, size);
	if (n == (ssize_t)size)
		CHECK_MEM(got, bytes, size);
	CHECK_INT(fake_size(name), size);
}

/* The name of the codelet that who gets for symbol. */
static const char *found(const char *symbol, const struct sfs_cred *who)
{
	static char name[SFS_NAME_MAX + 1];
	int err = 0;
	struct codelet *c = store_find_export(symbol, who, &err);

	snprintf(name, sizeof(name), "%s", c ? c->name : err == -ENOENT ? "none" : "?");
	store_put(c);
	return name;
}

static unsigned files_in(const char *folder)
{
	char path[256];
	unsigned n = 0;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/store/%s", state, folder);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		n += e->d_name[0] != '.' || !strncmp(e->d_name, ".tmp", 4);
	if (dir)
		closedir(dir);
	return n;
}

/* The store's own thread does the removing. */
static void check_files(const char *folder, unsigned expected)
{
	for (int i = 0; i < 500 && files_in(folder) != expected; i++)
		usleep(1000);
	CHECK_INT(files_in(folder), expected);
}

#endif
