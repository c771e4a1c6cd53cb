/* SPDX-License-Identifier: MIT */
/*
 * IFUNC resolvers: codelet code that has to run before the codelet can. It does so in a child under
 * the filter of a run, which reports addresses; they are believed where they lie in the text or are
 * provided imports.
 */
#include "runner.h"

#include "imports.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_US 500000

struct answers {
	uint64_t count; /* how many there are, written after each */
	uint64_t addresses[ELF_INITS_MAX];
};

static _Noreturn void resolve_all(struct answers *answers)
{
	struct itimerval deadline = { .it_value = { .tv_usec = DEADLINE_US } };

	signal(SIGALRM, SIG_DFL);
	if (setitimer(ITIMER_REAL, &deadline, NULL) < 0 || close_range(0, ~0u, 0) < 0 ||
	    helper_filter_child() < 0)
		helper_exit(HELPER_FAILED);
	for (uint32_t i = 0; i < runner.linked.nifuncs; i++) {
		runner_load_args(&(struct runner_args){ 0 });
		runner_frame.function = runner.linked.ifuncs[i].resolver;
		runner_frame.count = 1;
		runner_call();
		answers->addresses[i] = runner_frame.ret_int;
		answers->count = i + 1;
	}
	helper_exit(0);
}

static int wait_for(pid_t pid, struct elf_error *err)
{
	int status;
	pid_t waited;

	do
		waited = waitpid(pid, &status, 0);
	while (waited < 0 && errno == EINTR);
	if (waited != pid)
		return runner_refuse(err, -EIO,
				     "the resolvers of IFUNC symbols cannot be waited for");
	if (WIFSIGNALED(status))
		return runner_refuse(err, -ENOEXEC, "a resolver of an IFUNC symbol was ended by %s",
				     WTERMSIG(status) == SIGALRM  ? "its deadline"
				     : WTERMSIG(status) == SIGSYS ? "a system call"
								  : "a fault");
	if (WEXITSTATUS(status))
		return runner_refuse(err, -ENOEXEC, "a resolver of an IFUNC symbol exited");
	return 0;
}

static int fill_in(const struct answers *answers, struct elf_error *err)
{
	uint64_t text = runner.place.base + runner.layout.segments[ELF_TEXT].offset;
	uint64_t bytes = runner.layout.segments[ELF_TEXT].bytes;

	if (answers->count != runner.linked.nifuncs)
		return runner_refuse(err, -ENOEXEC, "a resolver of an IFUNC symbol exited");
	for (uint32_t i = 0; i < runner.linked.nifuncs; i++) {
		uint64_t address = answers->addresses[i];

		if (address - text >= bytes && !imports_is_function(address))
			return runner_refuse(
				err, -ENOEXEC,
				"a resolver of an IFUNC symbol answered 0x%llx, which is no code",
				(unsigned long long)address);
		memcpy((char *)runner.place.base + runner.linked.ifuncs[i].slot_offset, &address,
		       sizeof(address));
	}
	return 0;
}

int runner_ifuncs(struct elf_error *err)
{
	struct answers *shared, answers;
	pid_t pid;
	int rc;

	if (!runner.linked.nifuncs)
		return 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return runner_refuse(err, -ENOMEM, "no memory for the answers of IFUNC resolvers");
	pid = helper_fork_child();
	if (pid == 0)
		resolve_all(shared);
	rc = pid < 0 ? runner_refuse(
			       err, pid,
			       "the jail has no room for a process that resolves IFUNC symbols")
		     : 0;
	rc = rc ?: wait_for(pid, err);
	memcpy(&answers, shared, sizeof(answers));
	munmap(shared, sizeof(*shared));
	return rc ?: fill_in(&answers, err);
}
