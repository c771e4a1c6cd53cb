/* SPDX-License-Identifier: MIT */
/*
 * The inspector: judges ELF files, each in a forked child that can do nothing but compute and
 * allocate.
 *
 * It lives in a jail and stays clean: the file's bytes are read by the child alone, and what the
 * child writes into the table is hostile to whoever reads it.
 */
#include "elf.h"
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_MAX (1ull << 30)

static _Noreturn void refuse(const struct helper_order *order, int rc, const char *text)
{
	helper_report(WIRE_FORK_FAILED, order->order.seq, rc, text);
	helper_exit(HELPER_FAILED);
}

/* Descriptors: the file, the table. An own image of the file, since libelf writes into it and others
 * could as well. */
static _Noreturn void inspect(const struct helper_order *order)
{
	struct wire_table *table;
	size_t size;
	void *file;

	if (order->nfds != 2 || helper_size(order->fds[1]) != WIRE_TABLE_BYTES)
		refuse(order, -EINVAL, "an inspection needs a file and a table");
	file = helper_own(order->fds[0], FILE_MAX, &size);
	if (!file)
		refuse(order, -ENOEXEC,
		       "the file is empty, too large, or does not fit into the jail");
	table = mmap(NULL, WIRE_TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, order->fds[1], 0);
	if (table == MAP_FAILED)
		refuse(order, -ENOMEM, "the table does not fit into the jail");
	if (close_range(0, ~0u, 0) < 0 || helper_filter_inspect() < 0)
		helper_exit(HELPER_FAILED);
	elf_inspect(file, size, table);
	__atomic_store_n(&table->done, 1, __ATOMIC_RELEASE);
	helper_exit(0);
}

int main(int argc, char **argv)
{
	struct helper_order order;
	void *volatile first; /* else the compiler drops the pair of calls */

	(void)argc;
	helper_start(argv);
	first = malloc(
		/* the first one asks for random bytes, which the filter of a child denies */
		1);
	free(first);
	for (;;) {
		pid_t pid;

		helper_receive(&order);
		pid = order.order.type == WIRE_FORK ? helper_fork_sibling() : -EINVAL;
		if (pid == 0)
			inspect(&order);
		if (pid < 0)
			helper_report(WIRE_FORK_FAILED, order.order.seq, pid,
				      "the jail has no room for another process");
		helper_close(&order);
	}
}
