/* SPDX-License-Identifier: MIT */
/* The tree, open files and answers that are put off, without a mount. */
#include <fcntl.h>

#include "check.h"
#include "core_toy.c.inc"
#include "dir.h"
#include "errors.h"
#include "file.h"
#include "req.h"

static const struct sfs_attr root_attrs[] = {
	{ "error", 0444, sfs_error_show, .flags = SFS_PER_UID },
	{ 0 },
};
static const struct sfs_dirtype root_type = { .attrs = root_attrs };
static const struct sfs_cred root_cred = { 0, 0, 0 }, user = { 1000, 1000, 0 };

static void plant(void)
{
	struct sfs_obj *toys;

	REQUIRE(node_start(&root_type) == 0);
	REQUIRE(req_start() == 0);
	CHECK_INT(sfs_add_dir(node_root(), "toys", toy_backend.type, NULL, 0, 0, 01777), 0);
	CHECK_INT(sfs_add_dir(node_root(), "box", box_backend.type, NULL, 0, 0, 01777), 0);
	toys = sfs_find(node_root(), "toys");
	CHECK_INT(toy_backend.init(toys), 0);
	sfs_put_obj(toys);
}

static void uproot(void)
{
	toy_backend.stop();
	box_backend.stop();
	req_stop();
	node_stop();
	errors_stop();
}

/* The id behind a path of two names below the root, by lookups that stay lent. 0: not found. */
static uint64_t look(const char *first, const char *second, const char *third, const struct sfs_cred *who)
{
	const char *names[] = { first, second, third };
	struct where where = { NODE_ROOT_ID, NULL };
	struct seen seen;
	int i;

	for (i = 0; i < 3 && names[i]; i++) {
		where.name = names[i];
		if (dir_lookup(&where, who, &seen))
			return 0;
		where.dir = seen.node->id;
		node_put(seen.node);
	}
	return where.dir;
}

static bool known(uint64_t id)
{
	struct node *node = node_find(id);

	node_put(node);
	return node;
}

static struct file *open_path(const char *name, int flags, const struct sfs_cred *who)
{
	struct node *node = node_find(look("toys", "one", name, who));
	struct file *file = NULL;

	if (node)
		file_open(node, flags, who, &file);
	node_put(node);
	return file;
}

static int64_t put_text(struct file *file, const char *text)
{
	struct file_bytes bytes = { text, strlen(text), 0 };

	return file_write(file, &bytes, NULL);
}

static const char *get_text(struct file *file, off_t offset)
{
	static char text[256];
	struct file_piece piece;
	int err = file_read(file, sizeof(text) - 1, offset, &piece);

	if (err) {
		snprintf(text, sizeof(text), "%s", errors_name(err));
		return text;
	}
	memcpy(text, (const char *)sfs_blob_data(piece.blob) + piece.offset, piece.size);
	text[piece.size] = '\0';
	sfs_blob_put(piece.blob);
	return text;
}

static void ids_are_stable_and_counted(void)
{
	uint64_t a, b;

	plant();
	a = look("toys", "one", "value", &user);
	b = look("toys", "one", "value", &root_cred);
	CHECK(a && a == b);
	CHECK(look("toys", "one", "mine", &user) != look("toys", "one", "mine", &root_cred));
	CHECK(look("toys", "one", "mine", &user) == look("toys", "one", "mine", &user));
	CHECK(look("toys", "one", "run", &user) != look("toys", "one", "run", &user));
	CHECK(!look("toys", "none", NULL, &user));
	CHECK(!known(12345));
	node_forget(a, 1);
	CHECK(known(a)); /* one lookup is left */
	node_forget(a, 1);
	CHECK(!known(a));
	uproot();
}

static void rotation_keeps_the_inode_number(void)
{
	struct seen seen;
	struct where where;
	uint64_t ids[2], inos[2];
	int i;

	plant();
	where.dir = look("toys", "one", NULL, &user);
	where.name = "run";
	for (i = 0; i < 2; i++) {
		REQUIRE(dir_lookup(&where, &user, &seen) == 0);
		ids[i] = seen.node->id;
		inos[i] = seen.st.st_ino;
		CHECK(seen.entry_s == 0);
		CHECK_INT(seen.st.st_size, 5);
		node_put(seen.node);
	}
	CHECK(ids[0] != ids[1]);
	CHECK(inos[0] == inos[1]);
	uproot();
}

static void removal_answers_enodev_and_frees(void)
{
	struct file *file;
	struct sfs_obj *toys, *one;
	int before = toy_released();

	plant();
	file = open_path("value", O_RDWR, &user);
	REQUIRE(file);
	toys = sfs_find(node_root(), "toys");
	one = sfs_find(toys, "one");
	sfs_remove_dir(one);
	sfs_remove_dir(one);
	sfs_put_obj(one);
	CHECK_STR(get_text(file, 0), "ENODEV");
	CHECK_INT(put_text(file, "1\n"), -ENODEV);
	CHECK(!look("toys", "one", NULL, &user));
	file_release(file);
	CHECK_INT(toy_make(toys, "one", 0755, &user), 0);
	CHECK(look("toys", "one", "value", &user) != 0);
	sfs_put_obj(toys);
	uproot();
	CHECK_INT(toy_released() - before, 3);
}

static void names_are_judged(void)
{
	struct sfs_obj *toys;

	plant();
	toys = sfs_find(node_root(), "toys");
	CHECK_INT(toy_make(toys, "one", 0755, &user), -EEXIST);
	CHECK_INT(toy_make(toys, "a/b", 0755, &user), -EINVAL);
	CHECK_INT(toy_make(toys, ".x", 0755, &user), -EINVAL);
	CHECK_INT(toy_make(toys, "", 0755, &user), -EINVAL);
	CHECK(node_name_ok("a.b_c+d-9", false));
	CHECK(!node_name_ok("-a b", true));
	CHECK(!node_name_ok("a@b", false));
	CHECK(node_name_ok("a@b", true));
	CHECK(node_name_ok("a@", true));
	CHECK(!node_name_ok("@b", true));
	CHECK(!node_name_ok("a@b@c", true));
	CHECK(node_name_staging(".x.o.AbC123"));
	CHECK(!node_name_staging(".."));
	CHECK(!node_name_staging("."));
	sfs_put_obj(toys);
	uproot();
}

static void listing_survives_changes(void)
{
	struct sfs_obj *toys;
	struct node_entry entry;
	uint64_t cookie = 0;
	char name[16];
	int i, met = 0;

	plant();
	toys = sfs_find(node_root(), "toys");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_INT(toy_make(toys, name, 0755, &user), 0);
	}
	while (node_next(toys, cookie, &user, &entry)) {
		cookie = entry.cookie;
		if (entry.node && entry.name[0] == 't') {
			met++;
			sfs_remove_dir(node_obj(entry.node));
		}
		node_put(entry.node);
	}
	CHECK_INT(met, 100);
	CHECK_INT(toys->nchildren, 2);
	sfs_put_obj(toys);
	uproot();
}

static void commands_and_their_answers(void)
{
	struct file *file;

	plant();
	file = open_path("value", O_RDWR, &user);
	REQUIRE(file);
	CHECK_STR(get_text(file, 0), "0\n");
	CHECK_INT(put_text(file, "5\n"), 2);
	CHECK_STR(get_text(file, 2), "5\n"); /* reading starts anew wherever the position is */
	CHECK_STR(get_text(file, 4), "");
	CHECK_INT(put_text(file, "42"), 2);
	CHECK_STR(get_text(file, 0), "the answer\n");
	CHECK_STR(get_text(file, 0), "the answer\n");
	CHECK_INT(put_text(file, "x y\n"), -EINVAL);
	CHECK_STR(get_text(file, 9), "'x y' is no number\n");
	CHECK_INT(put_text(file, "\n\n"), 2);
	CHECK_INT(put_text(file, ""), 0);
	file_release(file);
	uproot();
}

static void several_lines_stop_at_the_first_bad_one(void)
{
	struct file *file;

	plant();
	file = open_path("value", O_RDWR, &user);
	REQUIRE(file);
	CHECK_INT(put_text(file, "1\n22\n333\n"), 9);
	CHECK_STR(get_text(file, 0), "333\n");
	CHECK_INT(put_text(file, "1\n22\nx\n4\n"), 5);
	CHECK_STR(get_text(file, 0), "line 3: 'x' is no number\n");
	CHECK_INT(put_text(file, "x\n4\n"), -EINVAL);
	CHECK_INT(put_text(file, "7\n8"), 2);
	CHECK_INT(put_text(file, "8"), -EINVAL);
	CHECK_HAS(get_text(file, 0), "line cut");
	CHECK_INT(put_text(file, "8"), 1);
	CHECK_INT(put_text(file, "7\n1234\n9"), 2);
	CHECK_HAS(get_text(file, 0), "line 2: 1234 is more than 1000");
	file_release(file);
	uproot();
}

static void bytes_are_judged(void)
{
	struct file *file;
	struct file_bytes zero = { "1\0", 2, 0 }, large = { NULL, SFS_COMMAND_MAX + 1, 0 };
	char *text = malloc(SFS_COMMAND_MAX + 1);

	plant();
	memset(text, '1', SFS_COMMAND_MAX + 1);
	large.data = text;
	file = open_path("value", O_RDWR, &user);
	REQUIRE(file);
	CHECK_INT(file_write(file, &zero, NULL), -EINVAL);
	CHECK_INT(file_write(file, &large, NULL), -E2BIG);
	file_release(file);
	free(text);
	uproot();
}

static void whole_specs_are_judged_at_flush(void)
{
	struct file *file;
	struct req_reply nobody = { 0 };
	struct sfs_req *req;
	int before;

	plant();
	before = toy_judged();
	file = open_path("spec", O_RDWR, &user);
	REQUIRE(file);
	req = req_new(&nobody, file);
	CHECK_INT(file_flush(file, req), 0); /* before any write, as bash does */
	CHECK_INT(toy_judged() - before, 0);
	CHECK_INT(put_text(file, "go"), 2);
	CHECK_INT(put_text(file, "od\nmore\n"), 8);
	CHECK_INT(file_flush(file, req), 0);
	CHECK_INT(file_flush(file, req), 0);
	CHECK_INT(toy_judged() - before, 1);
	CHECK_STR(get_text(file, 0), "good\nmore\n");
	req_free(req);
	file_release(file);
	file = open_path("spec", O_RDWR, &user);
	req = req_new(&nobody, file);
	CHECK_INT(put_text(file, "evil"), 4);
	CHECK_INT(file_flush(file, req), -EINVAL);
	CHECK_STR(get_text(file, 0), "'evil' is not good\n");
	req_free(req);
	file_release(file);
	uproot();
}

static void refusals_are_per_uid(void)
{
	struct file *file, *mine, *theirs, *pair;

	plant();
	file = open_path("value", O_RDWR, &user);
	REQUIRE(file);
	CHECK_INT(put_text(file, "a\001b\n"), -EINVAL);
	mine = open_path("error", O_RDONLY, &user);
	theirs = open_path("error", O_RDONLY, &root_cred);
	REQUIRE(mine && theirs);
	CHECK_STR(get_text(mine, 0), "toys/one/value EINVAL 'a\\x01b' is no number\n");
	CHECK_STR(get_text(theirs, 0), "uid 1000 toys/one/value EINVAL 'a\\x01b' is no number\n"); /* root: all */
	CHECK(!open_path("mine", O_WRONLY, &root_cred));
	CHECK_STR(get_text(theirs, 0), "toys/one/mine EPERM 'mine' cannot be written\n"
				       "uid 1000 toys/one/value EINVAL 'a\\x01b' is no number\n");
	CHECK_STR(get_text(mine, 0), "toys/one/value EINVAL 'a\\x01b' is no number\n");
	pair = open_path("value", O_RDWR, &root_cred);
	CHECK_INT(put_text(pair, "2\n"), 2);
	file_release(pair);
	CHECK_INT(put_text(file, "1\n"), 2);
	CHECK_STR(get_text(mine, 0), "ok\n");
	CHECK_STR(get_text(theirs, 0), "ok\n");
	CHECK(!open_path("mine", O_WRONLY, &user)); /* open(2) refuses too */
	CHECK_STR(get_text(mine, 0), "toys/one/mine EPERM 'mine' cannot be written\n");
	file_release(file);
	file_release(mine);
	file_release(theirs);
	uproot();
}

/* ---- answers that are put off ---------------------------------------------------------------- */

struct outcome {
	atomic_int count;
	atomic_llong result;
};

static void note(void *token, int64_t result)
{
	struct outcome *outcome = token;

	atomic_store(&outcome->result, result);
	atomic_fetch_add(&outcome->count, 1);
}

static int64_t await(struct outcome *outcome)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; i < 5000 && !atomic_load(&outcome->count); i++)
		nanosleep(&ms, NULL);
	CHECK_INT(atomic_load(&outcome->count), 1);
	return atomic_load(&outcome->result);
}

/* Writes text to run; how is "": nothing, "interrupt", "drain". Returns the result. */
static int64_t run(struct file *file, const char *text, const char *how)
{
	struct outcome outcome = { 0 };
	struct req_reply reply = { note, &outcome };
	struct file_bytes bytes = { text, strlen(text), 0 };
	struct sfs_req *req = req_new(&reply, file);
	uint64_t id = req_id(req);
	int64_t result = file_write(file, &bytes, req);

	if (result != REQ_LATER) {
		req_free(req);
		return result;
	}
	if (!strcmp(how, "interrupt"))
		req_interrupt(id);
	if (!strcmp(how, "drain"))
		CHECK(req_drain(3000));
	return await(&outcome);
}

static void waiting_rows_answer_once(void)
{
	struct file *file;

	plant();
	file = open_path("run", O_RDWR, &user);
	REQUIRE(file);
	CHECK_INT(run(file, "ms=5\n", ""), 5);
	CHECK_STR(get_text(file, 5), "slept 5\n");
	CHECK_INT(run(file, "ms=1\nsync\nms=2\n", ""), 15);
	CHECK_STR(get_text(file, 0), "slept 2\n");
	CHECK_INT(run(file, "refuse\n", ""), -EBADMSG);
	CHECK_INT(run(file, "ms=1\nrefuse\nms=2\n", ""), 5);
	CHECK_STR(get_text(file, 0), "line 2: refused as asked\n");
	CHECK_INT(run(file, "ms=5000 deadline\nms=1\n", ""), -ETIMEDOUT);
	CHECK_HAS(get_text(file, 0), "line 1: ");
	CHECK_INT(run(file, "never\n", "interrupt"), -EINTR);
	CHECK_HAS(get_text(file, 0), "gave up");
	CHECK_INT(run(file, "ms=5000 deadline\n", ""), -ETIMEDOUT);
	CHECK_HAS(get_text(file, 0), "deadline");
	CHECK_INT(run(file, "never\n", "drain"), -EAGAIN);
	file_release(file);
	uproot();
}

/* Interruptions and completions at the same moment: one answer each, and cancel never after the end (ASan, TSan). */
static void races_have_one_winner(void)
{
	struct outcome outcome;
	struct req_reply reply = { note, &outcome };
	struct file_bytes bytes = { "ms=1\n", 5, 0 };
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct sfs_req *req;
	struct file *file;
	uint64_t id;
	int i, ended = 0, interrupted = 0;

	plant();
	file = open_path("run", O_RDWR, &user);
	REQUIRE(file);
	for (i = 0; i < 200; i++) {
		memset(&outcome, 0, sizeof(outcome));
		req = req_new(&reply, file);
		id = req_id(req);
		REQUIRE(file_write(file, &bytes, req) == REQ_LATER);
		if (i % 3)
			nanosleep(&pause, NULL);
		req_interrupt(id);
		if (await(&outcome) == 5)
			ended++;
		else
			interrupted++;
	}
	CHECK_INT(ended + interrupted, 200);
	file_release(file);
	uproot();
}

static void nonblocking_writes_return_at_once(void)
{
	struct file *file;
	int before = toy_cancelled();

	plant();
	file = open_path("run", O_RDWR | O_NONBLOCK, &user);
	REQUIRE(file);
	CHECK_INT(run(file, "never\n", ""), 6);
	CHECK_INT(run(file, "never\n", ""), -EAGAIN);
	file_release(file);
	toy_backend.stop();
	CHECK_INT(toy_cancelled() - before, 1);
	uproot();
}

int main(void)
{
	RUN(ids_are_stable_and_counted);
	RUN(rotation_keeps_the_inode_number);
	RUN(removal_answers_enodev_and_frees);
	RUN(names_are_judged);
	RUN(listing_survives_changes);
	RUN(commands_and_their_answers);
	RUN(several_lines_stop_at_the_first_bad_one);
	RUN(bytes_are_judged);
	RUN(whole_specs_are_judged_at_flush);
	RUN(refusals_are_per_uid);
	RUN(waiting_rows_answer_once);
	RUN(races_have_one_winner);
	RUN(nonblocking_writes_return_at_once);
	return check_done();
}
