/* SPDX-License-Identifier: MIT */
/*
 * The words of one run: reserved keys into options, the others bound to the specification's
 * parameters.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "parse.h"

#define WORDS_MAX     64
#define WARMUP_MAX    1000000
#define STACK_DEFAULT (1u << 20)
#define DEFAULT_MAX_MS                                                                             \
	1000 /* no further sample begins this long after the first, unless reps asks for so many */

/* text: of the command, which err->column counts in. */
static int refuse_word(const char *text, const struct spec_error *err)
{
	int rc = sfs_fail(err->err ? err->err : -EINVAL, "%s", err->text);

	return err->column < 0
		       ? rc
		       : sfs_blame(rc, text + err->column, strcspn(text + err->column, " \t\r\n&"));
}

static int number(const struct spec_word *word, uint64_t min, uint64_t max, uint64_t *out)
{
	struct spec_error err = { 0 };

	return spec_number(word, min, max, out, &err) ? refuse_word(word->key - word->column, &err)
						      : 0;
}

static int copy_word(const struct spec_word *word, char *out, size_t size)
{
	if (!word->value_len || word->value_len >= size)
		return sfs_fail_at(-EINVAL, word->value, word->value_len,
				   "'%.*s=' takes 1 to %zu bytes", (int)word->key_len, word->key,
				   size - 1);
	memcpy(out, word->value, word->value_len);
	out[word->value_len] = 0;
	return 0;
}

/* ---- the reserved keys, a row each ----------------------------------------------------------- */

static int set_codelet(struct run *run, const struct spec_word *word)
{
	return copy_word(word, run->options.codelet, sizeof(run->options.codelet));
}

static int set_symbol(struct run *run, const struct spec_word *word)
{
	return copy_word(word, run->options.function, sizeof(run->options.function));
}

static int set_rocker(struct run *run, const struct spec_word *word)
{
	char name[SFS_NAME_MAX + 1];
	int rc = copy_word(word, name, sizeof(name));

	if (rc)
		return rc;
	rocker_put(run->options.rocker);
	run->options.rocker = rocker_find(name, &run->who, &rc);
	return rc ? sfs_blame(rc, word->value, word->value_len) : 0;
}

static int set_events(struct run *run, const struct spec_word *word)
{
	return kernel_events_parse(word->value, word->value_len, &run->options.events);
}

static int set_reps(struct run *run, const struct spec_word *word)
{
	uint64_t value;
	uint32_t max = sfs_config()->samples_max < WIRE_SAMPLES_MAX ? sfs_config()->samples_max
								    : WIRE_SAMPLES_MAX;
	int rc = number(word, 1, max, &value);

	if (rc)
		return rc;
	run->options.reps = (uint32_t)value;
	run->options.reps_given = true;
	run->options.max_ms = 0;
	return 0;
}

static int set_warmup(struct run *run, const struct spec_word *word)
{
	uint64_t value;
	int rc = number(word, 0, WARMUP_MAX, &value);

	if (rc)
		return rc;
	run->options.warmup = (uint32_t)value;
	run->options.warmup_given = true;
	return 0;
}

static int set_timeout(struct run *run, const struct spec_word *word)
{
	uint64_t value;
	int rc = number(word, 1, sfs_config()->run_wall_ms_max, &value);

	if (!rc)
		run->options.timeout_ms = (uint32_t)value;
	return rc;
}

/* Taken by spec_bind as the predefined parameter. */
static int set_seed(struct run *run, const struct spec_word *word)
{
	(void)run;
	(void)word;
	return 0;
}

static int set_cpu(struct run *run, const struct spec_word *word)
{
	uint64_t value;
	int rc = number(word, 0, pool_cores() - 1, &value);

	if (!rc)
		run->options.cpu = (int)value;
	return rc;
}

static int set_cache(struct run *run, const struct spec_word *word)
{
	static const char *const words[] = { "hot", "flush", "l2", "l3", NULL };
	int which = parse_choice(word->value, word->value_len, words);

	if (which < 0)
		return sfs_fail_at(-EINVAL, word->value, word->value_len,
				   "cache '%.*s' is not one of hot flush l2 l3",
				   (int)(word->value_len > 40 ? 40 : word->value_len), word->value);
	if (which > 1)
		return sfs_fail_at(-EOPNOTSUPP, word->value, word->value_len,
				   "cache '%s': only hot and flush are possible yet", words[which]);
	run->options.cache = which ? WIRE_FLUSH : WIRE_HOT;
	run->options.cache_given = true;
	return 0;
}

static int set_check(struct run *run, const struct spec_word *word)
{
	static const char *const words[] = { "on", "strict", "off", NULL };
	static const enum run_check checks[] = { RUN_CHECK_ON, RUN_CHECK_STRICT, RUN_CHECK_OFF };
	int which = parse_choice(word->value, word->value_len, words);

	if (which < 0)
		return sfs_fail_at(-EINVAL, word->value, word->value_len,
				   "check '%.*s' is not one of on strict off",
				   (int)(word->value_len > 40 ? 40 : word->value_len), word->value);
	run->options.check = checks[which];
	return 0;
}

static int set_tag(struct run *run, const struct spec_word *word)
{
	for (size_t i = 0; i < word->value_len; i++) {
		if (word->value[i] <= ' ' || word->value[i] > '~')
			return sfs_fail_at(-EINVAL, word->value + i, 1, "a tag is printable ASCII");
	}
	return copy_word(word, run->options.tag, sizeof(run->options.tag));
}

static const struct option {
	const char *key;
	int (*set)(struct run *run, const struct spec_word *word);
} options[] = {
	{ "codelet", set_codelet },
	{ "symbol", set_symbol },
	{ "rocker", set_rocker },
	{ "events", set_events },
	{ "reps", set_reps },
	{ "warmup", set_warmup },
	{ "timeout_ms", set_timeout },
	{ "seed", set_seed },
	{ "cpu", set_cpu },
	{ "cache", set_cache },
	{ "check", set_check },
	{ "tag", set_tag },
	{ 0 },
};

static int set_option(struct run *run, const struct spec_word *word)
{
	for (const struct option *option = options; option->key; option++) {
		if (parse_equal(word->key, word->key_len, option->key))
			return option->set(run, word);
	}
	return 0; /* a parameter */
}

/* What the specification asks for and cannot have here. */
static int refuse_wishes(const struct spec_defaults *wish)
{
	if (wish->processes > 1)
		return sfs_fail(-EOPNOTSUPP,
				"[measure] processes = %lld: one process is measured yet",
				(long long)wish->processes);
	if (wish->tsc_denied)
		return sfs_fail(-EOPNOTSUPP, "[limits] tsc = deny: not supported yet");
	if (wish->cpu >= (int64_t)pool_cores())
		return sfs_fail(-ERANGE, "[measure] cpu = %lld, but there are %u",
				(long long)wish->cpu, pool_cores());
	return 0;
}

/*
 * What holds when the words say nothing: the specification's wishes within the configuration's
 * limits.
 */
static int set_defaults(struct run *run)
{
	const struct sfs_config *config = sfs_config();
	const struct spec_defaults *wish = &run->spec->defaults;
	struct run_options *o = &run->options;
	uint64_t samples = wish->samples > 0 ? (uint64_t)wish->samples : config->samples;
	uint64_t wall = wish->wall_ms > 0 ? (uint64_t)wish->wall_ms : config->run_wall_ms;
	uint64_t most =
		config->samples_max < WIRE_SAMPLES_MAX ? config->samples_max : WIRE_SAMPLES_MAX;

	o->reps = (uint32_t)(samples > most ? most : samples);
	o->warmup = wish->warmup >= 0 && wish->warmup <= WARMUP_MAX ? (uint32_t)wish->warmup : 1;
	o->warmup_given = wish->warmup >= 0;
	o->timeout_ms = (uint32_t)(wall > config->run_wall_ms_max ? config->run_wall_ms_max : wall);
	o->max_ms = wish->max_time_ms > 0 && wish->max_time_ms < 3600000
			    ? (uint32_t)wish->max_time_ms
			    : DEFAULT_MAX_MS;
	o->cpu = wish->cpu >= 0 && wish->cpu < pool_cores() ? (int)wish->cpu : -1;
	o->mode = wish->mode == WIRE_LATENCY ? WIRE_LATENCY : WIRE_THROUGHPUT;
	snprintf(o->function, sizeof(o->function), "%s", spec_function(run->spec->spec));
	return refuse_wishes(wish) ?: kernel_get_events(run->kernel, &o->events);
}

static uint64_t memory_limit(const struct run *run)
{
	uint64_t limit = sfs_config()->jail_memory_bytes;
	int64_t wish = run->spec->defaults.memory_bytes;

	return wish > 0 && (uint64_t)wish < limit ? (uint64_t)wish : limit;
}

/*
 * Further input sets when there is more than one call and their memory stays within half of what
 * the jail may have.
 */
static void choose_sets(struct run *run)
{
	uint64_t budget = memory_limit(run) / 2;
	uint32_t most =
		run->bound.nbuffers ? WIRE_BUFFERS_MAX / run->bound.nbuffers : WIRE_SETS_MAX;

	run->nsets = 1;
	if (run->options.reps_given && run->options.reps == 1 && !run->options.warmup_given)
		return;
	while (run->nsets < 3 && run->nsets < most &&
	       arena_bytes_needed(&run->bound, run->nsets + 1) <= budget)
		run->nsets++;
}

static int bind_words(struct run *run, const char *text, const struct spec_word *words, int count)
{
	struct spec_error err = { 0 };
	uint64_t bytes = 0;

	if (spec_bind(run->spec->spec, words, (unsigned)count, memory_limit(run) / 2, &run->bound,
		      &err))
		return refuse_word(text, &err);
	run->is_bound = true;
	if (spec_bound_text(&run->bound, run->words, sizeof(run->words)) >= sizeof(run->words))
		return sfs_fail(-E2BIG, "the parameters need more than %zu bytes as text",
				sizeof(run->words));
	if (!run->options.cache_given && run->bound.cache >= 0)
		run->options.cache = (enum wire_cache)run->bound.cache;
	choose_sets(run);
	for (unsigned i = 0; i < run->bound.nbuffers; i++)
		bytes += run->bound.buffers[i].bytes * run->nsets;
	run->is_large =
		bytes > KERNEL_INLINE_MAX || spec_check_work(&run->bound) > KERNEL_INLINE_WORK;
	return 0;
}

static int make_key(struct run *run)
{
	struct template_key *key = &run->wait.key;
	int64_t stack = run->spec->defaults.stack_bytes;
	uint64_t most;

	key->uid = run->who.uid;
	key->memory_bytes = memory_limit(run);
	key->arena_bytes = (key->memory_bytes / 8) & ~(uint64_t)4095;
	most = key->memory_bytes / 4;
	if (stack > 0 && (uint64_t)stack > most)
		return sfs_fail(
			-ERANGE,
			"[limits] stack_bytes = %lld is above %llu, a quarter of the memory",
			(long long)stack, (unsigned long long)most);
	if (stack <= 0)
		stack = most < STACK_DEFAULT ? (int64_t)most : STACK_DEFAULT;
	key->stack_bytes = ((uint64_t)stack + 4095) & ~(uint64_t)4095;
	snprintf(key->allow, sizeof(key->allow), "%s", run->spec->defaults.imports);
	return 0;
}

int kernel_blame_word(int rc, const char *text, size_t len, const char *key)
{
	struct spec_word words[WORDS_MAX];
	struct spec_error err = { 0 };
	int count = spec_split(text, len, words, WORDS_MAX, &err);

	for (int i = 0; i < count; i++) {
		if (parse_equal(words[i].key, words[i].key_len, key))
			return sfs_blame(rc, words[i].value, words[i].value_len);
	}
	return rc;
}

/* The parameters with all values, and the words for the run itself as they were given. */
static int keep_line(struct run *run, const struct spec_word *words, int count)
{
	size_t size = strlen(run->words) + 1;
	char *end;

	for (int i = 0; i < count; i++)
		size += words[i].key_len + words[i].value_len + 2;
	run->line = malloc(size);
	if (!run->line)
		return sfs_fail(-ENOMEM, "no memory for the words of a run");
	end = stpcpy(run->line, run->words);
	for (int i = 0; i < count; i++) {
		const struct spec_word *word = &words[i];

		if (spec_reserved(word->key, word->key_len) &&
		    !parse_equal(word->key, word->key_len, "seed"))
			end += sprintf(end, "%s%.*s=%.*s", end == run->line ? "" : " ",
				       (int)word->key_len, word->key, (int)word->value_len,
				       word->value);
	}
	return 0;
}

int kernel_command_parse(struct run *run, const char *text, size_t len)
{
	struct spec_word words[WORDS_MAX];
	struct spec_error err = { 0 };
	int count = spec_split(text, len, words, WORDS_MAX, &err), rc;

	if (count < 0)
		return refuse_word(text, &err);
	rc = set_defaults(run);
	for (int i = 0; i < count && !rc; i++)
		rc = set_option(run, &words[i]);
	if (!rc)
		rc = bind_words(run, text, words, count);
	rc = rc ?: keep_line(run, words, count);
	return rc ?: make_key(run);
}
