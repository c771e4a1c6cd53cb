/* SPDX-License-Identifier: MIT */
/* Specs, uploads and two users, through a mount. */
/* alone */
#include <dirent.h>

#include "core_mount.c.inc"

#define NOBODY 65534

/* ---- specs and uploads ----------------------------------------------------------------------- */

static void specs_are_judged_at_close(void)
{
	CHECK_INT(sh("printf 'good\\nspec\\n' > ../spec && cp ../spec toys/one/spec && cat toys/one/spec"), 0);
	CHECK_STR(out(), "good\nspec\n");
	CHECK_INT(put(at("toys/one/spec"), O_TRUNC, "evil\n"), EINVAL);
	CHECK_STR(slurp(at("toys/one/spec")), "good\nspec\n");
	CHECK_HAS(slurp(at("toys/one/error")), "is not good");
	CHECK_INT(sh("bash -c '{ echo good; echo two; } > toys/one/spec'; cat toys/one/spec"), 0);
	CHECK_STR(out(), "good\ntwo\n");
}

static void uploads_are_judged_at_close(void)
{
	struct stat st;

	CHECK_INT(put(at("box/a"), O_CREAT, "first"), 0);
	CHECK_STR(slurp(at("box/a")), "first");
	CHECK_INT(put(at("box/a"), O_TRUNC, "bad bytes"), ENOEXEC);
	CHECK_STR(slurp(at("box/a")), "first");
	CHECK_HAS(slurp(at("error")), "box/a ENOEXEC 'a' is bad");
	CHECK_INT(put(at("box/b"), O_CREAT, "bad bytes"), ENOEXEC);
	CHECK_INT(stat(at("box/b"), &st) ? errno : 0, ENOENT);
	CHECK_INT(put(at("box/c"), O_CREAT, "late and good"), 0);
	CHECK_STR(slurp(at("box/c")), "late and good");
	CHECK_INT(put(at("box/a"), O_APPEND, " and more"), 0);
	CHECK_STR(slurp(at("box/a")), "first and more");
	CHECK_INT(put(at("box/a"), O_CREAT | O_EXCL, "x"), EEXIST);
	CHECK_INT(put(at("box/a b"), O_CREAT, "x"), EINVAL);
	CHECK_INT(sh("head -c 1000000 /dev/zero > box/big"), 0);
	CHECK_INT(stat(at("box/big"), &st), 0);
	CHECK_INT(st.st_size, 1000000);
	CHECK(sh("head -c 1100000 /dev/zero > box/big") != 0);
	CHECK_INT(sh("rm box/big && ! test -e box/big"), 0);
}

static void others_see_the_old_bytes(void)
{
	int fd = open(at("box/a"), O_RDWR | O_TRUNC), old = open(at("box/a"), O_RDONLY);
	char text[64] = "";
	struct stat st;

	CHECK_INT(put(at("box/a"), O_TRUNC, "old"), 0);
	CHECK_INT(write(fd, "newer", 5), 5);
	CHECK_STR(slurp(at("box/a")), "old");
	CHECK_INT(stat(at("box/a"), &st), 0);
	CHECK_INT(st.st_size, 3);
	CHECK_INT(fsync(fd), 0);
	CHECK_STR(slurp(at("box/a")), "newer");
	CHECK_INT(pwrite(fd, "N", 1, 0), 1); /* what was handed over does not change */
	CHECK_STR(slurp(at("box/a")), "newer");
	CHECK_INT(close(fd), 0);
	CHECK_STR(slurp(at("box/a")), "Newer");
	CHECK(read(old, text, sizeof(text)) >= 0);
	CHECK_STR(text, "first and more");
	close(old);
}

static void parts_of_files_change(void)
{
	CHECK_INT(sh("printf 0123456789 > box/p && printf AB | dd of=box/p bs=1 seek=3 conv=notrunc status=none && cat box/p"), 0);
	CHECK_STR(out(), "012AB56789");
	CHECK_INT(sh("truncate -s 4 box/p && cat box/p"), 0);
	CHECK_STR(out(), "012A");
	CHECK_INT(sh("python3 -c 'import os; os.truncate(\"box/p\", 1)'; test $? = 1 && cat box/p | tail -c 4"), 0);
	CHECK_HAS(out(), "012A");
	CHECK_INT(sh(": > box/p; touch box/p; cat box/p"), 0);
	CHECK_STR(out(), "012A");
	CHECK_INT(sh("dd if=/dev/zero of=box/p bs=300 count=7 status=none conv=fsync && stat -c %s box/p && rm box/p"), 0);
	CHECK_STR(out(), "2100\n");
}

static bool listed(const char *name)
{
	DIR *folder = opendir(at("box"));
	struct dirent *entry = NULL;

	while (folder && (entry = readdir(folder)) && strcmp(entry->d_name, name))
		;
	if (folder)
		closedir(folder);
	return entry;
}

/*
 * 0, or the errno of stat(2), with which a listing must agree. No shell does it: the end of a process flushes what it
 * inherited.
 */
static int seen(const char *name)
{
	char path[64];
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "box/%s", name);
	err = stat(at(path), &st) ? errno : 0;
	CHECK_INT(listed(name), !err);
	return err;
}

static void commits_can_be_interrupted(void)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct stat st;
	int status;
	double begin;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(put(at("box/slow"), O_CREAT, "late forever"));
	}
	nanosleep(&pause, NULL);
	CHECK_INT(seen("slow"), ENOENT);
	begin = seconds();
	kill(pid, SIGINT);
	waitpid(pid, &status, 0);
	CHECK_MSG(WIFSIGNALED(status), "status %x", (unsigned)status);
	CHECK_MSG(seconds() - begin < 0.25, "it took %.3f s", seconds() - begin);
	CHECK_INT(stat(at("box/slow"), &st) ? errno : 0, ENOENT);
	begin = seconds();
	CHECK_INT(put(at("box/slow"), O_CREAT, "late forever"), ETIMEDOUT);
	CHECK_MSG(seconds() - begin < 2, "it took %.3f s", seconds() - begin);
	CHECK_HAS(slurp(at("error")), "box/slow ETIMEDOUT the deadline passed");
}

static void empty_files_are_dropped(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct stat st;
	int i;

	CHECK_INT(put(at("box/empty"), O_CREAT, ""), 0);
	for (i = 0; i < 40 && !stat(at("box/empty"), &st); i++)
		nanosleep(&pause, NULL);
	CHECK_INT(stat(at("box/empty"), &st) ? errno : 0, ENOENT);
}

static void names_appear_when_committed(void)
{
	int fd = open(at("box/fresh"), O_RDWR | O_CREAT | O_EXCL, 0600), copy;
	const struct timespec times[2] = { { .tv_sec = 500 }, { .tv_sec = 500 } };
	struct stat st, named;
	char text[16] = "";

	CHECK_INT(seen("fresh"), ENOENT);
	CHECK_INT(fchmod(fd, 0640), 0);
	CHECK_INT(write(fd, "fresh", 5), 5);
	CHECK_INT(futimens(fd, times), 0);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_size, 5);
	CHECK_INT(pread(fd, text, sizeof(text), 0), 5);
	CHECK_STR(text, "fresh");
	CHECK_INT(seen("fresh"), ENOENT);
	copy = dup(fd);
	CHECK_INT(close(copy), 0);
	CHECK_INT(seen("fresh"), 0);
	CHECK_STR(slurp(at("box/fresh")), "fresh");
	CHECK_INT(stat(at("box/fresh"), &named), 0);
	CHECK(named.st_ino == st.st_ino);
	CHECK_INT(named.st_mode & 07777, 0640);
	CHECK_INT(named.st_mtim.tv_sec, 500);
	CHECK_INT(write(fd, "er", 2), 2);
	CHECK_INT(fsync(fd), 0);
	CHECK_STR(slurp(at("box/fresh")), "fresher");
	CHECK_INT(fchmod(fd, 0600), 0);
	CHECK_INT(stat(at("box/fresh"), &named), 0);
	CHECK_INT(named.st_mode & 07777, 0600);
	CHECK_INT(close(fd), 0);
	CHECK_INT(unlink(at("box/fresh")), 0);
}

static void refused_names_never_appear(void)
{
	int fd = open(at("box/fresh"), O_RDWR | O_CREAT, 0600);

	CHECK_INT(write(fd, "bad", 3), 3);
	CHECK_INT(fsync(fd) ? errno : 0, ENOEXEC);
	CHECK_INT(seen("fresh"), ENOENT);
	CHECK_INT(pwrite(fd, "now good", 8, 0), 8);
	CHECK_INT(close(fd), 0);
	CHECK_STR(slurp(at("box/fresh")), "now good");
	CHECK_INT(unlink(at("box/fresh")), 0);
}

static void two_may_make_one_name(int flags, int last, const char *content)
{
	int a = open(at("box/both"), O_RDWR | O_CREAT | flags, 0644);
	int b = open(at("box/both"), O_RDWR | O_CREAT | flags, 0600);

	CHECK(a >= 0 && b >= 0);
	CHECK_INT(write(a, "a", 1), 1);
	CHECK_INT(write(b, "b", 1), 1);
	CHECK_INT(seen("both"), ENOENT);
	CHECK_INT(close(a), 0);
	CHECK_STR(slurp(at("box/both")), "a");
	CHECK_INT(pwrite(b, "bb", 2, 0), 2);
	CHECK_INT(fsync(b) ? errno : 0, last);
	CHECK_STR(slurp(at("box/both")), content);
	CHECK_INT(close(b), 0);
	CHECK_INT(unlink(at("box/both")), 0);
	CHECK_INT(seen("both"), ENOENT);
}

static void the_last_commit_wins(void)
{
	two_may_make_one_name(0, 0, "bb");
	two_may_make_one_name(O_EXCL, EEXIST, "a");
	CHECK_HAS(slurp(at("error")), "ok");
}

static void staged_names_are_committed_by_rename(void)
{
	struct stat st;
	int before;

	CHECK_INT(put(at("box/.t.XyZ"), O_CREAT, "staged"), 0);
	CHECK_STR(slurp(at("box/.t.XyZ")), "staged");
	CHECK_INT(chmod(at("box/.t.XyZ"), 0600), 0);
	CHECK_INT(sh("touch -d @1000 box/.t.XyZ"), 0);
	CHECK_INT(rename(at("box/.t.XyZ"), at("box/t")) ? errno : 0, 0);
	CHECK_STR(slurp(at("box/t")), "staged");
	CHECK_INT(stat(at("box/t"), &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(st.st_mtim.tv_sec, 1000);
	CHECK_INT(stat(at("box/.t.XyZ"), &st) ? errno : 0, ENOENT);
	CHECK_INT(put(at("box/.t.XyZ"), O_CREAT, "bad one"), 0);
	CHECK_INT(rename(at("box/.t.XyZ"), at("box/t")) ? errno : 0, ENOEXEC);
	CHECK_STR(slurp(at("box/t")), "staged");
	CHECK_INT(unlink(at("box/.t.XyZ")), 0);
	CHECK_INT(rename(at("box/t"), at("box/u")) ? errno : 0, 0);
	CHECK_STR(slurp(at("box/u")), "staged");
	CHECK_INT(renameat2(AT_FDCWD, at("box/u"), AT_FDCWD, at("box/a"), RENAME_NOREPLACE) ? errno : 0, EEXIST);
	CHECK_INT(renameat2(AT_FDCWD, at("box/u"), AT_FDCWD, at("box/a"), RENAME_EXCHANGE) ? errno : 0, EINVAL);
	CHECK_INT(rename(at("box/u"), at("toys/u")) ? errno : 0, EXDEV);
	before = sh("command -v rsync");
	if (!before) {
		CHECK_INT(sh("mkdir -p ../from && echo hello > ../from/h && rsync -a ../from/ box/ && cmp ../from/h box/h"), 0);
		CHECK_INT(sh("install -m 640 ../from/h box/i && cmp ../from/h box/i && stat -c %a box/i"), 0);
		CHECK_STR(out(), "640\n");
		CHECK_INT(sh("cp -p ../from/h box/j && mv ../from/h box/k && cat box/j box/k"), 0);
		CHECK_STR(out(), "hello\nhello\n");
	}
}

/* ---- two users ------------------------------------------------------------------------------- */

/* Runs test() as another uid; true if it returned true. */
static bool as_uid(uid_t uid, bool (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(2);
		_exit(test() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool nobody_sees_his_own(void)
{
	struct stat st;

	return !strcmp(slurp(at("toys/one/mine")), "uid 65534\n") && !strcmp(slurp(at("error")), "ok\n") &&
	       put(at("toys/one/value"), 0, "1\n") == EACCES && put(at("toys/one/run"), 0, "ms=1\n") == 0 &&
	       put(at("toys/one/run"), 0, "refuse\n") == EBADMSG && strstr(slurp(at("error")), "EBADMSG") &&
	       rmdir(at("toys/one")) && errno == EPERM && stat(at("box/.root"), &st) && errno == ENOENT &&
	       mkdir(at("toys/his"), 0700) == 0 && put(at("toys/his/value"), 0, "3\n") == 0 &&
	       unlink(at("box/a")) && (errno == EPERM || errno == EACCES);
}

/* A command is its opener's, even when another user's program has the file as its output. */
static void commands_belong_to_the_opener(void)
{
	int fd;

	if (geteuid()) {
		check_skip("needs root");
		return;
	}
	CHECK_INT(put(at("toys/one/value"), 0, "1\n"), 0);
	CHECK_INT(seteuid(NOBODY), 0);
	fd = open(at("toys/one/run"), O_RDWR | O_CLOEXEC);
	CHECK_INT(seteuid(0), 0);
	CHECK_INT(write(fd, "refuse\n", 7) < 0 ? errno : 0, EBADMSG);
	CHECK_STR(slurp(at("error")), "uid 65534 toys/one/run EBADMSG refused as asked\n");
	CHECK_INT(seteuid(NOBODY), 0);
	CHECK_STR(slurp(at("error")), "toys/one/run EBADMSG refused as asked\n");
	CHECK_INT(seteuid(0), 0);
	close(fd);
}

static void two_users_have_two_views(void)
{
	struct stat st;

	if (geteuid()) {
		check_skip("needs root");
		return;
	}
	CHECK_INT(put(at("box/.root"), O_CREAT, "mine"), 0);
	CHECK_STR(slurp(at("toys/one/mine")), "uid 0\n");
	CHECK_INT(put(at("toys/one/value"), 0, "oops\n"), EINVAL);
	CHECK(as_uid(NOBODY, nobody_sees_his_own));
	CHECK_HAS(slurp(at("error")), "EINVAL");
	CHECK_INT(stat(at("toys/his/value"), &st), 0);
	CHECK_INT(st.st_uid, NOBODY);
	CHECK_INT(rmdir(at("toys/his")), 0);
	CHECK_INT(unlink(at("box/.root")), 0);
}

static void tests(void)
{
	RUN(specs_are_judged_at_close);
	RUN(uploads_are_judged_at_close);
	RUN(others_see_the_old_bytes);
	RUN(parts_of_files_change);
	RUN(commits_can_be_interrupted);
	RUN(empty_files_are_dropped);
	RUN(names_appear_when_committed);
	RUN(refused_names_never_appear);
	RUN(the_last_commit_wins);
	RUN(staged_names_are_committed_by_rename);
	RUN(two_users_have_two_views);
	RUN(commands_belong_to_the_opener);
	RUN(stop);
}

int main(void)
{
	return with_mount(tests);
}
