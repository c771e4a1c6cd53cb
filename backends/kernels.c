/* SPDX-License-Identifier: MIT */
/* The directory /kernels: the rows of one kernel, what each shows and takes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

/* ---- specification --------------------------------------------------------------------------- */

static struct sfs_blob *spec_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct kernel_spec *spec = kernel_get_spec(sfs_priv(dir));
	struct sfs_blob *blob = spec ? sfs_blob_get(spec->text) : NULL;

	(void)who;
	kernel_spec_put(spec);
	return blob;
}

static void spec_changed(struct sfs_obj *dir)
{
	sfs_changed(dir, "spec");
	sfs_changed(dir, "params");
	sfs_changed(dir, "events");
	sfs_changed(dir, "state");
}

static void swap_spec(struct kernel *kernel, struct kernel_choice *choice)
{
	struct kernel_spec *old = kernel->spec;

	kernel->spec = choice->spec;
	choice->spec = old;
}

static int spec_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel *kernel = sfs_priv(dir);
	struct kernel_choice choice = { .swap = swap_spec };
	int rc;

	if (kernel->shipped || kernel->embedded)
		return sfs_fail(-EPERM, "the specification of '%s' comes with %s", kernel->name,
				kernel->shipped ? "the program" : "its codelet");
	choice.spec = kernel_spec_new(cmd->text, cmd->len, kernel->name, &rc);
	if (!choice.spec)
		return rc;
	rc = kernel_keep(dir, &choice);
	kernel_spec_put(choice.spec);
	if (!rc)
		spec_changed(dir);
	return rc;
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static int params_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel_spec *spec = kernel_get_spec(sfs_priv(dir));
	unsigned count = spec ? spec_nparams(spec->spec) : 0;

	(void)who;
	for (unsigned i = 0; i < count; i++) {
		const struct spec_param *p = spec_param(spec->spec, i);

		sfs_put(out, "%s %s %s %s %s %s\n", p->name, spec_type_name(p->type),
			or_dash(p->default_text), or_dash(p->min_text), or_dash(p->max_text),
			or_dash(p->help));
	}
	kernel_spec_put(spec);
	return 0;
}

/* ---- choices --------------------------------------------------------------------------------- */

static int codelet_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel *kernel = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&kernel->lock);
	sfs_put(out, "%s\n", kernel->codelet);
	pthread_mutex_unlock(&kernel->lock);
	return 0;
}

static void swap_text(char *mine, char *other, size_t size)
{
	char text[KERNEL_TEXT_MAX];

	memcpy(text, mine, size);
	memcpy(mine, other, size);
	memcpy(other, text, size);
}

static void swap_codelet(struct kernel *kernel, struct kernel_choice *choice)
{
	swap_text(kernel->codelet, choice->text, sizeof(kernel->codelet));
}

static int codelet_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_choice choice = { .swap = swap_codelet };
	int rc = 0;

	if (cmd->len > SFS_NAME_MAX)
		return sfs_fail_at(-ENAMETOOLONG, cmd->text, cmd->len,
				   "a codelet's name has at most %d bytes", SFS_NAME_MAX);
	if (strcmp(cmd->text, "auto")) {
		struct codelet *codelet = store_find(cmd->text, &cmd->who, &rc);

		if (!codelet)
			return sfs_blame(rc ? rc : -ENOENT, cmd->text, cmd->len);
		store_put(codelet);
	}
	memcpy(choice.text, cmd->text, cmd->len + 1);
	rc = kernel_keep(dir, &choice);
	if (!rc)
		sfs_changed(dir, "codelet");
	return rc;
}

static int events_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel_events events;
	int rc = kernel_get_events(sfs_priv(dir), &events);

	(void)who;
	for (unsigned i = 0; !rc && i < events.count; i++) {
		bool works;

		sfs_put(out, "%s %s\n", events.names[i].name, perf_works(&events.names[i], &works));
	}
	return rc;
}

/* What a line shows behind a name, ok or a reason, may be written back. */
static int take_event_lines(const char *text, char *out, size_t size)
{
	size_t used = 0;

	while (*text) {
		size_t line = strcspn(text, "\n"), word = strcspn(text, " \n");
		const char *state = text + word + (text[word] == ' ');
		size_t state_len = line - (size_t)(state - text);
		struct kernel_events one;
		bool works;

		if (word && kernel_events_parse(text, word, &one))
			return -EINVAL;
		if (word != line && (one.count != 1 ||
				     strncmp(state, perf_works(&one.names[0], &works), state_len)))
			return sfs_fail_at(-EINVAL, state, state_len,
					"'%.40s': events are separated by commas or newlines",
					state);
		if (used + word + 2 > size)
			return sfs_fail(-E2BIG, "the list of events has more than %zu bytes",
					size - 1);
		memcpy(out + used, text, word);
		used += word;
		out[used++] = '\n';
		text += line + (text[line] == '\n');
	}
	out[used] = 0;
	return 0;
}

static void swap_events(struct kernel *kernel, struct kernel_choice *choice)
{
	swap_text(kernel->events_text, choice->text, sizeof(kernel->events_text));
}

static int take_events(const struct sfs_cmd *cmd, struct kernel_choice *choice)
{
	struct kernel_events events;
	int rc = take_event_lines(cmd->text, choice->text, sizeof(choice->text));

	return rc ?: kernel_events_parse(choice->text, strlen(choice->text), &events);
}

static int events_check(struct sfs_obj *dir, const struct sfs_cmd *cmd)
{
	struct kernel_choice choice;

	(void)dir;
	return take_events(cmd, &choice);
}

static int events_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_choice choice = { .swap = swap_events };
	int rc = take_events(cmd, &choice);

	rc = rc ?: kernel_keep(dir, &choice);
	if (!rc)
		sfs_changed(dir, "events");
	return rc;
}

/* ---- what it does and did -------------------------------------------------------------------- */

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel *kernel = sfs_priv(dir);
	unsigned running = atomic_load(&kernel->running);
	struct kernel_spec *spec = kernel_get_spec(kernel);

	(void)who;
	if (running)
		sfs_put(out, "running %-12u\n", running);
	else
		sfs_put(out, "%-20s\n", spec ? "idle" : "empty");
	kernel_spec_put(spec);
	return 0;
}

static int activity_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel *kernel = sfs_priv(dir);

	(void)who;
	sfs_put_count(out, "runs", atomic_load(&kernel->runs));
	sfs_put_count(out, "errors", atomic_load(&kernel->errors));
	sfs_put_count(out, "timeouts", atomic_load(&kernel->timeouts));
	sfs_put_count(out, "checks_failed", atomic_load(&kernel->checks_failed));
	sfs_put_count(out, "integrity_violations", atomic_load(&kernel->integrity_violations));
	return 0;
}

static struct sfs_blob *view(struct sfs_obj *dir, const struct sfs_cred *who,
			     enum outcome_file which)
{
	struct outcome *out = kernel_view(sfs_priv(dir), who->uid);
	struct sfs_blob *blob = out ? outcome_file(out, which) : NULL;

	outcome_put(out);
	return blob;
}

static struct sfs_blob *counters_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_COUNTERS);
}

static struct sfs_blob *result_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_RESULT);
}

static struct sfs_blob *distribution_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_DISTRIBUTION);
}

static struct sfs_blob *samples_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_SAMPLES);
}

static struct sfs_blob *json_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_JSON);
}

static struct sfs_blob *output_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	return view(dir, who, OUT_OUTPUT);
}

/* ---- the rows -------------------------------------------------------------------------------- */

#define RUN_HELP                                                                                   \
	"one line of key=value words is one run; reading on the same open file gives its "         \
	"counters. "                                                                               \
	"EPERM: it called the system; ESRCH: it crashed or ended its process; EBADMSG: it wrote "  \
	"beside its buffers, "                                                                     \
	"forged its record, or failed the check with check=strict; ETIMEDOUT, ECANCELED, EDQUOT: " \
	"it was ended"

/* Shipped kernels and those of users differ in who may run them, and in what is fixed. */
#define KERNEL_ROWS(run_mode, spec_mode, own_mode)                                                 \
	{ .name = "spec",                                                                          \
	  .mode = spec_mode,                                                                       \
	  .blob = spec_blob,                                                                       \
	  .store = spec_store,                                                                     \
	  .flags = SFS_WHOLE,                                                                      \
	  .help = "the specification, INI; a bad one is refused at close with line and reason" },  \
		{ .name = "params",                                                                \
		  .mode = 0444,                                                                    \
		  .show = params_show,                                                             \
		  .help = "one line per parameter: name type default min max description" },       \
		{ .name = "codelet",                                                               \
		  .mode = own_mode,                                                                \
		  .show = codelet_show,                                                            \
		  .store = codelet_store,                                                          \
		  .help = "which codelet is used: a name in store/, or auto" },                    \
		{ .name = "events",                                                                \
		  .mode = own_mode,                                                                \
		  .show = events_show,                                                             \
		  .store = events_store,                                                           \
		  .check = events_check,                                                           \
		  .flags = SFS_WHOLE,                                                              \
		  .help = "events to count, each with ok or why it cannot be counted" },           \
		{ .name = "run",                                                                   \
		  .mode = run_mode,                                                                \
		  .store = kernel_run_store,                                                       \
		  .flags = SFS_WAITS,                                                              \
		  .help = RUN_HELP },                                                              \
		{ .name = "start",                                                                 \
		  .mode = run_mode,                                                                \
		  .store = kernel_start_store,                                                     \
		  .help = "the same words; returns when the run is queued; reading on the same "   \
			  "open file gives its number" },                                          \
		{ .name = "clone",                                                                 \
		  .mode = run_mode,                                                                \
		  .show = kernel_clone_show,                                                       \
		  .store = kernel_clone_store,                                                     \
		  .open = kernel_clone_open,                                                       \
		  .close = kernel_clone_close,                                                     \
		  .help = "each open is a job of its own, jobs/N until it is closed; reading "     \
			  "gives N" },                                                             \
		{ .name = "state",                                                                 \
		  .mode = 0444,                                                                    \
		  .show = state_show,                                                              \
		  .help = "empty, idle, or running N" },                                           \
		{ .name = "activity",                                                              \
		  .mode = 0444,                                                                    \
		  .show = activity_show,                                                           \
		  .help = "counts of what happened" },                                             \
		{ .name = "counters",                                                              \
		  .mode = 0444,                                                                    \
		  .blob = counters_blob,                                                           \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "last run of the reader: event and net value per call" },                \
		{ .name = "result",                                                                \
		  .mode = 0444,                                                                    \
		  .blob = result_blob,                                                             \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "last run of the reader: how it ended and all that is known of it" },    \
		{ .name = "distribution",                                                          \
		  .mode = 0444,                                                                    \
		  .blob = distribution_blob,                                                       \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "event scope source where min p25 median p75 p95 max mad samples "       \
			  "overhead" },                                                            \
		{ .name = "samples.csv",                                                           \
		  .mode = 0444,                                                                    \
		  .blob = samples_blob,                                                            \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "every sample of the reader's last run" },                               \
		{ .name = "result.json",                                                           \
		  .mode = 0444,                                                                    \
		  .blob = json_blob,                                                               \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "the reader's last run for programs" },                                  \
		{ .name = "output",                                                                \
		  .mode = 0444,                                                                    \
		  .blob = output_blob,                                                             \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "what the checked call left in its output buffers, raw bytes" },         \
		{ .name = "error",                                                                 \
		  .mode = 0444,                                                                    \
		  .show = sfs_error_show,                                                          \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "the reader's last refusal here, or ok" },                               \
	{                                                                                          \
		0                                                                                  \
	}

static const struct sfs_attr user_rows[] = { KERNEL_ROWS(0600, 0644, 0644) };
static const struct sfs_attr shipped_rows[] = { KERNEL_ROWS(0666, 0444, 0644) };

int kernel_removable(struct sfs_obj *dir)
{
	struct kernel *kernel = sfs_priv(dir);
	char codelet[SFS_NAME_MAX + 1];
	bool embedded;

	if (kernel->shipped)
		return sfs_fail(-EPERM, "kernel '%s' comes with the program", kernel->name);
	pthread_mutex_lock(&kernel->lock);
	embedded = kernel->embedded;
	memcpy(codelet, kernel->brought_by, sizeof(codelet));
	pthread_mutex_unlock(&kernel->lock);
	if (embedded)
		return sfs_fail(-EPERM, "kernel '%s' goes with its codelet '%s'", kernel->name,
				codelet);
	return 0;
}

/*
 * Without any of its files a kernel has ended. Its runs and jobs, in which their modes let nobody
 * remove anything, go now: rm -r gets through empty directories.
 */
static void kernel_emptied(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct kernel *kernel = sfs_priv(dir);

	(void)who;
	kernel_unkeep(kernel);
	/* First: a run that is ended now is not to be kept, not even for the moment in which rm looks. */
	kernel_history_end(kernel);
	kernel_end_runs(kernel);
	kernel_jobs_end(dir);
}

static int kernel_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct kernel *kernel = sfs_priv(dir);
	int rc = kernel_removable(dir);

	if (rc)
		return rc;
	kernel_unkeep(kernel);
	kernel_end_runs(kernel);
	kernel_history_end(kernel);
	sfs_event(dir, who->uid, "remove", "%s", "");
	return 0;
}

#define USER_TYPE                                                                                  \
	.attrs = user_rows, .unmake = kernel_unmake, .set_owner = kernel_set_owner,                \
	.removable = kernel_removable, .emptied = kernel_emptied, .release = kernel_free

const struct sfs_dirtype kernel_user_type = { USER_TYPE };
const struct sfs_dirtype kernel_embedded_type = { USER_TYPE, .moves = true };
const struct sfs_dirtype kernel_shipped_type = { .attrs = shipped_rows,
						 .unmake = kernel_unmake,
						 .removable = kernel_removable,
						 .release = kernel_free };
