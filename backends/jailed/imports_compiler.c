/* SPDX-License-Identifier: MIT */
/*
 * Our own imports that compilers call by themselves, the start of C++ objects, TLS, and the
 * functions that a kernel may hand over.
 */
#include "imports.h"
#include "wire.h"

#include <string.h>

/* Nobody but a codelet calls them, by address. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* ---- arithmetic that traps on overflow: -ftrapv ---------------------------------------------- */

#define TWO(name, type, builtin)                                                                   \
	type import_##name(type a, type b)                                                         \
	{                                                                                          \
		type result;                                                                       \
                                                                                                   \
		if (builtin(a, b, &result))                                                        \
			imports_ended(#name, NULL);                                                \
		return result;                                                                     \
	}
#define NEGATE(name, type)                                                                         \
	type import_##name(type a)                                                                 \
	{                                                                                          \
		type result;                                                                       \
                                                                                                   \
		if (__builtin_sub_overflow((type)0, a, &result))                                   \
			imports_ended(#name, NULL);                                                \
		return result;                                                                     \
	}
#define ABSOLUTE(name, type)                                                                       \
	type import_##name(type a)                                                                 \
	{                                                                                          \
		type result = a;                                                                   \
                                                                                                   \
		if (a < 0 && __builtin_sub_overflow((type)0, a, &result))                          \
			imports_ended(#name, NULL);                                                \
		return result;                                                                     \
	}

TWO(__addvsi3, int32_t, __builtin_add_overflow)
TWO(__addvdi3, int64_t, __builtin_add_overflow)
TWO(__addvti3, __int128, __builtin_add_overflow)
TWO(__subvsi3, int32_t, __builtin_sub_overflow)
TWO(__subvdi3, int64_t, __builtin_sub_overflow)
TWO(__subvti3, __int128, __builtin_sub_overflow)
TWO(__mulvsi3, int32_t, __builtin_mul_overflow)
TWO(__mulvdi3, int64_t, __builtin_mul_overflow)
NEGATE(__negvsi2, int32_t)
NEGATE(__negvdi2, int64_t)
NEGATE(__negvti2, __int128)
ABSOLUTE(__absvsi2, int32_t)
ABSOLUTE(__absvdi2, int64_t)
ABSOLUTE(__absvti2, __int128)

/* ---- products with a flag: clang ------------------------------------------------------------- */

int32_t import___mulosi4(int32_t a, int32_t b, int *overflow)
{
	int32_t result;

	*overflow = __builtin_mul_overflow(a, b, &result);
	return result;
}

int64_t import___mulodi4(int64_t a, int64_t b, int *overflow)
{
	int64_t result;

	*overflow = __builtin_mul_overflow(a, b, &result);
	return result;
}

/* By magnitudes, since the builtin is a call of this very function for some compilers. */
__int128 import___muloti4(__int128 a, __int128 b, int *overflow)
{
	unsigned __int128 x = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
	unsigned __int128 y = b < 0 ? -(unsigned __int128)b : (unsigned __int128)b;
	unsigned __int128 limit = ((unsigned __int128)1 << 127) - ((a < 0) == (b < 0));

	*overflow = x != 0 && y > limit / x;
	return (__int128)((unsigned __int128)a * (unsigned __int128)b);
}

__int128 import___mulvti3(__int128 a, __int128 b)
{
	int overflow;
	__int128 result = import___muloti4(a, b, &overflow);

	if (overflow)
		imports_ended("__mulvti3", NULL);
	return result;
}

/* ---- small floating-point formats ------------------------------------------------------------ */

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static float float_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Drops the low bits of value, to nearest, ties to even. */
static uint32_t round_off(uint32_t value, unsigned bits)
{
	uint32_t half = 1u << (bits - 1), odd = (value >> bits) & 1;

	return (value + half - 1 + odd) >> bits;
}

uint16_t import___gnu_f2h_ieee(float value)
{
	uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;

	if (rest > 0x7f800000) /* NaN: quiet, with what fits of its payload */
		return sign | 0x7e00 | (rest >> 13 & 0x3ff);
	if (rest >= 0x47800000) /* 65536 and above */
		return sign | 0x7c00;
	if (rest >= 0x38800000) /* normal: a carry may run on into infinity, as it must */
		return sign | round_off(rest - (112u << 23), 13);
	if (rest < 0x33000000) /* under half of the least subnormal */
		return sign;
	return sign | round_off((rest & 0x7fffff) | 0x800000, 126 - (rest >> 23));
}

float import___gnu_h2f_ieee(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
		 fraction = half & 0x3ff;

	if (exponent == 31)
		return float_of(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
	if (exponent == 0) {
		float value = (float)fraction * 0x1p-24f;

		return sign ? -value : value;
	}
	return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

/* A bfloat16 is returned in the low half of an SSE register, as psABI 1.0 says. */
static float bfloat(uint32_t bits)
{
	if ((bits & 0x7fffffff) > 0x7f800000)
		return float_of(bits >> 16 | 0x40);
	return float_of(round_off(bits & 0x7fffffff, 16) | (bits >> 16 & 0x8000));
}

float import___truncsfbf2(float value)
{
	return bfloat(bits_of(value));
}

/* By way of a float rounded to odd, so that rounding twice does no harm. */
float import___truncdfbf2(double value)
{
	float near = (float)value;
	uint32_t bits = bits_of(near);

	if ((double)near == value || value != value)
		return bfloat(bits);
	if (__builtin_fabs((double)near) > __builtin_fabs(value))
		bits--;
	return bfloat(bits | 1);
}

/* ---- starting and ending --------------------------------------------------------------------- */

int import_atexit(void (*function)(void))
{
	(void)function;
	return 0;
}

int import___cxa_atexit(void (*function)(void *), void *arg, void *handle)
{
	(void)function;
	(void)arg;
	(void)handle;
	return 0;
}

int import___cxa_thread_atexit_impl(void (*function)(void *), void *arg, void *handle)
{
	return import___cxa_atexit(function, arg, handle);
}

void import___cxa_finalize(void *handle)
{
	(void)handle;
}

int import___cxa_guard_acquire(const char *guard)
{
	return !*guard;
}

void import___cxa_guard_release(char *guard)
{
	*guard = 1;
}

void import___cxa_guard_abort(char *guard)
{
	(void)guard;
}

int import___cpu_indicator_init(void)
{
	return 0;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static char *tls_block;

void imports_tls(void *block)
{
	tls_block = block;
}

void *import___tls_get_addr(const uint64_t index[2])
{
	return tls_block + index[1]; /* there is one module */
}

/* ---- fn builtin:NAME ------------------------------------------------------------------------- */

#define COMPARE(name, type)                                                                        \
	static int name(const void *a, const void *b)                                              \
	{                                                                                          \
		const type *x = a, *y = b;                                                         \
                                                                                                   \
		return (*x > *y) - (*x < *y);                                                      \
	}

COMPARE(compare_u32, uint32_t)
COMPARE(compare_i32, int32_t)
COMPARE(compare_f64, double)

static int compare_u32_r(const void *a, const void *b, void *arg)
{
	(void)arg;
	return compare_u32(a, b);
}

uint64_t imports_builtin(uint32_t fn)
{
	switch (fn) {
	case WIRE_CMP_U32:
		return (uint64_t)compare_u32;
	case WIRE_CMP_I32:
		return (uint64_t)compare_i32;
	case WIRE_CMP_F64:
		return (uint64_t)compare_f64;
	case WIRE_CMP_U32_R:
		return (uint64_t)compare_u32_r;
	default:
		return 0;
	}
}
