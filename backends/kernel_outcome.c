/* SPDX-License-Identifier: MIT */
/*
 * What is left of a run: counted, rendered when somebody asks, and shown to each user as his own
 * last one.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"
#include "perf_clock.h"

/* Outputs that are kept of one uid's runs; a uid without any takes no place. */
struct kept {
	struct kept *next;
	uid_t uid;
	uint64_t bytes;
};

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *all_kept; /* kept_lock */

struct outcome *outcome_new(const struct run *run)
{
	struct outcome *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	atomic_init(&out->refs, 1);
	atomic_init(&out->keepers, 1);
	pthread_mutex_init(&out->lock, NULL);
	out->number = run->number;
	out->started_at_ns = run->started_at_ns;
	out->seed = run->bound.seed;
	out->uid = run->who.uid;
	out->gid = run->who.gid;
	memcpy(out->kernel, run->kernel->name, sizeof(out->kernel));
	memcpy(out->codelet, run->codelet->name, sizeof(out->codelet));
	memcpy(out->sha256, run->codelet->sha256_hex, sizeof(out->sha256));
	memcpy(out->function, run->options.function, sizeof(out->function));
	memcpy(out->params, run->words, sizeof(out->params));
	memcpy(out->tag, run->options.tag, sizeof(out->tag));
	out->how = run->how;
	out->mode = run->options.mode;
	out->cache = run->options.cache;
	out->cpu = run->options.cpu;
	out->warmup = run->options.warmup;
	out->remeasured = run->remeasured;
	out->ret_type = run->bound.ret;
	out->ns_per_call = NAN;
	out->line = strdup(run->line ?: "");
	if (out->line)
		return out;
	outcome_let_go(out);
	return NULL;
}

/* Under kept_lock: the link to that of uid, or to the end. */
static struct kept **kept_of(uid_t uid)
{
	struct kept **link = &all_kept;

	while (*link && (*link)->uid != uid)
		link = &(*link)->next;
	return link;
}

static uint64_t replaced_bytes(struct kernel *kernel, uid_t uid)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&kernel->lock);
	for (unsigned i = 0; i < kernel->nviews; i++)
		if (kernel->views[i].uid == uid)
			bytes = kernel->views[i].outcome->charged;
	pthread_mutex_unlock(&kernel->lock);
	return bytes;
}

static bool charge(struct outcome *out, uint64_t bytes, uint64_t max)
{
	struct kept **link;
	bool may;

	pthread_mutex_lock(&kept_lock);
	link = kept_of(out->uid);
	may = (*link ? (*link)->bytes : 0) + bytes <= max;
	if (may && !*link) {
		*link = calloc(1, sizeof(**link));
		may = *link;
	}
	if (may) {
		(*link)->uid = out->uid;
		(*link)->bytes += bytes;
		out->charged += bytes;
	}
	pthread_mutex_unlock(&kept_lock);
	return may;
}

bool outcome_charge(struct outcome *out, struct kernel *kernel, uint64_t bytes)
{
	uint64_t max = sfs_config()->outputs_max_bytes;

	do {
		if (charge(out, bytes, max))
			return true;
	} while (kernel_history_make_room(out->uid, kernel));
	return charge(out, bytes, max + replaced_bytes(kernel, out->uid));
}

static void drop_output(struct outcome *out)
{
	struct kept **link, *kept;
	struct sfs_blob *output;

	pthread_mutex_lock(&out->lock);
	output = out->files[OUT_OUTPUT];
	out->files[OUT_OUTPUT] = NULL;
	pthread_mutex_unlock(&out->lock);
	sfs_blob_put(output);
	if (!out->charged)
		return;
	pthread_mutex_lock(&kept_lock);
	link = kept_of(out->uid);
	kept = *link;
	kept->bytes -= out->charged;
	out->charged = 0;
	if (kept->bytes)
		kept = NULL;
	else
		*link = kept->next;
	pthread_mutex_unlock(&kept_lock);
	free(kept);
}

struct outcome *outcome_get(struct outcome *out)
{
	if (out)
		atomic_fetch_add(&out->refs, 1);
	return out;
}

void outcome_put(struct outcome *out)
{
	if (!out || atomic_fetch_sub(&out->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < OUT_FILES; i++)
		sfs_blob_put(out->files[i]);
	pthread_mutex_destroy(&out->lock);
	free(out->line);
	free(out->ticks);
	free(out);
}

struct outcome *outcome_keep(struct outcome *out)
{
	atomic_fetch_add(&out->keepers, 1);
	return outcome_get(out);
}

void outcome_let_go(struct outcome *out)
{
	if (out && atomic_fetch_sub(&out->keepers, 1) == 1)
		drop_output(out);
	outcome_put(out);
}

const char *outcome_status(const struct outcome *out)
{
	static const char *const names[] = {
		[RUN_OK] = "ok",           [RUN_KILLED] = "killed",   [RUN_SIGNAL] = "signal",
		[RUN_SYSCALL] = "syscall", [RUN_TIMEOUT] = "timeout", [RUN_CHECK] = "check",
		[RUN_OOM] = "oom",         [RUN_EXIT] = "exit",       [RUN_FAILED] = "failed",
	};

	return names[out->status];
}

/* Whole numbers as such, others with what their size leaves to be said. */
void outcome_put_value(struct sfs_buf *buf, double value)
{
	if (!isfinite(value))
		sfs_put(buf, "nan");
	else if (value == rint(value) && fabs(value) < 1e15)
		sfs_put(buf, "%.0f", value);
	else if (fabs(value) >= 0.001)
		sfs_put(buf, "%.3f", value);
	else
		sfs_put(buf, "%.6g", value);
}

double outcome_event_value(const struct outcome_event *event, double value)
{
	if (event->in_call ? value < event->least : event->is_below)
		return NAN;
	return value;
}

static struct sfs_blob *render_counters(const struct outcome *out)
{
	struct sfs_buf *buf = sfs_buf_new();

	for (unsigned i = 0; i < out->nevents; i++) {
		const struct outcome_event *event = &out->events[i];

		if (event->why[0])
			continue;
		sfs_put(buf, "%s ", event->name);
		if (event->is_below)
			sfs_put(buf, "below_resolution");
		else
			outcome_put_value(buf, event->per_call.median);
		sfs_put(buf, "\n");
	}
	return sfs_buf_finish(buf);
}

static void put_distribution(struct sfs_buf *buf, const struct outcome_event *event)
{
	const struct measure_summary *s = &event->per_call;
	const double values[] = { s->min, s->p25, s->median, s->p75, s->p95, s->max };

	sfs_put(buf, "%s %s %s %s", event->name, event->in_call ? "call" : "run",
		event->in_call       ? "clock"
		: event->is_hardware ? "hw"
				     : "sw",
		event->in_call ? "inside" : "outside");
	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		sfs_put(buf, " ");
		if (isnan(outcome_event_value(event, values[i])))
			sfs_put(buf, "below_resolution");
		else
			outcome_put_value(buf, values[i]);
	}
	sfs_put(buf, " ");
	outcome_put_value(buf, s->mad);
	sfs_put(buf, " %zu ", s->samples);
	outcome_put_value(buf, event->overhead);
	sfs_put(buf, "\n");
}

static struct sfs_blob *render_distribution(const struct outcome *out)
{
	struct sfs_buf *buf = sfs_buf_new();

	for (unsigned i = 0; i < out->nevents; i++) {
		if (!out->events[i].why[0])
			put_distribution(buf, &out->events[i]);
	}
	return sfs_buf_finish(buf);
}

static struct sfs_blob *render_samples(const struct outcome *out)
{
	struct sfs_buf *buf = sfs_buf_new();
	double tick_ns = 1e9 / perf_tsc_hz();

	sfs_put(buf, "sample,calls,ticks,overhead_ticks,net_ticks_per_call,net_ns_per_call\n");
	for (uint32_t i = 0; i < out->samples; i++) {
		int below = 0;
		double net = measure_net(out->ticks[i], out->overhead_ticks, out->batch,
					 perf_tsc_step(), &below);

		sfs_put(buf, "%u,%u,%llu,%llu,", i, out->batch, (unsigned long long)out->ticks[i],
			(unsigned long long)out->overhead_ticks);
		if (below)
			sfs_put(buf, "below_resolution,below_resolution\n");
		else
			sfs_put(buf, "%.6g,%.6g\n", net, net * tick_ns);
	}
	return sfs_buf_finish(buf);
}

struct sfs_blob *outcome_file(struct outcome *out, enum outcome_file which)
{
	static struct sfs_blob *(*const render[OUT_FILES])(const struct outcome *out) = {
		[OUT_COUNTERS] = render_counters,         [OUT_RESULT] = outcome_render_result,
		[OUT_DISTRIBUTION] = render_distribution, [OUT_SAMPLES] = render_samples,
		[OUT_JSON] = outcome_render_json,
	};
	struct sfs_blob *blob, *made = NULL;

	pthread_mutex_lock(&out->lock);
	blob = sfs_blob_get(out->files[which]);
	pthread_mutex_unlock(&out->lock);
	if (blob || !render[which])
		return blob;
	made = render[which](out);
	pthread_mutex_lock(&out->lock);
	if (!out->files[which] && !out->is_past) {
		out->files[which] = made;
		made = NULL;
	}
	blob = sfs_blob_get(out->files[which]);
	pthread_mutex_unlock(&out->lock);
	if (!blob)
		return made;
	sfs_blob_put(made);
	return blob;
}

/* ---- whose last run it is -------------------------------------------------------------------- */

/* What it was rendered to is not kept of a run that is nobody's last. */
static void make_past(struct outcome *out)
{
	struct sfs_blob *files[OUT_OUTPUT];

	pthread_mutex_lock(&out->lock);
	out->is_past = true;
	memcpy(files, out->files, sizeof(files));
	memset(out->files, 0, sizeof(files));
	pthread_mutex_unlock(&out->lock);
	for (unsigned i = 0; i < OUT_OUTPUT; i++)
		sfs_blob_put(files[i]);
}

/* Moves the view of uid, or the one that has not been renewed for longest, to the front. */
void kernel_publish(struct kernel *kernel, struct outcome *out)
{
	struct outcome *old = NULL;
	unsigned at = 0;

	pthread_mutex_lock(&kernel->lock);
	if (kernel->is_unseen) {
		pthread_mutex_unlock(&kernel->lock);
		return;
	}
	while (at < kernel->nviews && kernel->views[at].uid != out->uid)
		at++;
	if (at == KERNEL_VIEWS_MAX)
		at--;
	if (at < kernel->nviews)
		old = kernel->views[at].outcome;
	else
		kernel->nviews++;
	memmove(&kernel->views[1], &kernel->views[0], at * sizeof(kernel->views[0]));
	kernel->views[0].uid = out->uid;
	kernel->views[0].outcome = outcome_keep(out);
	pthread_mutex_unlock(&kernel->lock);
	if (old)
		make_past(old);
	outcome_let_go(old);
}

void kernel_publish_end(struct kernel *kernel)
{
	struct outcome *out;

	do {
		pthread_mutex_lock(&kernel->lock);
		kernel->is_unseen = true;
		out = kernel->nviews ? kernel->views[--kernel->nviews].outcome : NULL;
		pthread_mutex_unlock(&kernel->lock);
		outcome_let_go(out);
	} while (out);
}

struct outcome *kernel_view(struct kernel *kernel, uid_t uid)
{
	struct outcome *out = NULL;

	pthread_mutex_lock(&kernel->lock);
	for (unsigned i = 0; i < kernel->nviews && !out; i++) {
		if (uid == 0 || kernel->views[i].uid == uid)
			out = outcome_get(kernel->views[i].outcome);
	}
	pthread_mutex_unlock(&kernel->lock);
	return out;
}
