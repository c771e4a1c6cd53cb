/* SPDX-License-Identifier: MIT */
/*
 * Runs and set-ups of hostile codelets, each seen from outside as the launcher sees it.
 */
#include "runner_codelet.h"

/* ---- hostility --------------------------------------------------------------------- */

static void notifies_system_calls(void)
{
	struct ending e;

	run_function("own_pid", &e);
	CHECK(e.syscall && e.call.nr == SYS_getpid && e.call.arch == AUDIT_ARCH_X86_64);
	CHECK(e.call.instruction_pointer - codelet->link->text_address <=
	      codelet->link->text_bytes);
	CHECK(!e.claimed);
	run_function("x32", &e);
	CHECK(e.syscall && e.call.nr == 0x40000027 && e.call.arch == AUDIT_ARCH_X86_64);
	run_function("i386", &e);
	CHECK((e.syscall && e.call.nr == 20 && e.call.arch == AUDIT_ARCH_I386) ||
	      (WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGSEGV)); /* a kernel without i386 */
}

static void tells_an_exit_from_an_end(void)
{
	struct ending e;

	run_function("quit", &e);
	CHECK(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 0);
	CHECK(!e.claimed);
	CHECK_INT(codelet->claim->phase, WIRE_CHECK);
}

static void ends_by_the_signal_it_caught(void)
{
	static const struct {
		const char *function;
		int number, code;
	} rows[] = {
		{ "null", SIGSEGV, SEGV_MAPERR },      { "wild", SIGSEGV, SEGV_MAPERR },
		{ "zero", SIGFPE, FPE_INTDIV },        { "trap", SIGTRAP, SI_KERNEL },
		{ "bad", SIGILL, ILL_ILLOPN },         { "unaligned", SIGBUS, BUS_ADRALN },
		{ "deep", SIGSEGV, SEGV_ACCERR },      { "self", SIGSEGV, SEGV_ACCERR },
		{ "heap_code", SIGSEGV, SEGV_ACCERR },
	};
	struct ending e;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		plan_for(codelet, rows[i].function);
		plan_arg(codelet, WIRE_INT, 0, strcmp(rows[i].function, "deep") ? 0 : 1);
		e = play(codelet, -1, 2000);
		CHECK_MSG(WIFSIGNALED(e.status) && WTERMSIG(e.status) == rows[i].number,
			  "%s: status %d", rows[i].function, e.status);
		CHECK_MSG((int)codelet->claim->fault_signal == rows[i].number &&
				  (int)codelet->claim->fault_code == rows[i].code,
			  "%s: signal %u code %u", rows[i].function, codelet->claim->fault_signal,
			  codelet->claim->fault_code);
		CHECK(!e.claimed);
	}
	plan_for(codelet, "deep");
	plan_arg(codelet, WIRE_INT, 0, 1);
	e = play(codelet, -1, 2000);
	CHECK(codelet->link->stack_address - codelet->claim->fault_address <= PAGE);
}

static void is_killed_when_it_loops(void)
{
	struct ending e;

	plan_for(codelet, "spin");
	e = play(codelet, -1, 100);
	CHECK(e.timeout && WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGKILL);
}

static void names_imports_that_end_it(void)
{
	static const char *const rows[][2] = { { "give_up", "abort" },
					       { "call_missing", "missing" },
					       { "twice", "free of what malloc did not give" } };
	struct ending e;

	for (unsigned i = 0; i < 3; i++) {
		run_function(rows[i][0], &e);
		CHECK(WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGILL);
		CHECK_INT(codelet->claim->fault_code, WIRE_FAULT_IMPORT);
		CHECK_STR(codelet->claim->fault_name, rows[i][1]);
	}
}

static void survives_a_broken_abi(void)
{
	struct ending e;

	plan_for(codelet, "spoil");
	codelet->plan->samples = 100;
	codelet->plan->batch = 4;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->samples, 100);
	CHECK_INT(codelet->claim->abi,
		  WIRE_ABI_REGISTERS | WIRE_ABI_FLAGS | WIRE_ABI_MXCSR | WIRE_ABI_X87);
	plan_for(codelet, "unwind");
	codelet->plan->samples = 10;
	codelet->plan->batch = 4;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->abi, WIRE_ABI_STACK);
}

/* ---- refusals ---------------------------------------------------------------------- */

static void refuses_bad_plans(void)
{
	struct ending e;

	run_function("nowhere", &e);
	CHECK_INT(e.refusal.type, WIRE_FORK_FAILED);
	CHECK_INT(e.refusal.rc, -ENOENT);
	CHECK_HAS(e.refusal.text, "nowhere");
	plan_for(codelet, "call0");
	codelet->plan->nsets = 5;
	e = play(codelet, -1, 2000);
	CHECK_INT(e.refusal.type, WIRE_FORK_FAILED);
	plan_for(codelet, "call0");
	codelet->plan->cpu = 1023;
	e = play(codelet, -1, 2000);
	CHECK_INT(e.refusal.type, WIRE_FORK_FAILED);
	CHECK_HAS(e.refusal.text, "processor 1023");
	plan_for(codelet, "call0"); /* and goes on */
	codelet->plan->cpu = 0;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
}

static void set_up_fails(const char *name, const char *text, const char *allow,
			 const char *sentence)
{
	struct template *t = template_new(compile(name, "", text), 1 << 20, allow);

	CHECK_MSG(t->setup.rc < 0, "%s: rc %d", name, t->setup.rc);
	CHECK_HAS(t->setup.text, sentence);
	template_drop(t);
}

static void refuses_bad_codelets(void)
{
	set_up_fails("absent", "int f(void); int g(void) { return f(); }", "", "f");
	set_up_fails("words", "int g(void) { return 1; }", "f=stop", "f=stop");
	set_up_fails("resolver",
		     "static void *r(void) { for (;;) __asm__(\"\"); }\nint g(void) "
		     "__attribute__((ifunc(\"r\")));",
		     "", "deadline");
	set_up_fails(
		"calling",
		"static void *r(void) { __asm__ volatile(\"syscall\" : : \"a\"(39)); return r; }\n"
		"int g(void) __attribute__((ifunc(\"r\")));",
		"", "system call");
	set_up_fails("lying",
		     "static void *r(void) { return (void *)0x1000; }\nint g(void) "
		     "__attribute__((ifunc(\"r\")));",
		     "", "0x1000");
	set_up_fails("wide", "__thread char t[1 << 20]; char *g(int i) { return &t[i]; }", "",
		     "thread-local");
}

int main(void)
{
	if (!codelet_start())
		return 1;
	RUN(notifies_system_calls);
	RUN(tells_an_exit_from_an_end);
	RUN(ends_by_the_signal_it_caught);
	RUN(is_killed_when_it_loops);
	RUN(names_imports_that_end_it);
	RUN(survives_a_broken_abi);
	RUN(refuses_bad_plans);
	RUN(refuses_bad_codelets);
	return codelet_stop();
}
