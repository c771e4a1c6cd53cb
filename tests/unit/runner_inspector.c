/* SPDX-License-Identifier: MIT */
/*
 * The inspector's process, and PID 1 of a jail: what they answer and how they end.
 */
#include "runner_codelet.h"

static struct wire_table *table;
static int inspector;

static int inspect(const void *bytes, size_t size, struct wire_report *refusal)
{
	struct wire_order order = { .type = WIRE_FORK, .seq = 3 };
	void *file;
	int fds[2], status = -1;
	siginfo_t info;

	fds[0] = memory_file(size, size ? &file : NULL);
	if (size)
		memcpy(file, bytes, size);
	if (table)
		munmap(table, WIRE_TABLE_BYTES);
	fds[1] = memory_file(WIRE_TABLE_BYTES, (void **)&table);
	CHECK(send_order(inspector, &order, fds, 2));
	if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) ==
	    0) /* the child, since the inspector lives on */
		waitpid(info.si_pid, &status, 0);
	memset(refusal, 0, sizeof(*refusal));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 122)
		CHECK_INT(get_report(inspector, refusal), info.si_pid);
	close(fds[0]);
	close(fds[1]);
	return status;
}

static void judges_files(void)
{
	struct wire_report refusal;
	static char bytes[1 << 20];
	struct wire_report ready;
	size_t size;
	FILE *file;
	pid_t pid;
	int status = -1;

	template_drop(codelet); /* so that every child is the inspector's */
	pid = start_helper(jailed_inspector, jailed_inspector_size, "inspector", &inspector);
	CHECK(get_report(inspector, &ready) == pid && ready.type == WIRE_READY);
	file = fopen(compile("inspected", "", source), "r");
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	CHECK_INT(inspect(bytes, size, &refusal), 0);
	CHECK_MSG(table->rc == 0 && table->done == 1, "rc %d done %u: %.200s", table->rc,
		  table->done, table->text);
	CHECK_INT(table->machine, 62);
	CHECK_INT(inspect("no ELF", 6, &refusal), 0);
	CHECK(table->rc == -ENOEXEC && table->done == 1 && table->text[0]);
	CHECK_INT(WEXITSTATUS(inspect("", 0, &refusal)), 122);
	CHECK(refusal.type == WIRE_FORK_FAILED && refusal.rc == -ENOEXEC && table->done == 0);
	close(inspector);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	codelet = template_new(compile("codelet", "", source), 1 << 20, "missing=trap");
}

static void init_ends_with_its_socket(void)
{
	int control, status = -1;
	pid_t pid = start_helper(jailed_runner, jailed_runner_size, "init", &control);

	usleep(20000);
	CHECK_INT(waitpid(pid, &status, WNOHANG), 0);
	close(control);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void confusion_ends_a_helper(void)
{
	struct wire_report ready;
	int control, status = -1;
	pid_t pid = start_helper(jailed_runner, jailed_runner_size, "runner", &control);

	CHECK(get_report(control, &ready) == pid);
	CHECK_INT(send(control, "short", 5, MSG_NOSIGNAL), 5);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 121);
	close(control);
}

int main(void)
{
	if (!codelet_start())
		return 1;
	RUN(judges_files);
	RUN(init_ends_with_its_socket);
	RUN(confusion_ends_a_helper);
	return codelet_stop();
}
