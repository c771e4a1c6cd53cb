/* SPDX-License-Identifier: MIT */
/*
 * What [buffer] init puts into a buffer.
 *
 * The generator is splitmix64 (Steele, Lea, Flood 2014) used as a counter: word i of a buffer is
 * mix(key + (i + 1) * GOLDEN) with key = mix(seed) ^ mix(~set), so that the same (seed, set) gives
 * the same words on every machine and any part can be made alone.
 *
 *   uniform(lo, hi)  f64: lo + (hi - lo) * 53 bits of word i; f32: 24 bits of half a word;
 *                    integers: lo to hi inclusive, by the high half of word i times their number
 *   grid(m)          multiples of 1/m from -1 to 1, but not 0; floats only: with m a small power of
 *                    two, sums of their products are exact in whatever order they are taken
 *   normal(m, s)     Box-Muller on words 2i and 2i + 1; floats only
 *   random           the words themselves; floats: uniform(-1, 1)
 *   perm             0 .. count-1 shuffled (Fisher-Yates); integers only
 *   iota(a, d)       a + i * d; integers wrap
 *   chase(bytes)     u64 only: nodes of so many bytes in one random cycle (Sattolo); the first word
 *                    of each node is the byte offset of the next from the buffer's beginning, the
 *                    rest is zero
 *   text             bytes 1 .. 255, the last one 0
 *   copy(b, at)      what the earlier buffer b holds, but another value in element at, if there is
 *                    one
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

#define GOLDEN         UINT64_C(0x9e3779b97f4a7c15)
#define CHUNK_BYTES    4096
#define GRID_STEPS_MAX (1 << 20)
#define CONST_COPY_MAX 65536 /* stays in the cache; a multiple of every element */

struct fill {
	const struct spec_buffer *buffer;
	const struct buffer_row *row;
	const struct buffer_bound *values;
	uint64_t key;
};

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t word(uint64_t key, uint64_t i)
{
	return mix(key + (i + 1) * GOLDEN);
}

/* From 0 to n - 1; n 0 stands for 2^64. */
static inline uint64_t below(uint64_t bits, uint64_t n)
{
	return n ? (uint64_t)(((unsigned __int128)bits * n) >> 64) : bits;
}

static inline double unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

/*
 * ---- chunks: elements first .. first + n of some init, in the buffer's type, into aligned memory
 */

static void chunk_uniform_f32(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	double lo = expr_real(&f->values->args[0]), width = expr_real(&f->values->args[1]) - lo;
	float *p = out;

	/* first and n are even but for the last chunk, whose odd element is one too many in a chunk
	 * that has room for it. */
	for (unsigned i = 0; i < n; i += 2) {
		uint64_t bits = word(f->key, (first + i) / 2);

		p[i] = (float)(lo + width * ((double)(uint32_t)((uint32_t)bits >> 8) * 0x1p-24));
		p[i + 1] = (float)(lo + width * ((double)(uint32_t)(bits >> 40) * 0x1p-24));
	}
}

static void chunk_uniform_f64(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	double lo = expr_real(&f->values->args[0]), hi = expr_real(&f->values->args[1]);
	double *p = out;

	for (unsigned i = 0; i < n; i++) {
		double u = unit(word(f->key, first + i));

		p[i] = lo * (1 - u) + hi * u; /* hi - lo could overflow */
	}
}

/* The highest bit says the sign, the rest how far from zero. */
static void chunk_grid(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	uint64_t steps = (uint64_t)f->values->args[0].i;
	double step = 1.0 / (double)steps;

	for (unsigned i = 0; i < n; i++) {
		uint64_t bits = word(f->key, first + i);
		double value = (double)(1 + below(bits << 1, steps)) * step;

		if (bits >> 63)
			value = -value;
		if (f->buffer->type == SPEC_F32)
			((float *)out)[i] = (float)value;
		else
			((double *)out)[i] = value;
	}
}

static void chunk_words(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	unsigned size = (unsigned)f->buffer->element_bytes, per_word = 8 / size;
	uint64_t *p = out;

	for (unsigned i = 0; i * per_word < n; i++)
		p[i] = word(f->key, first / per_word + i);
}

static void chunk_uniform_int(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	uint64_t lo = (uint64_t)f->values->args[0].i;
	uint64_t number = (uint64_t)f->values->args[1].i - lo + 1;
	unsigned size = (unsigned)f->buffer->element_bytes;

	for (unsigned i = 0; i < n; i++) {
		uint64_t value = lo + below(word(f->key, first + i), number);

		memcpy((char *)out + (size_t)i * size, &value,
		       size); /* the low bytes: this is a little-endian machine */
	}
}

static void chunk_normal(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	double mean = expr_real(&f->values->args[0]), sigma = expr_real(&f->values->args[1]);

	for (unsigned i = 0; i < n; i++) {
		double u = 1 - unit(word(f->key, 2 * (first + i))); /* never 0 */
		double v = unit(word(f->key, 2 * (first + i) + 1));

		ref_store(f->buffer->type, out, i,
			  mean + sigma * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
	}
}

static void chunk_iota(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	const struct expr_value *a = &f->values->args[0], *d = &f->values->args[1];
	unsigned size = (unsigned)f->buffer->element_bytes;

	for (unsigned i = 0; i < n; i++) {
		if (ref_is_float(f->buffer->type)) {
			ref_store(f->buffer->type, out, i,
				  expr_real(a) + (double)(first + i) * expr_real(d));
		} else {
			uint64_t value = (uint64_t)a->i + (first + i) * (uint64_t)d->i;

			memcpy((char *)out + (size_t)i * size, &value, size);
		}
	}
}

static void chunk_bool(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	for (unsigned i = 0; i < n; i++)
		((uint8_t *)out)[i] = word(f->key, first + i) >> 63;
}

static void chunk_text(const struct fill *f, uint64_t first, unsigned n, void *out)
{
	uint8_t *p = out;

	chunk_words(f, first, n, out);
	for (unsigned i = 0; i < n; i++)
		p[i] += p[i] == 0;
	if (first + n == f->buffer->count)
		p[n - 1] = 0;
}

typedef void chunk_function(const struct fill *f, uint64_t first, unsigned n, void *out);

static void fill_chunks(const struct fill *f, chunk_function *chunk, void *out)
{
	uint64_t count = f->buffer->count;
	unsigned size = (unsigned)f->buffer->element_bytes, step = CHUNK_BYTES / size;
	_Alignas(64) char local[CHUNK_BYTES];
	char *to = out;

	for (uint64_t first = 0; first < count; first += step) {
		unsigned n = count - first < step ? (unsigned)(count - first) : step;

		chunk(f, first, n, local);
		memcpy(to + first * size, local, (size_t)n * size);
	}
}

/* ---- whole buffers --------------------------------------------------------------------------- */

/* What is filled already is copied behind itself, twice as much each time. */
static void fill_const(const struct fill *f, void *out)
{
	const struct expr_value *value = &f->values->args[0];
	uint64_t bytes = f->buffer->bytes, done = f->buffer->element_bytes,
		 bits = (uint64_t)value->i;

	if (ref_is_float(f->buffer->type))
		ref_store(f->buffer->type, &bits, 0, value->f);
	memcpy(out, &bits, done);
	while (done < bytes) {
		uint64_t more = bytes - done < done ? bytes - done : done;

		more = more < CONST_COPY_MAX ? more : CONST_COPY_MAX;
		memcpy((char *)out + done, out, more);
		done += more;
	}
}

static void fill_perm(const struct fill *f, void *out)
{
	size_t size = f->buffer->element_bytes;
	char *p = out;
	struct buffer_bound iota = { .args = { expr_from_int(0), expr_from_int(1) } };
	struct fill plain = { .buffer = f->buffer, .values = &iota };

	fill_chunks(&plain, chunk_iota, out);
	for (uint64_t i = f->buffer->count; i > 1; i--) {
		uint64_t k = below(word(f->key, i), i), keep = 0;

		memcpy(&keep, p + (i - 1) * size, size);
		memmove(p + (i - 1) * size, p + k * size, size);
		memcpy(p + k * size, &keep, size);
	}
}

/* Sattolo's shuffle of the identity is one cycle through all nodes. */
static int fill_chase(const struct fill *f, void *out)
{
	uint64_t node_bytes = (uint64_t)f->values->args[0].i, nodes = f->buffer->bytes / node_bytes;
	uint64_t *next;

	memset(out, 0, f->buffer->bytes);
	if (nodes == 0)
		return 0;
	next = malloc(nodes * sizeof(*next));
	if (!next)
		return -ENOMEM;
	for (uint64_t i = 0; i < nodes; i++)
		next[i] = i;
	for (uint64_t i = nodes - 1; i > 0; i--) {
		uint64_t k = below(word(f->key, i), i), keep = next[i];

		next[i] = next[k];
		next[k] = keep;
	}
	for (uint64_t i = 0; i < nodes; i++) {
		uint64_t offset = next[i] * node_bytes;

		memcpy((char *)out + i * node_bytes, &offset, sizeof(offset));
	}
	free(next);
	return 0;
}

/* The source is an earlier buffer, so the recursion ends. */
static int fill_copy(const struct spec_bound *bound, const struct fill *f, unsigned set, void *out,
		     struct spec_error *err)
{
	int rc = spec_fill(bound, (unsigned)f->row->source, set, out, err);
	uint64_t size = f->buffer->element_bytes, at, value = 0;

	if (rc || !f->row->init_args[1].expr || f->values->args[1].i >= (expr_int)f->buffer->count)
		return rc;
	at = (uint64_t)f->values->args[1].i;
	if (ref_is_float(f->buffer->type)) {
		ref_store(f->buffer->type, out, at, ref_load(f->buffer->type, out, at) + 1);
		return 0;
	}
	memcpy(&value, (char *)out + at * size, size);
	value = f->buffer->type == SPEC_BOOL ? !value
					     : value + 1 + below(word(f->key, at), UINT8_MAX);
	memcpy((char *)out + at * size, &value, size);
	return 0;
}

static chunk_function *uniform_of(enum spec_type type)
{
	return type == SPEC_F32   ? chunk_uniform_f32
	       : type == SPEC_F64 ? chunk_uniform_f64
				  : chunk_uniform_int;
}

static void fill_random(const struct fill *f, void *out)
{
	const struct buffer_bound unit_range = { .args = { expr_from_real(-1),
							   expr_from_real(1) } };
	struct fill uniform = *f;

	if (ref_is_float(f->buffer->type)) {
		uniform.values = &unit_range;
		fill_chunks(&uniform, uniform_of(f->buffer->type), out);
	} else {
		fill_chunks(f, f->buffer->type == SPEC_BOOL ? chunk_bool : chunk_words, out);
	}
}

/* The inits that can neither fail nor depend on another buffer. */
static void fill_simple(const struct fill *f, void *out)
{
	static chunk_function *const chunks[] = {
		[INIT_IOTA] = chunk_iota,
		[INIT_NORMAL] = chunk_normal,
		[INIT_GRID] = chunk_grid,
		[INIT_TEXT] = chunk_text,
	};

	switch (f->row->init) {
	case INIT_ZERO:
		memset(out, 0, f->buffer->bytes);
		break;
	case INIT_UNIFORM:
		fill_chunks(f, uniform_of(f->buffer->type), out);
		break;
	case INIT_RANDOM:
		fill_random(f, out);
		break;
	case INIT_CONST:
		fill_const(f, out);
		break;
	case INIT_PERM:
		fill_perm(f, out);
		break;
	default:
		fill_chunks(f, chunks[f->row->init], out);
	}
}

int spec_fill(const struct spec_bound *bound, unsigned buffer, unsigned set, void *out,
	      struct spec_error *err)
{
	const struct bound_priv *priv = bound->priv;
	const struct fill f = { .buffer = &bound->buffers[buffer],
				.row = &bound->spec->buffers[buffer],
				.values = &priv->buffers[buffer],
				.key = mix(priv->buffers[buffer].seed) ^ mix(~(uint64_t)set) };

	if (!f.buffer->bytes)
		return 0;
	if (f.row->init == INIT_CHASE)
		return fill_chase(&f, out) ? bound_refuse(err, -ENOMEM, -1, "out of memory") : 0;
	if (f.row->init == INIT_COPY)
		return fill_copy(bound, &f, set, out, err);
	fill_simple(&f, out);
	return 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Turns the arguments into the element type, so that filling has nothing left to refuse. */
static const char *judge_numbers(const struct spec_buffer *buffer, int init,
				 struct expr_value *args)
{
	unsigned n = init == INIT_CONST ? 1 : 2;

	if (init == INIT_NORMAL && !ref_is_float(buffer->type))
		return "normal() is for f32 and f64";
	for (unsigned i = 0; i < n; i++) {
		struct expr_value whole = args[i];

		if (init == INIT_IOTA && i == 1 && !ref_is_float(buffer->type)) {
			if (args[i].kind != EXPR_INT)
				return "iota() of integers wants integers";
		} else if (spec_convert(buffer->type, &whole, &args[i])) {
			return "an argument does not fit the buffer's type";
		}
	}
	if (init == INIT_UNIFORM && expr_real(&args[0]) > expr_real(&args[1]))
		return "uniform() begins above its end";
	return NULL;
}

static const char *judge_grid(const struct spec_buffer *buffer, struct expr_value *args)
{
	expr_int steps;

	if (!ref_is_float(buffer->type))
		return "grid() is for f32 and f64";
	if (!expr_whole(&args[0], &steps) || steps < 1 || steps > GRID_STEPS_MAX)
		return "grid() wants a number of steps from 1 to 1048576";
	args[0] = expr_from_int(steps);
	return NULL;
}

static const char *judge_chase(const struct spec_buffer *buffer, struct expr_value *args)
{
	expr_int bytes;

	if (buffer->type != SPEC_U64)
		return "chase() is for u64";
	if (!expr_whole(&args[0], &bytes) || bytes < 8 || bytes % 8 || bytes > (expr_int)INT64_MAX)
		return "chase() wants a node size that is a multiple of 8";
	args[0] = expr_from_int(bytes);
	return NULL;
}

static const char *judge_perm(const struct spec_buffer *buffer)
{
	const struct expr_value last = expr_from_int((expr_int)buffer->count - 1);
	struct expr_value ignored;

	if (ref_is_float(buffer->type) || buffer->type == SPEC_BOOL)
		return "perm is for integers";
	if (buffer->count && spec_convert(buffer->type, &last, &ignored))
		return "perm has more elements than the type has values";
	return NULL;
}

static const char *judge_copy(const struct spec_bound *bound, const struct spec_buffer *buffer,
			      const struct buffer_row *row, struct expr_value *args)
{
	const struct spec_buffer *source = &bound->buffers[row->source];
	expr_int at;

	if (source->type != buffer->type || source->count != buffer->count)
		return "copy() wants a buffer of the same type and count";
	if (!row->init_args[1].expr)
		return NULL;
	if (!expr_whole(&args[1], &at) || at < 0)
		return "copy() wants the index of an element";
	args[1] = expr_from_int(at);
	return NULL;
}

int fill_judge(const struct spec_bound *bound, unsigned index, struct spec_error *err)
{
	const struct spec_buffer *buffer = &bound->buffers[index];
	const struct buffer_row *row = &bound->spec->buffers[index];
	struct bound_priv *priv = bound->priv;
	struct expr_value *args = priv->buffers[index].args;
	const char *why = NULL;

	if (row->init == INIT_CHASE)
		why = judge_chase(buffer, args);
	else if (row->init == INIT_GRID)
		why = judge_grid(buffer, args);
	else if (row->init == INIT_PERM)
		why = judge_perm(buffer);
	else if (row->init == INIT_COPY)
		why = judge_copy(bound, buffer, row, args);
	else if (row->init == INIT_TEXT)
		why = ref_type_bytes(buffer->type) != 1 || buffer->count == 0
			      ? "text is for one byte or more"
			      : NULL;
	else if (row->init >= INIT_CONST && row->init <= INIT_NORMAL)
		why = judge_numbers(buffer, row->init, args);
	return why ? bound_refuse(err, -EINVAL, -1, "init of buffer %s: %s", buffer->name, why) : 0;
}
