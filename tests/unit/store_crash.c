/* SPDX-License-Identifier: MIT */
/*
 * Kill -9 at each operation that changes the disk: afterwards each name has its old or its new bytes, whole.
 *
 * A child does one thing to the store and is killed at operation N, for every N until it gets to its end; then the store is
 * opened again.
 */
#ifndef SFS_FAULTS
#define SFS_FAULTS
#endif
#include "../../backends/store_disk.c"

#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "store_fake.h"
#include "store_elf.h"

static char state[128];
static unsigned char old[ELF_ROOM], new[ELF_ROOM];
static size_t old_size, new_size;

static void prepare(void)
{
	static const char *const a[] = { "old", NULL }, *const b[] = { "new", "newer", NULL };

	old_size = make_elf(old, a, NULL, 1);
	new_size = make_elf(new, b, NULL, 2);
	fake_state(state, sizeof(state));
}

/* What stands under name: 0 nothing, 1 the old bytes, 2 the new ones, -1 anything else. */
static int which(const char *name)
{
	unsigned char got[ELF_ROOM];
	ssize_t n = fake_read(name, got, sizeof(got));
	char *symbols;
	int is = -1;

	if (n == -ENOENT)
		return 0;
	symbols = fake_show(name, "symbols");
	if (n == (ssize_t)old_size && !memcmp(got, old, old_size) && symbols && strstr(symbols, "old"))
		is = 1;
	if (n == (ssize_t)new_size && !memcmp(got, new, new_size) && symbols && strstr(symbols, "newer"))
		is = 2;
	free(symbols);
	return is;
}

static int upload_new(void)
{
	return fake_upload("a.o", new, new_size, 0644, &fake_alice);
}

/* The same bytes under another name: their file is there already, but nobody has looked at it since the start. */
static int upload_again(void)
{
	return fake_upload("n.o", new, new_size, 0644, &fake_alice);
}

static int remove_it(void)
{
	return store_backend.type->uploads->remove(&fake_store, "a.o", &fake_alice);
}

static int rename_over(void)
{
	return store_backend.type->uploads->rename(&fake_store, "n.o", "a.o", true, &fake_alice);
}

static int own(void)
{
	return store_backend.type->uploads->set_owner(&fake_store, "a.o", &(struct sfs_owner){ 1001, 1001, 0600 }, &fake_root);
}

/* In a child: the state as before, then the act, killed at its operation at. True: it came to its end. */
static bool act(int (*what)(void), long at)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int rc;

		alarm(FAKE_WAIT_S);
		disk_fault_at = 0;
		if (fake_begin(state))
			_exit(3);
		if (what == rename_over && fake_upload("n.o", new, new_size, 0644, &fake_alice))
			_exit(3);
		disk_operations = 0;
		disk_fault_at = at;
		rc = what();
		/* What follows in the store's own thread too. */
		fake_end();
		_exit(rc ? 2 : 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	return WIFEXITED(status);
}

static unsigned objects_left(void)
{
	char command[512];
	FILE *pipe;
	unsigned n = 999;

	snprintf(command, sizeof(command), "ls -A %s/store/objects %s/store/tables %s/store/names | grep -vc '[:]\\|^$'",
		 state, state, state);
	pipe = popen(command, "r");
	if (!pipe || fscanf(pipe, "%u", &n) != 1)
		n = 999;
	if (pipe)
		pclose(pipe);
	return n;
}

/* Per name a record, per content an object and a table. */
static unsigned objects_expected(int (*what)(void), int is, int before)
{
	if (what == upload_again)
		return 3 + (which("n.o") == 2);
	return (is ? 3 : 0) + (what == rename_over && is == before ? 3 : 0);
}

/* before and after: what a.o may be. */
static void at_each_operation(int (*what)(void), int before, int after)
{
	bool ended = false;
	long at, saw_before = 0, saw_after = 0;

	for (at = 1; !ended && at < 100; at++) {
		prepare();
		CHECK_INT(fake_begin(state), 0);
		if (before == 1)
			CHECK_INT(fake_upload("a.o", old, old_size, 0644, &fake_alice), 0);
		if (before == 2)
			CHECK_INT(fake_upload("a.o", new, new_size, 0644, &fake_alice), 0);
		fake_end();
		ended = act(what, at);
		CHECK_INT(fake_begin(state), 0);
		int is = which("a.o");

		CHECK_MSG(is == before || is == after, "killed at operation %ld: a.o is %d", at, is);
		CHECK_MSG(!ended || is == after, "came to its end and a.o is %d", is);
		saw_before += is == before;
		saw_after += is == after;
		if (what == rename_over && is == before)
			CHECK_INT(which("n.o"), 2);
		CHECK_STR(fake_status, "");
		/* Nothing is left over. */
		CHECK_INT(objects_left(), objects_expected(what, is, before));
		fake_end();
		fake_wipe(state);
	}
	CHECK(ended);
	CHECK(saw_before > 0 || what == own);
	CHECK(saw_after > 0);
	printf("# %ld operations\n", at - 2);
}

static void a_new_name(void)
{
	at_each_operation(upload_new, 0, 2);
}

static void an_overwrite(void)
{
	at_each_operation(upload_new, 1, 2);
}

static void a_durable_overwrite(void)
{
	fake_config.store_durable = true;
	at_each_operation(upload_new, 1, 2);
	fake_config.store_durable = false;
}

static void an_upload_of_what_another_has(void)
{
	at_each_operation(upload_again, 2, 2);
}

static void a_removal(void)
{
	at_each_operation(remove_it, 1, 0);
}

static void a_rename_over_another(void)
{
	at_each_operation(rename_over, 1, 2);
}

static void a_change_of_mode(void)
{
	at_each_operation(own, 1, 1);
}

/* Counts how many operations are syncs, by doing the same with and without. */
static long operations_of(bool durable)
{
	long n;

	prepare();
	CHECK_INT(fake_begin(state), 0);
	fake_config.store_durable = durable;
	disk_operations = 0;
	CHECK_INT(upload_new(), 0);
	n = disk_operations;
	fake_config.store_durable = false;
	fake_end();
	fake_wipe(state);
	return n;
}

static void durable_syncs_files_and_folders(void)
{
	/* A file and its folder, for the object, the table and the record. */
	CHECK_INT(operations_of(true) - operations_of(false), 6);
}

static void sync_after_the_fact(void)
{
	struct sfs_req req = FAKE_REQ;

	prepare();
	CHECK_INT(fake_begin(state), 0);
	CHECK_INT(upload_new(), 0);
	disk_operations = 0;
	CHECK_INT(store_backend.type->uploads->sync(&fake_store, "a.o", &req), SFS_LATER);
	CHECK_INT(fake_wait(&req), 0);
	CHECK_INT(disk_operations, 6);
	CHECK_INT(store_backend.type->uploads->sync(&fake_store, "none", &req), -ENOENT);
	fake_end();
	fake_wipe(state);
}

static void fill(const char *path, size_t leave)
{
	struct statvfs fs;
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/filler", path);
	CHECK_INT(statvfs(path, &fs), 0);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	REQUIRE(fd >= 0);
	CHECK_INT(fallocate(fd, 0, 0, (off_t)(fs.f_bavail * fs.f_bsize - leave)), 0);
	close(fd);
}

static void a_full_disk_loses_nothing(void)
{
	static const size_t leave[] = { 0, 4096, 8192 };
	unsigned refused = 0;

	for (size_t i = 0; i < 3; i++) {
		prepare();
		if (mount("none", state, "tmpfs", 0, "size=1m")) {
			fake_wipe(state);
			check_skip("no tmpfs can be mounted here");
			return;
		}
		CHECK_INT(fake_begin(state), 0);
		CHECK_INT(fake_upload("a.o", old, old_size, 0644, &fake_alice), 0);
		fill(state, leave[i]);
		int rc = upload_new();

		CHECK(rc == -ENOSPC || rc == 0);
		refused += rc == -ENOSPC;
		if (rc)
			CHECK_HAS(sfs_sentence(), "full");
		CHECK_INT(which("a.o"), rc ? 1 : 2);
		fake_end();
		CHECK_INT(fake_begin(state), 0);
		CHECK_INT(which("a.o"), rc ? 1 : 2);
		CHECK_INT(store_backend.type->uploads->remove(&fake_store, "a.o", &fake_alice), 0);
		fake_end();
		CHECK_INT(umount(state), 0);
		fake_wipe(state);
	}
	CHECK_INT(refused, 3);
}

int main(void)
{
	RUN(a_new_name);
	RUN(an_overwrite);
	RUN(a_durable_overwrite);
	RUN(an_upload_of_what_another_has);
	RUN(a_removal);
	RUN(a_rename_over_another);
	RUN(a_change_of_mode);
	RUN(durable_syncs_files_and_folders);
	RUN(sync_after_the_fact);
	RUN(a_full_disk_loses_nothing);
	return check_done();
}
