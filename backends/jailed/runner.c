/* SPDX-License-Identifier: MIT */
/*
 * The runner's template: takes one WIRE_SETUP, then forks a run for each WIRE_FORK.
 *
 * It executes nothing of the codelet, so that every run begins from the same clean state.
 */
#include "runner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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

	if (runner.file)
		rc = runner_refuse(&err, -EINVAL, "this jail has its codelet already");
	else
		rc = runner_setup(order, &err);
	runner.ready = rc == 0;
	helper_close(order);
	helper_report(WIRE_SETUP_DONE, order->order.seq, rc, rc ? err.text : NULL);
}

static void serve_fork(struct helper_order *order)
{
	pid_t pid = -EINVAL;

	if (!runner.ready) {
		helper_report(WIRE_FORK_FAILED, order->order.seq, -EINVAL,
			      "this jail has no codelet");
	} else {
		pid = helper_fork_sibling();
		if (pid == 0)
			runner_child(order);
		if (pid < 0)
			helper_report(WIRE_FORK_FAILED, order->order.seq, pid,
				      "the jail has no room for another process");
	}
	helper_close(order);
}

int main(int argc, char **argv)
{
	struct helper_order order;

	(void)argc;
	helper_start(argv);
	runner_warm();
	for (;;) {
		helper_receive(&order);
		if (order.order.type == WIRE_SETUP)
			serve_setup(&order);
		else if (order.order.type == WIRE_FORK)
			serve_fork(&order);
		else
			helper_exit(HELPER_CONFUSED);
	}
}
