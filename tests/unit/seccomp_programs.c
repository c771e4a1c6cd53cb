/* SPDX-License-Identifier: MIT */
/* Real programs live under the default profile of rockers; and what its filter costs. */
/* deadline: 300 */
/* single-threaded */
#include <fcntl.h>
#include <time.h>

#include "seccomp_play.h"

static void told(const struct seccomp_notif *ask, void *arg)
{
	printf("# %s: call %d (%llx, %llx, %llx) is refused\n", (const char *)arg, ask->data.nr,
	       (unsigned long long)ask->data.args[0], (unsigned long long)ask->data.args[1],
	       (unsigned long long)ask->data.args[2]);
}

static void run_shell(void *arg)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	execl("/bin/sh", "sh", "-c", arg, NULL);
	syscall(SYS_exit_group, 98);
}

/* Programs that are not installed are not asked for. */
static const struct {
	const char *name, *script;
} lives[] = {
	{ "busybox",
	  "busybox sh -c 'for i in 1 2 3; do echo $i | busybox tee f$i & done; wait; "
	  "busybox cat f1 f2 f3 | busybox sort -r | busybox tar cf t.tar f1 && busybox rm f1'" },
	{ "/usr/bin/python3",
	  "/usr/bin/python3 -c 'import subprocess, threading, socket, sqlite3, asyncio\n"
	  "t = [threading.Thread(target=print) for _ in range(4)]\n"
	  "[x.start() for x in t]; [x.join() for x in t]\n"
	  "assert subprocess.check_output([\"echo\", \"a\"]) == b\"a\\n\"\n"
	  "a, b = socket.socketpair(); a.send(b\"x\"); b.recv(1)\n"
	  "s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen()\n"
	  "d = sqlite3.connect(\"db\"); d.execute(\"create table t(a)\"); d.commit()\n"
	  "asyncio.run(asyncio.sleep(0.01))\n'" },
	{ "sqlite3", "sqlite3 b.db 'pragma journal_mode=wal; create table a(b); "
		     "insert into a values(7); select b from a'" },
	{ "gcc", "echo 'int main(void) { return 0; }' >a.c && gcc -o a a.c && ./a" },
	{ "make", "printf 'all: x y\\nx y:\\n\\ttrue\\n' >Makefile && env -i PATH=$PATH make -j2" },
	{ "git", "git init -q g && cd g && echo a >a && git add a && "
		 "git -c user.name=a -c user.email=a@b commit -qm a && git log --oneline | cat" },
	{ "node", "node -e 'const f = require(\"fs\"); f.readdir(\"/\", () => { "
		  "require(\"child_process\").execSync(\"true\") }); const n = "
		  "require(\"net\").createServer(); n.listen(0, \"127.0.0.1\", () => n.close())'" },
	{ "nginx",
	  "mkdir -p n && echo \"pid $D/n/pid; error_log stderr; daemon off; worker_processes 2; "
	  "events {} http { access_log off; client_body_temp_path $D/n/b; proxy_temp_path $D/n/p; "
	  "fastcgi_temp_path $D/n/f; uwsgi_temp_path $D/n/u; scgi_temp_path $D/n/s; "
	  "server { listen unix:$D/n/sock; root $D; } }\" >n/conf && "
	  "{ nginx -p $D -e stderr -c $D/n/conf & } && for i in $(seq 300); do [ -S n/sock ] && "
	  "break; sleep 0.1; done; "
	  "sleep 0.2 && kill $! && wait" },
	{ NULL, NULL },
};

static bool installed(const char *name)
{
	char command[128];

	snprintf(command, sizeof command, "command -v %s >/dev/null", name);
	return system(command) == 0;
}

static void programs_live(void)
{
	char folder[] = "/tmp/seccomp_programs.XXXXXX", script[2048];

	REQUIRE(mkdtemp(folder));
	setenv("D", folder, 1);
	setenv("HOME", folder, 1);
	for (int i = 0; lives[i].name; i++) {
		int listener = -1, status = -1;
		if (!installed(lives[i].name)) {
			printf("# %s is not installed\n", lives[i].name);
			continue;
		}
		snprintf(script, sizeof script, "cd $D && %s", lives[i].script);
		pid_t pid = start(DEFAULT, &listener, run_shell, script);
		REQUIRE(pid > 0 && listener >= 0);
		answer(listener, pid, told, (void *)(uintptr_t)lives[i].name);
		waitpid(pid, &status, 0);
		CHECK_MSG(!status, "%s: status %#x", lives[i].name, status);
		close(listener);
	}
	snprintf(script, sizeof script, "rm -rf %s", folder);
	CHECK_INT(system(script), 0);
}

/* What computes is refused nothing by the strict one; what wants another process is. */
static void strict_computes(void)
{
	static const struct {
		const char *name, *script;
		bool refused;
	} runs[] = {
		{ "sh", "exec sh -c 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); done'", false },
		{ "/usr/bin/python3",
		  "exec /usr/bin/python3 -c 'import threading, json, random, math, sys\n"
		  "t = [threading.Thread(target=math.factorial, args=(500,)) for _ in range(4)]\n"
		  "[x.start() for x in t]; [x.join() for x in t]\n"
		  "print(json.dumps([random.random(), sum(range(10**5))]))\n'",
		  false },
		{ "awk", "exec awk 'BEGIN { for (i = 0; i < 1000; i++) s += i; print s }'", false },
		{ "sh", "true | true; exit 0", true },
		{ "/usr/bin/python3", "exec /usr/bin/python3 -c 'import socket; socket.socket()'",
		  true },
	};

	for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
		int listener = -1, status = -1;
		if (!installed(runs[i].name))
			continue;
		pid_t pid = start(STRICT, &listener, run_shell, (void *)(uintptr_t)runs[i].script);
		REQUIRE(pid > 0 && listener >= 0);
		int refused = answer(listener, pid, told, (void *)(uintptr_t)runs[i].name);
		waitpid(pid, &status, 0);
		CHECK_MSG((refused > 0) == runs[i].refused, "%s: %d calls refused", runs[i].script,
			  refused);
		CHECK_MSG(!status == !runs[i].refused, "%s: status %#x", runs[i].script, status);
		close(listener);
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define CALLS  50000
#define ROUNDS 20

/* The best of some rounds, in picoseconds. */
static unsigned long long cost_ps(long nr, long a, long b)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin = now_ns();
		for (int i = 0; i < CALLS; i++)
			syscall(nr, a, b, 0);
		uint64_t took = (now_ns() - begin) * 1000 / CALLS;
		best = took < best ? took : best;
	}
	return best;
}

/* In a child of its own: number -1 is without a filter. Only printed. */
static void print_price(int number)
{
	const char *name = number < 0 ? "no filter" : seccomp_profile_name((unsigned)number);
	uint64_t best = UINT64_MAX;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int i = 0; i < ROUNDS && number >= 0; i++) {
		uint64_t took = now_ns();
		seccomp_profile_install(&programs[number], false);
		took = now_ns() - took;
		best = took < best ? took : best;
		if (!i) /* under one of them */
			printf("# %s: getppid %llu ps, ioctl %llu ps\n", name,
			       cost_ps(SYS_getppid, 0, 0), cost_ps(SYS_ioctl, -1, TCGETS));
	}
	if (number >= 0)
		printf("# %s: installed in %llu ns\n", name, (unsigned long long)best);
	else
		printf("# %s: getppid %llu ps, ioctl %llu ps\n", name, cost_ps(SYS_getppid, 0, 0),
		       cost_ps(SYS_ioctl, -1, TCGETS));
	fflush(stdout);
	syscall(SYS_exit_group, 0);
}

static void prices(void)
{
	for (int number = -1; number < PROFILES; number++) {
		int status = -1;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid)
			print_price(number);
		waitpid(pid, &status, 0);
		CHECK_INT(status, 0);
	}
}

int main(void)
{
	for (unsigned i = 0; i < PROFILES; i++)
		if (seccomp_profile_build(i, &programs[i]))
			return 1;
	RUN(programs_live);
	RUN(strict_computes);
	RUN(prices);
	for (int i = 0; i < PROFILES; i++)
		free(programs[i].filter);
	return check_done();
}
