/* SPDX-License-Identifier: MIT */
/*
 * The runner's template: takes one WIRE_SETUP, then forks a run whenever it is let.
 *
 * It executes nothing of the codelet, so that every run begins from the same clean state.
 */
#include "runner.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

struct runner runner;

int runner_refuse(struct elf_error *err, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return rc;
}

static void serve_setup(struct helper_order *order)
{
	struct elf_error err = { .text = "" };
	int rc;

	rc = runner_setup(order, &err);
	helper_close(order);
	helper_report(WIRE_SETUP_DONE, order->order.seq, rc, rc ? err.text : NULL);
	if (rc)
		helper_exit(HELPER_FAILED);
}

/* The launcher takes the listener meanwhile; until it has, this close waits. */
static void enclose(void)
{
	if (close_range(0, ~0u, 0) < 0 || helper_filter_run() != WIRE_LISTENER_FD)
		helper_exit(HELPER_FAILED);
	close(WIRE_LISTENER_FD);
}

/*
 * 0 in a run, -errno in the template. The template writes to no memory between one fork and the
 * next: what it wrote would be copied each time.
 */
static long next_run(void)
{
	register long r8 __asm__("r8") = 0;
	register long r10 __asm__("r10") = 0;
	long pid;

	do
		__asm__ volatile("syscall"
				 : "=a"(pid)
				 : "a"(SYS_clone), "D"(WIRE_CLONE_FLAGS), "S"(0), "d"(0), "r"(r10),
				   "r"(r8)
				 : "rcx", "r11", "memory");
	while (pid > 0);
	return pid;
}

static _Noreturn void serve(void)
{
	for (;;) {
		long rc = next_run();

		if (rc == 0)
			runner_child();
		if (rc == -ENOSYS) /* nobody listens any longer */
			helper_exit(0);
		helper_call_failed((int)rc, "the jail has no room for another process");
	}
}

int main(int argc, char **argv)
{
	struct helper_order order;

	(void)argc;
	helper_start(argv);
	runner_warm();
	helper_receive(&order);
	if (order.order.type != WIRE_SETUP)
		helper_exit(HELPER_CONFUSED);
	serve_setup(&order);
	enclose();
	serve();
}
