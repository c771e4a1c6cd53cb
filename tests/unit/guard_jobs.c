/* SPDX-License-Identifier: MIT */
/* The guard and its jobs: how they start and end, and what each is given. */
/* deadline: 300 */
/* single-threaded */
#include <elf.h>

#include "guard_play.h"

#include "guard_program.h"

#define WORDS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static struct play play;
static struct outcome outcome;

/* There is nobody in it who would process one. */
static void has_no_relocation(void)
{
	const Elf64_Ehdr *head = (const void *)jailed_guard;
	const Elf64_Phdr *segments = (const void *)(jailed_guard + head->e_phoff);

	REQUIRE(jailed_guard_size > sizeof *head);
	for (int i = 0; i < head->e_phnum; i++) {
		const Elf64_Dyn *entry = (const void *)(jailed_guard + segments[i].p_offset);
		CHECK(segments[i].p_type != PT_INTERP);
		for (; segments[i].p_type == PT_DYNAMIC && entry->d_tag != DT_NULL; entry++)
			CHECK_MSG(entry->d_tag != DT_RELA && entry->d_tag != DT_REL &&
					  entry->d_tag != 36 /* RELR */ &&
					  entry->d_tag != DT_JMPREL && entry->d_tag != DT_NEEDED,
				  "tag %lld", (long long)entry->d_tag);
	}
}

static void begins(void)
{
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
}

static void a_job_runs(void)
{
	struct guard_reply reply;
	int pidfd = -1;

	REQUIRE(play_order_send(&play, play_order(11, WORDS(program, "x", "7"), NULL), NULL, 0));
	REQUIRE(play_reply(&play, &reply, &pidfd));
	CHECK_INT(reply.type, GUARD_STARTED);
	CHECK_INT(reply.job, 11);
	CHECK_INT(reply.err, 0);
	CHECK(reply.pid > 1);
	CHECK(pidfd >= 0);
	CHECK_INT(reply.running, 1);
	CHECK(play_gone(pidfd));
	pid_t pid = reply.pid;
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.type, GUARD_EXITED);
	CHECK_INT(reply.job, 11);
	CHECK_INT(reply.pid, pid);
	CHECK_INT(reply.code, CLD_EXITED);
	CHECK_INT(reply.status, 7);
	CHECK_INT(reply.running, 0);
}

static int start_error(const char *const *argv, const char *const *envp)
{
	if (!play_run(&play, play_order(1, argv, envp), &outcome))
		return 1;
	return outcome.err;
}

static void what_cannot_start(void)
{
	char text[128], plain[128];

	snprintf(text, sizeof text, "%s/job.c", program_folder);
	snprintf(plain, sizeof plain, "%s/plain", program_folder);
	REQUIRE(program_write("plain", "no program\n") && !chmod(plain, 0755));
	CHECK_INT(start_error(WORDS("/nowhere/at/all"), NULL), -ENOENT);
	CHECK_INT(start_error(WORDS(text), NULL), -EACCES);
	CHECK_INT(start_error(WORDS(plain), NULL), -ENOEXEC);
	CHECK_INT(start_error(WORDS("/"), NULL), -EACCES);
	CHECK_INT(start_error(WORDS(""), NULL), -ENOENT);
	strcat(text, "/x");
	CHECK_INT(start_error(WORDS(text), NULL), -ENOTDIR);
	struct guard_order *order = play_order_in("/nowhere", 1, WORDS(program, "x", "0"), NULL);
	REQUIRE(play_run(&play, order, &outcome));
	CHECK_INT(outcome.err, -ENOENT);
	order = play_order(1, WORDS(program, "x", "0"), NULL);
	order->limits[0] = (struct guard_limit){ 99, 1, 1 };
	REQUIRE(play_run(&play, order, &outcome));
	CHECK_INT(outcome.err, -EINVAL);
	CHECK(play_has_children(&play, 0));
}

static void search_path(void)
{
	char path[512], name[128];
	const char *const *job = WORDS("job", "x", "3");

	snprintf(name, sizeof name, "mkdir %s/a && touch %s/a/job", program_folder, program_folder);
	REQUIRE(system(name) == 0);
	snprintf(path, sizeof path, "PATH=/nowhere:%s/a:%s/job.c:%s", program_folder,
		 program_folder, program_folder);
	CHECK_INT(start_error(job, WORDS("A=b", path, "PATH=/")), 0);
	CHECK_INT(outcome.exited.status, 3);
	snprintf(path, sizeof path, "PATH=/nowhere:%s/a:/", program_folder);
	CHECK_INT(start_error(job, WORDS(path)), -EACCES);
	CHECK_INT(start_error(job, WORDS("PATH=/nowhere:/")), -ENOENT);
	CHECK_INT(start_error(job, WORDS("PATHS=/")), -ENOENT);
	CHECK_INT(start_error(WORDS("true"), NULL), 0);
	CHECK_INT(outcome.exited.status, 0);
	/* An empty place is the directory at hand. */
	REQUIRE(play_run(&play, play_order_in(program_folder, 1, job, WORDS("PATH=/nowhere:")),
			 &outcome));
	CHECK_INT(outcome.err, 0);
	memset(path, 'a', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	CHECK_INT(start_error(WORDS(path), WORDS("PATH=/")), -ENAMETOOLONG);
}

static void a_script(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/script", program_folder);
	REQUIRE(program_write("script", "#!/bin/sh\necho \"$1\"\nexit 6\n") && !chmod(path, 0755));
	CHECK_INT(start_error(WORDS(path, "a word"), NULL), 0);
	CHECK_STR(outcome.output, "a word\n");
	CHECK_INT(outcome.exited.status, 6);
}

static void what_a_job_is_given(void)
{
	char line[64];
	const struct guard_order *order = play_order_in("/tmp", 5, WORDS(program, "s", "", "b c"),
							WORDS("ONE=1", "TWO=", "ONE=again"));

	REQUIRE(play_run(&play, order, &outcome));
	REQUIRE(outcome.err == 0);
	CHECK_HAS(outcome.output, "\narg s\narg \narg b c\n"
				  "env ONE=1\nenv TWO=\nenv ONE=again\nfd 0\nfd 1\nfd 2\nuid ");
	snprintf(line, sizeof line, "\nuid %u\neuid %u\n", play_job_uid(), play_job_uid());
	CHECK_HAS(outcome.output, line);
	if (play_is_root()) {
		CHECK_HAS(outcome.output, "\ngid 70002\negid 70002\ngroups 0\n");
	}
	CHECK_HAS(outcome.output, "\nleader 1\nparent 1\numask 18\nno_new_privs 1\ncwd /tmp\n"
				  "mask 0\nhandled 0\ncapabilities 0\nambient 0\nbounding ");
	CHECK_HAS(outcome.output, "\nend\n");
}

static void many_words(void)
{
	static char words[4000][16];
	static const char *argv[4003], *big[3];
	static char value[90000];

	argv[0] = program, argv[1] = "x", argv[2] = "9";
	for (int i = 0; i < 3999; i++) {
		snprintf(words[i], sizeof words[i], "w%d", i);
		argv[3 + i] = words[i];
	}
	CHECK_INT(start_error(argv, NULL), 0);
	CHECK_INT(outcome.exited.status, 9);
	memset(value, 'v', sizeof value - 1);
	memcpy(value, "BIG=", 4);
	big[0] = value;
	CHECK_INT(start_error(WORDS(program, "s"), big), 0);
	CHECK_HAS(outcome.output, "\nenv BIG=vvvvvv");
	CHECK_INT(start_error(WORDS(program, "x", "0"), NULL), 0);
}

static void signals_end_a_job(void)
{
	CHECK_INT(start_error(WORDS(program, "k", "15"), NULL), 0);
	CHECK_INT(outcome.exited.code, CLD_KILLED);
	CHECK_INT(outcome.exited.status, SIGTERM);
	CHECK_INT(start_error(WORDS(program, "k", "9"), NULL), 0);
	CHECK_INT(outcome.exited.status, SIGKILL);
	for (int signal = 1; signal <= 15; signal += 7) {
		struct guard_reply reply;
		int pidfd = play_stay(&play, play_order(8, WORDS(program, "w"), NULL), 1);
		REQUIRE(pidfd >= 0);
		play_signal(&play, 99, SIGKILL, false); /* no such job */
		play_signal(&play, 8, 0, false);
		play_signal(&play, 8, signal, false);
		REQUIRE(play_reply(&play, &reply, NULL));
		CHECK_INT(reply.type, GUARD_EXITED);
		CHECK_INT(reply.code, CLD_KILLED);
		CHECK_INT(reply.status, signal);
		CHECK(play_gone(pidfd));
	}
}

static void usage(void)
{
	const struct guard_reply *exited = &outcome.exited;

	CHECK_INT(start_error(WORDS(program, "t", "200", "3000"), NULL), 0);
	CHECK_MSG(exited->user_ns + exited->system_ns > 100000000ull, "%llu and %llu ns",
		  (unsigned long long)exited->user_ns, (unsigned long long)exited->system_ns);
	CHECK(exited->max_rss_bytes >= 2500 * 4096ull && exited->max_rss_bytes < 64000000);
	CHECK(exited->minor_faults >= 3000 && exited->minor_faults < 100000);
	uint64_t much = exited->user_ns + exited->system_ns;
	CHECK_INT(start_error(WORDS(program, "x", "0"), NULL), 0);
	CHECK(exited->user_ns + exited->system_ns < much);
	CHECK(exited->max_rss_bytes < 2000 * 4096ull);
}

/* GUARD_JOBS_MAX of them at a time, and not one more. */
static void many_jobs(void)
{
	const char *const *argv = WORDS(program, "w");
	struct guard_reply reply;
	int last = -1, killed = 0;

	for (uint32_t job = 1; job <= GUARD_JOBS_MAX; job++) {
		int pidfd = play_stay(&play, play_order(job, argv, NULL), 1);
		REQUIRE(pidfd >= 0);
		if (last >= 0)
			close(last);
		last = pidfd;
	}
	REQUIRE(play_run(&play, play_order(1000, argv, NULL), &outcome));
	CHECK_INT(outcome.err, -EAGAIN);
	CHECK_INT(play_children(&play), GUARD_JOBS_MAX);
	play_signal(&play, 0, SIGKILL, false);
	for (int i = 0; i < GUARD_JOBS_MAX; i++) {
		REQUIRE(play_reply(&play, &reply, NULL));
		killed += reply.type == GUARD_EXITED && reply.status == SIGKILL;
	}
	CHECK_INT(killed, GUARD_JOBS_MAX);
	CHECK_INT(reply.running, 0);
	CHECK(play_gone(last));
	CHECK(play_has_children(&play, 0));
}

static void sessions(void)
{
	struct guard_reply reply;
	int other, family;

	other = play_stay(&play, play_order(1, WORDS(program, "w"), NULL), 1);
	family = play_stay(&play, play_order(2, WORDS(program, "f"), NULL), 4);
	REQUIRE(other >= 0 && family >= 0);
	play_signal(&play, 2, SIGKILL, true); /* but there is another job */
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.job, 2);
	CHECK_INT(reply.running, 1);
	CHECK(play_gone(family));
	CHECK(play_has_children(&play, 2)); /* the other one, and who has a session of his own */
	play_signal(&play, 1, SIGTERM, false);
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.job, 1);
	CHECK(play_gone(other));
	CHECK(play_has_children(&play, 1));
	family = play_stay(&play, play_order(2, WORDS(program, "f"), NULL), 4);
	REQUIRE(family >= 0);
	play_signal(&play, 2, SIGTERM, true);
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK(play_gone(family));
	CHECK(play_has_children(&play, 0));
}

static void orphans(void)
{
	for (int i = 0; i < 3; i++) {
		CHECK_INT(start_error(WORDS(program, "o", "500"), NULL), 0);
		CHECK_INT(outcome.exited.status, 0);
	}
	CHECK(play_has_children(&play, 0));
}

static void ends_with_its_socket(void)
{
	int pidfd = play_stay(&play, play_order(1, WORDS(program, "f"), NULL), 4);

	REQUIRE(pidfd >= 0);
	CHECK_INT(play_end(&play), 0);
	CHECK(play_gone(pidfd));
}

static int tests(void)
{
	if (!program_make()) {
		printf("not ok guard_jobs: gcc made no program\n");
		return 1;
	}
	RUN(has_no_relocation);
	RUN(begins);
	RUN(a_job_runs);
	RUN(what_cannot_start);
	RUN(search_path);
	RUN(a_script);
	RUN(what_a_job_is_given);
	RUN(many_words);
	RUN(signals_end_a_job);
	RUN(usage);
	RUN(many_jobs);
	RUN(sessions);
	RUN(orphans);
	RUN(ends_with_its_socket);
	program_remove();
	return check_done();
}

int main(void)
{
	return play_as_both(tests);
}
