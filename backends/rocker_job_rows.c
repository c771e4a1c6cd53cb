/* SPDX-License-Identifier: MIT */
/* What the files of a job show and take, and those that show a user's last job. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_link.h"
#include "rocker_spec.h"

/* ---- signals by name --------------------------------------------------------------------------------- */

const char *rocker_signal_name(int number, char *buf, size_t size)
{
	const char *name = number > 0 ? sigabbrev_np(number) : NULL;

	if (name)
		snprintf(buf, size, "SIG%s", name);
	else
		snprintf(buf, size, "%d", number);
	return buf;
}

int rocker_signal_number(const struct sfs_cmd *cmd)
{
	const char *text = cmd->text, *name;
	uint64_t number;

	if (!parse_u64(text, cmd->len, &number)) {
		if (number >= 1 && number <= (uint64_t)SIGRTMAX)
			return (int)number;
		return sfs_fail_at(-ERANGE, text, cmd->len, "signals are 1 to %d", SIGRTMAX);
	}
	if (!strncmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i <= SIGRTMAX; i++) {
		name = sigabbrev_np(i);
		if (name && !strcmp(name, text))
			return i;
	}
	return sfs_fail_at(-EINVAL, cmd->text, cmd->len, "'%.40s' is no signal: KILL, TERM, 9, ...",
			   cmd->text);
}

/* ---- the rows of jobs/N ------------------------------------------------------------------------------ */

static void put_words(const struct rocker_job *job, struct sfs_buf *out)
{
	const char *word = job->words;

	for (unsigned i = 0; i < job->argc; i++) {
		sfs_put_bytes(out, " ", i ? 1 : 0);
		rocker_word_quote(word, out);
		word += strlen(word) + 1;
	}
	sfs_put_bytes(out, "\n", 1);
}

static int argv_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)who;
	put_words(sfs_priv(dir), out);
	return 0;
}

static int pid_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker_job *job = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&job->lock);
	sfs_put(out, "%-20d\n", job->pid > 0 ? (int)job->pid : 0);
	pthread_mutex_unlock(&job->lock);
	return 0;
}

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	static const char *const names[] = {
		[JOB_STARTING] = "starting", [JOB_RUNNING] = "running", [JOB_EXITED] = "exited"
	};
	struct rocker_job *job = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&job->lock);
	sfs_put(out, "%-20s\n", names[job->state]);
	pthread_mutex_unlock(&job->lock);
	return 0;
}

static int exit_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker_job *job = sfs_priv(dir);
	char text[24] = "-";

	(void)who;
	pthread_mutex_lock(&job->lock);
	if (job->state == JOB_EXITED && job->end.signal)
		(void)rocker_signal_name(job->end.signal, text, sizeof(text));
	else if (job->state == JOB_EXITED && job->end.exit_code >= 0)
		snprintf(text, sizeof(text), "%d", job->end.exit_code);
	sfs_put(out, "%-20s\n", text);
	pthread_mutex_unlock(&job->lock);
	return 0;
}

static struct sfs_blob *part_of(struct rocker_job *job, enum output_which which)
{
	struct sfs_blob *blob;

	pthread_mutex_lock(&job->lock);
	blob = output_part_blob(&job->output, which);
	pthread_mutex_unlock(&job->lock);
	return blob;
}

static struct sfs_blob *stdout_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return part_of(sfs_priv(dir), OUTPUT_OUT);
}

static struct sfs_blob *stderr_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return part_of(sfs_priv(dir), OUTPUT_ERR);
}

static int kill_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct rocker_job *job = sfs_priv(dir);
	struct rocker_link *link;
	int rc = rocker_signal_number(cmd), signal = rc;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&job->lock);
	link = job->link ? rocker_link_get(job->link) : NULL;
	pthread_mutex_unlock(&job->lock);
	rc = link ? rocker_link_signal_job(link, job, signal, signal == SIGKILL) : -ESRCH;
	rocker_link_put(link);
	if (rc == -ESRCH || rc == -ECANCELED)
		return sfs_fail(-ESRCH, "job %llu has ended", (unsigned long long)job->number);
	return rc ? sfs_fail(rc, "the guard does not take the order") : 0;
}

/* ---- what it used ------------------------------------------------------------------------------------ */

/* While it runs, its first process alone: "Name:   number kB" of its status. */
static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "re");
	text[file ? fread(text, 1, size - 1, file) : 0] = 0;
	if (file)
		fclose(file);
}

static void usage_now(pid_t pid, struct job_end *out)
{
	const uint64_t tick_ns = UINT64_C(1000000000) / 100; /* USER_HZ */
	unsigned long long user = 0, system = 0;
	char text[4096];
	const char *at;

	read_file(pid, "stat", text, sizeof(text));
	at = strrchr(text, ')');
	if (at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
			 &system) == 2) {
		out->user_ns = user * tick_ns;
		out->system_ns = system * tick_ns;
	}
	read_file(pid, "status", text, sizeof(text));
	out->memory_peak_bytes = field(text, "\nVmHWM:") * 1024;
	out->voluntary_switches = field(text, "\nvoluntary_ctxt_switches:");
	out->forced_switches = field(text, "\nnonvoluntary_ctxt_switches:");
}

static int usage_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker_job *job = sfs_priv(dir);
	size_t sizes[OUTPUTS];
	struct job_end end;
	uint64_t dropped;
	bool running;
	pid_t pid;

	(void)who;
	pthread_mutex_lock(&job->lock);
	end = job->end;
	running = job->state == JOB_RUNNING;
	pid = job->pid;
	if (running)
		end.wall_ns = sfs_now_ns() - job->begun_ns;
	for (unsigned i = 0; i < OUTPUTS; i++)
		sizes[i] = job->output.parts[i].size;
	dropped = job->output.dropped;
	pthread_mutex_unlock(&job->lock);
	if (running && pid > 0)
		usage_now(pid, &end);
	sfs_put_count(out, "wall_ns", end.wall_ns);
	sfs_put_count(out, "user_ns", end.user_ns);
	sfs_put_count(out, "system_ns", end.system_ns);
	sfs_put_count(out, "memory_peak_bytes", end.memory_peak_bytes);
	sfs_put_count(out, "voluntary_switches", end.voluntary_switches);
	sfs_put_count(out, "forced_switches", end.forced_switches);
	sfs_put_count(out, "stdout_bytes", sizes[OUTPUT_OUT]);
	sfs_put_count(out, "stderr_bytes", sizes[OUTPUT_ERR]);
	sfs_put_count(out, "dropped_bytes", dropped);
	return 0;
}

const struct sfs_attr rocker_job_rows[] = {
	{ .name = "argv",
	  .mode = 0444,
	  .show = argv_show,
	  .help = "its words, quoted as a shell would" },
	{ .name = "pid", .mode = 0444, .show = pid_show, .help = "as seen outside of the rocker" },
	{ .name = "state", .mode = 0444, .show = state_show, .help = "starting, running, exited" },
	{ .name = "exit",
	  .mode = 0444,
	  .show = exit_show,
	  .help = "exit status, or the signal that ended it; - before" },
	{ .name = "stdin",
	  .mode = 0200,
	  .store = rocker_stdin_store,
	  .writers = rocker_stdin_writers,
	  .flags = SFS_RAW | SFS_WAITS,
	  .help = "any bytes; it ends when the last writer has closed it" },
	{ .name = "stdout",
	  .mode = 0444,
	  .blob = stdout_blob,
	  .flags = SFS_STREAM,
	  .help = "what it has written so far" },
	{ .name = "stderr",
	  .mode = 0444,
	  .blob = stderr_blob,
	  .flags = SFS_STREAM,
	  .help = "what it has written so far" },
	{ .name = "usage",
	  .mode = 0444,
	  .show = usage_show,
	  .help = "times, memory, switches, bytes" },
	{ .name = "kill", .mode = 0200, .store = kill_store, .help = "signal name or number" },
	{ .name = "error",
	  .mode = 0444,
	  .show = sfs_error_show,
	  .flags = SFS_PER_UID,
	  .help = "the reader's last refusal here, or ok" },
	{ 0 },
};

/* ---- a user's last job ------------------------------------------------------------------------------- */

static void put_number(struct sfs_buf *out, const char *key, uint64_t value)
{
	sfs_put(out, "%s %llu\n", key, (unsigned long long)value);
}

void rocker_job_put_result(const struct rocker_job *job, struct sfs_buf *out)
{
	static const char *const names[] = {
		[JOB_OK] = "ok",           [JOB_EXIT] = "exit",       [JOB_SIGNAL] = "signal",
		[JOB_SYSCALL] = "syscall", [JOB_TIMEOUT] = "timeout", [JOB_OOM] = "oom",
		[JOB_KILLED] = "killed",
	};
	const struct job_end *end = &job->end;
	char name[24] = "-";

	put_number(out, "job", job->number);
	sfs_put(out, "status %s\n", names[end->status]);
	if (end->exit_code >= 0)
		sfs_put(out, "exit_code %d\n", end->exit_code);
	else
		sfs_put(out, "exit_code -\n");
	if (end->signal)
		(void)rocker_signal_name(end->signal, name, sizeof(name));
	sfs_put(out, "signal %s\nsyscall %s\n", name, job->syscall[0] ? job->syscall : "-");
	put_number(out, "wall_ns", end->wall_ns);
	put_number(out, "user_ns", end->user_ns);
	put_number(out, "system_ns", end->system_ns);
	put_number(out, "memory_peak_bytes", end->memory_peak_bytes);
	put_number(out, "voluntary_switches", end->voluntary_switches);
	put_number(out, "forced_switches", end->forced_switches);
	put_number(out, "oom_kills", end->oom_kills);
	put_number(out, "output_bytes",
		   job->output.parts[OUTPUT_OUT].size + job->output.parts[OUTPUT_ERR].size);
	put_number(out, "dropped_bytes", job->output.dropped);
	sfs_put(out, "message %s\n", end->message);
}

int rocker_result_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker *rocker = sfs_priv(dir);
	struct rocker_job *job = rocker_jobs_last(rocker->jobs, who->uid);

	if (!job)
		return 0;
	pthread_mutex_lock(&job->lock);
	rocker_job_put_result(job, out);
	pthread_mutex_unlock(&job->lock);
	rocker_job_put(job);
	return 0;
}

struct sfs_blob *rocker_output_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct rocker *rocker = sfs_priv(dir);
	struct rocker_job *job = rocker_jobs_last(rocker->jobs, who->uid);
	struct sfs_blob *blob;

	if (!job)
		return NULL;
	pthread_mutex_lock(&job->lock);
	blob = output_blob(&job->output);
	pthread_mutex_unlock(&job->lock);
	rocker_job_put(job);
	return blob;
}
