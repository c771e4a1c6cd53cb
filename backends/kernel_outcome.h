/* SPDX-License-Identifier: MIT */
/* What is left of a run: its figures, its status, the files in which they are read. */
#ifndef SANDBOXFS_KERNEL_OUTCOME_H
#define SANDBOXFS_KERNEL_OUTCOME_H

#include "kernels.h"

enum run_status {
	RUN_OK,
	RUN_KILLED,
	RUN_SIGNAL,
	RUN_SYSCALL,
	RUN_TIMEOUT,
	RUN_CHECK,
	RUN_OOM,
	RUN_EXIT,
	RUN_FAILED
};
enum check_state { CHECK_NONE, CHECK_OFF, CHECK_PASSED, CHECK_FAILED, CHECK_IMPOSSIBLE };
enum outcome_file {
	OUT_COUNTERS,
	OUT_RESULT,
	OUT_DISTRIBUTION,
	OUT_SAMPLES,
	OUT_JSON,
	OUT_OUTPUT,
	OUT_FILES
};

struct outcome_event {
	char name[128];
	bool by_usage; /* perf could not count it here: from getrusage(2), of the whole process */
	char why[96];  /* not counted: the reason; else "" */
	/* a clock of the run's own, per sample; else a counter over the whole run */
	bool in_call;
	bool is_hardware, is_below; /* below: the median says nothing */
	double least;               /* per call, what its clock tells from nothing */
	struct measure_summary per_call;
	/* subtracted: per sample of a clock, from the run's total of a counter */
	double overhead;
	double total;   /* of the whole run, net; counters only */
	double running; /* part of the time that it was counted, 1 unless multiplexed */
};

struct outcome {
	atomic_uint refs, keepers;
	pthread_mutex_t lock;              /* of files */
	struct sfs_blob *files[OUT_FILES]; /* owned, rendered at the first question */
	bool is_past;                      /* under lock: files are rendered each time */
	uint64_t number, started_at_ns, seed;
	uid_t uid;
	gid_t gid;
	char kernel[SFS_NAME_MAX + 1], codelet[SFS_NAME_MAX + 1], sha256[65];
	char function[128], params[1024], tag[SFS_NAME_MAX + 1];
	enum run_status status;
	int rc; /* what run answered */
	char cause[WIRE_TEXT_MAX + 280];
	char integrity[320]; /* "ok", or a sentence */
	bool is_violated;
	/* by how much its samples may be too short in all and still agree with what was seen */
	double slack_ns;
	struct launch_exit how;
	enum wire_mode mode;
	enum wire_cache cache;
	int cpu;
	uint64_t calls, arena_used, overhead_ticks;
	uint32_t samples, batch, warmup, abi;
	unsigned remeasured;
	enum wire_return ret_type;
	uint64_t ret;
	enum check_state check;
	char check_text[400];
	struct spec_verdict verdict;
	unsigned nevents;
	struct outcome_event events[KERNEL_EVENTS_MAX];
	unsigned nmetrics;
	struct spec_metric metrics[KERNEL_METRICS_MAX];
	double ns_per_call;      /* median; NaN: below the clock's resolution */
	char *line;              /* owned: the words of the run */
	uint64_t *ticks;         /* owned: of each sample */
	uint64_t output_dropped; /* bytes of output that were too many to keep */
	uint64_t charged;        /* bytes of output that its uid is charged for */
};

struct outcome *outcome_new(const struct run *run);
struct outcome *outcome_get(struct outcome *outcome);
void outcome_put(struct outcome *outcome);
/*
 * A reference of those through which its output can be asked for: its run, which has the first, a
 * kernel's last, runs/N, a job. Without any the output is freed, whoever still looks at the rest.
 */
struct outcome *outcome_keep(struct outcome *outcome);
void outcome_let_go(struct outcome *outcome); /* NULL allowed */
/*
 * May bytes of output be kept, with what its uid has elsewhere? True: charged until that is freed. The
 * outcome that it will replace in kernel does not count.
 */
bool outcome_charge(struct outcome *outcome, struct kernel *kernel, uint64_t bytes);
/* a reference; NULL: empty */
struct sfs_blob *outcome_file(struct outcome *outcome, enum outcome_file which);
const char *outcome_status(const struct outcome *outcome);
/* Makes it what its uid, and root, see. */
void kernel_publish(struct kernel *kernel, struct outcome *outcome);
/* Nobody sees any there, from now on. */
void kernel_publish_end(struct kernel *kernel);
struct outcome *kernel_view(struct kernel *kernel, uid_t uid); /* counted; NULL: none yet */

/*
 * Judges a run that has ended: status, cause, check, integrity, statistics. Returns the run's
 * answer, with sfs_fail.
 */
int kernel_judge(struct run *run, struct outcome *out);
/* How it ended when it did not end well: status and cause. */
void kernel_fault(const struct run *run, struct outcome *out);
/* "function+0x12" for an address in the codelet's text, else "0x..."; into buf. */
const char *kernel_place(const struct template *template, uint64_t address, char *buf, size_t size);
/*
 * Do the run's claims agree with what was seen from outside? false with a sentence in
 * out->integrity.
 */
bool kernel_claims_agree(const struct run *run, struct outcome *out);
void kernel_statistics(const struct run *run, struct outcome *out);

void outcome_put_value(struct sfs_buf *buf, double value);
/* One of the values of per_call; NaN where it is below the resolution. */
double outcome_event_value(const struct outcome_event *event, double value);
const char *outcome_metric_prefix(const struct spec_metric *metric);
void outcome_put_return(struct sfs_buf *buf, const struct outcome *outcome);
struct sfs_blob *outcome_render_json(const struct outcome *outcome);
struct sfs_blob *outcome_render_result(const struct outcome *outcome);

#endif
