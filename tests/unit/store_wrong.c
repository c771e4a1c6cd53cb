/* SPDX-License-Identifier: MIT */
/* The store when something goes wrong: inspectors that lie, callers that give up, refused kernels, damage on disk. */
#include <sys/file.h>
#include <sys/wait.h>

#include "store_state.h"

/* ---- the inspector is not believed --------------------------------------------------------------------- */

static void lie_offsets(struct wire_table *t)
{
	t->done = 1;
	t->texts[WIRE_SYMBOLS].offset = WIRE_TABLE_BYTES - 4;
	t->texts[WIRE_SYMBOLS].bytes = 8;
}

static void lie_sum(struct wire_table *t)
{
	t->done = 1;
	for (int i = 0; i < WIRE_TEXTS; i++) {
		t->texts[i].offset = sizeof(*t);
		t->texts[i].bytes = WIRE_TABLE_BYTES - sizeof(*t);
	}
}

static void lie_rc(struct wire_table *t)
{
	t->done = 1;
	t->rc = -EPERM;
	memset(t->text, 'x', sizeof(t->text));
}

static void lie_bytes(struct wire_table *t)
{
	static const char text[] = "a\033[2Jb\n\xff";

	t->done = 1;
	t->texts[WIRE_SYMBOLS].offset = sizeof(*t);
	t->texts[WIRE_SYMBOLS].bytes = sizeof(text) - 1;
	memcpy((char *)t + sizeof(*t), text, sizeof(text) - 1);
}

static void lie_spec(struct wire_table *t)
{
	t->done = 1;
	t->texts[WIRE_SPEC].offset = sizeof(*t);
	t->texts[WIRE_SPEC].bytes = 3;
	memcpy((char *)t + sizeof(*t), "\xc0\x80\n", 3);
}

static void check_bad(enum fake_inspector how, int err, const char *part)
{
	fake_inspector = how;
	CHECK_INT(fake_upload("a.o", two, two_size, 0644, &fake_alice), err);
	CHECK_HAS(sfs_sentence(), part);
	fake_inspector = FAKE_HONEST;
	check_bytes("a.o", one, one_size);
	CHECK_INT(fake_upload("next.o", one, one_size, 0644, &fake_alice), 0);
}

static void inspector_misbehaves(void)
{
	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	check_bad(FAKE_CRASH, -ENOEXEC, "signal 11");
	check_bad(FAKE_SPIN, -ENOEXEC, "within 750 ms");
	check_bad(FAKE_SILENT, -EIO, "without a judgement");
	fake_lie = lie_offsets;
	check_bad(FAKE_LIE, -EIO, "contradicts");
	fake_lie = lie_sum;
	check_bad(FAKE_LIE, -EIO, "contradicts");
	fake_lie = lie_rc;
	check_bad(FAKE_LIE, -EIO, "xxx");
	fake_lie = lie_spec;
	check_bad(FAKE_LIE, -ENOEXEC, "not text");
	fake_lie = lie_bytes;
	fake_inspector = FAKE_LIE;
	CHECK_INT(fake_upload("b.o", two, two_size, 0644, &fake_alice), 0);
	check_row("b.o", "symbols", "a\\x1b[2Jb\n\\xff\n");
	fake_inspector = FAKE_DEAD;
	CHECK_INT(fake_upload("c.o", two, two_size, 0644, &fake_bob), 0);
	end();
}

static void inspector_cannot_start(void)
{
	fake_inspector = FAKE_NEVER_STARTS;
	fake_state(state, sizeof(state));
	CHECK_INT(fake_begin(state), 0);
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), -EIO);
	CHECK_HAS(sfs_sentence(), "no jail");
	CHECK_HAS(fake_status, "inspector");
	fake_inspector = FAKE_HONEST;
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK(!strstr(fake_status, "inspector"));
	end();
}

/* Begins an upload whose inspector does not come to an end. */
static void spin(struct sfs_req *req)
{
	fake_inspector = FAKE_SPIN;
	CHECK_INT(store_backend.type->uploads->commit(&fake_store, "a.o", fake_memfd(one, one_size), one_size, 0644,
						      &fake_alice, req), SFS_LATER);
	usleep(20000);
}

static void gives_up(void)
{
	struct sfs_req req = FAKE_REQ, early = FAKE_REQ;
	uint64_t start;

	begin();
	spin(&req);
	start = fake_now_ns();
	fake_cancel(&req);
	CHECK_INT(fake_wait(&req), -EINTR);
	CHECK(fake_now_ns() - start < 50000000);
	fake_inspector = FAKE_HONEST;
	early.cancelled = true;
	CHECK_INT(store_backend.type->uploads->commit(&fake_store, "a.o", fake_memfd(one, one_size), one_size, 0644,
						      &fake_alice, &early), SFS_LATER);
	CHECK_INT(fake_wait(&early), -EINTR);
	CHECK_INT(fake_size("a.o"), -1);
	check_files("names", 0);
	end();
}

static void one_spinner_stops_nobody_else(void)
{
	struct sfs_req req = FAKE_REQ;
	uint64_t start;

	begin();
	spin(&req);
	fake_inspector = FAKE_HONEST;
	start = fake_now_ns();
	CHECK_INT(fake_upload("b.o", one, one_size, 0644, &fake_bob), 0);
	CHECK(fake_now_ns() - start < 300000000);
	CHECK_INT(fake_wait(&req), -ENOEXEC);
	end();
}

static int begin_upload(const char *name, const struct sfs_cred *who, struct sfs_req *req)
{
	return store_backend.type->uploads->commit(&fake_store, name, fake_memfd(one, one_size), one_size, 0644, who, req);
}

/* A second inspector was there for another user while the first one was busy: it ends when nobody waits any more. */
static void spare_inspectors_end(void)
{
	struct sfs_req slow = FAKE_REQ, queued = FAKE_REQ;

	begin();
	fake_inspector = FAKE_SLOW;
	fake_go = false;
	CHECK_INT(begin_upload("a.o", &fake_alice, &slow), SFS_LATER);
	for (int i = 0; i < 5000 && !fake_slow; i++)
		usleep(1000);
	CHECK_INT(fake_slow, 1);
	fake_inspector = FAKE_HONEST;
	CHECK_INT(begin_upload("b.o", &fake_alice, &queued), SFS_LATER);
	CHECK_INT(fake_upload("c.o", one, one_size, 0644, &fake_bob), 0);
	CHECK_INT(fake_zygotes, 2);
	fake_go = true;
	CHECK_INT(fake_wait(&slow), 0);
	CHECK_INT(fake_wait(&queued), 0);
	for (int i = 0; i < 1000 && fake_zygotes != 1; i++)
		usleep(1000);
	CHECK_INT(fake_zygotes, 1);
	end();
}

/* ---- the layer above --------------------------------------------------------------------------------------- */

static int loading_answer, loadings, goings;
static char last_loading[SFS_NAME_MAX + 1], last_gone[SFS_NAME_MAX + 1];

static int on_loading(struct codelet *codelet)
{
	loadings++;
	strcpy(last_loading, codelet->name);
	CHECK_STR(sfs_blob_data(codelet->spec), "[kernel]\nname = x\n");
	return loading_answer ? sfs_fail(loading_answer, "kernel x exists") : 0;
}

static void on_gone(struct codelet *codelet)
{
	goings++;
	strcpy(last_gone, codelet->name);
}

static void embedded_specifications(void)
{
	static const struct store_listener listener = { .loading = on_loading, .gone = on_gone };
	static const char *const dot[] = { "sdot", NULL };
	unsigned char with[ELF_ROOM];
	size_t size = make_elf(with, dot, "[kernel]\nname = x\n", 3);

	begin();
	store_listen(&listener);
	loading_answer = -EEXIST;
	CHECK_INT(fake_upload("k.o", with, size, 0644, &fake_alice), -EEXIST);
	CHECK_STR(sfs_sentence(), "kernel x exists");
	CHECK_INT(fake_size("k.o"), -1);
	CHECK_INT(goings, 0);
	check_files("names", 0);
	check_files("objects", 0);
	loading_answer = 0;
	CHECK_INT(fake_upload("k.o", with, size, 0644, &fake_alice), 0);
	check_row("k.o", "spec", "[kernel]\nname = x\n");
	loadings = goings = 0;
	restart();
	CHECK_INT(loadings, 1);
	CHECK_STR(last_loading, "k.o");
	CHECK_INT(fake_upload("k.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(goings, 1);
	CHECK_INT(fake_upload("k.o", with, size, 0644, &fake_alice), 0);
	CHECK_INT(store_backend.type->uploads->rename(&fake_store, "k.o", "l.o", false, &fake_alice), 0);
	CHECK_STR(last_gone, "k.o");
	CHECK_STR(last_loading, "l.o");
	CHECK_INT(store_backend.type->uploads->remove(&fake_store, "l.o", &fake_alice), 0);
	CHECK_STR(last_gone, "l.o");
	/* The tree has no room: what was told is taken back, and the disk too. */
	loadings = goings = 0;
	fake_dir_error = -ENOMEM;
	CHECK_INT(fake_upload("k.o", with, size, 0644, &fake_alice), -ENOMEM);
	CHECK_INT(loadings, 1);
	CHECK_INT(goings, 1);
	CHECK_INT(fake_upload("k.o", one, one_size, 0644, &fake_alice), 0);
	fake_file_error = -ENOMEM;
	CHECK_INT(fake_upload("k.o", with, size, 0644, &fake_alice), -ENOMEM);
	restart();
	check_bytes("k.o", one, one_size);
	store_listen(NULL);
	end();
}

/* ---- what the disk does -------------------------------------------------------------------------------------- */

static void damage(const char *folder, const char *name, off_t at, bool cut)
{
	char path[512];
	unsigned char c;
	int fd;

	snprintf(path, sizeof(path), "%s/store/%s/%s", state, folder, name);
	fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	if (cut) {
		CHECK_INT(ftruncate(fd, at), 0);
	} else {
		CHECK_INT(pread(fd, &c, 1, at), 1);
		c ^= 1;
		CHECK_INT(pwrite(fd, &c, 1, at), 1);
	}
	close(fd);
}

static void hex_of(const char *name, char hex[65])
{
	int err;
	struct codelet *c = store_find(name, &fake_root, &err);

	REQUIRE(c);
	memcpy(hex, c->sha256_hex, 65);
	store_put(c);
}

static void damage_is_seen(void)
{
	char a[65], b[65];
	char got[16];
	int err;

	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("b.o", two, two_size, 0644, &fake_alice), 0);
	hex_of("a.o", a);
	hex_of("b.o", b);
	fake_end();
	damage("objects", a, 70, false);
	damage("objects", b, 50, true);
	CHECK_INT(fake_begin(state), 0);
	CHECK_HAS(fake_status, "store/b.o: codelet not loaded");
	CHECK_INT(fake_size("b.o"), -1);
	CHECK_INT(fake_read("a.o", got, sizeof(got)), -EIO);
	CHECK_HAS(fake_status, "store/a.o: codelet not loaded");
	for (int i = 0; i < 500 && fake_size("a.o") >= 0; i++)
		usleep(1000);
	CHECK_INT(fake_size("a.o"), -1);
	CHECK(!store_find("a.o", &fake_alice, &err));
	/* Nobody else takes the name; its owner repairs it. */
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_bob), -EACCES);
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	CHECK_INT(fake_upload("b.o", two, two_size, 0644, &fake_alice), 0);
	check_bytes("a.o", one, one_size);
	check_bytes("b.o", two, two_size);
	CHECK_STR(fake_status, "");
	fake_end();
	damage("names", "a.o", 30, false);
	damage("tables", b, 150, false);
	fake_inspections = 0;
	CHECK_INT(fake_begin(state), 0);
	CHECK_HAS(fake_status, "store/a.o: codelet not loaded: its record");
	CHECK_INT(fake_size("a.o"), -1);
	/* A table is made again. */
	for (int i = 0; i < 1000 && fake_size("b.o") < 0; i++)
		usleep(1000);
	check_bytes("b.o", two, two_size);
	CHECK_INT(fake_inspections, 1);
	CHECK_STR(found("saxpy", &fake_alice), "b.o");
	check_row("b.o", "symbols", "saxpy");
	end();
}

static void nothing_is_reinspected_at_start(void)
{
	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	fake_inspections = 0;
	restart();
	check_bytes("a.o", one, one_size);
	check_row("a.o", "symbols", "sdot");
	CHECK_INT(fake_inspections, 0);
	end();
}

static void one_daemon_for_a_state(void)
{
	begin();
	CHECK_INT(fake_upload("a.o", one, one_size, 0644, &fake_alice), 0);
	/* A second daemon: its own table of open files. */
	fflush(stdout);
	if (fork() == 0) {
		char path[256];
		int fd;

		snprintf(path, sizeof(path), "%s/store", state);
		fd = open(path, O_RDONLY);
		_exit(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == -1 ? 0 : 1);
	}
	int status = -1;

	wait(&status);
	CHECK_INT(status, 0);
	end();
}

int main(void)
{
	RUN(inspector_misbehaves);
	RUN(inspector_cannot_start);
	RUN(gives_up);
	RUN(one_spinner_stops_nobody_else);
	RUN(spare_inspectors_end);
	RUN(embedded_specifications);
	RUN(damage_is_seen);
	RUN(nothing_is_reinspected_at_start);
	RUN(one_daemon_for_a_state);
	return check_done();
}
