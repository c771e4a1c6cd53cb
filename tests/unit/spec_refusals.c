/* SPDX-License-Identifier: MIT */
/* Every sentence with which a specification, or the words of a run, is refused. */
/* single-threaded */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "kernelspec.h"

#define HEAD "[kernel]\nname = t\nfunction = t\n" /* three lines */

/* Refused when it is read: text after HEAD unless it begins with '!'. */
static const struct {
	const char *text;
	int line, code;
	const char *sentence;
} files[] = {
	{ "!", 0, -EINVAL, "no name in [kernel]" },
	{ "![kernel]\nname = t\n", 0, -EINVAL, "no function in [kernel]" },
	{ "![kernel]\nname = 9t\n", 2, -EINVAL, "name is '9t'" },
	{ "![kernel]\nname = u\nfunction = *\n", 0, -EINVAL,
	  "[kernel] name is 'u', not 't' as the directory" },
	{ "!name = t\n", 1, -EINVAL, "'name' stands before the first section" },
	{ "![kernel\nname = t\n", 1, -EINVAL, "no ']' after '[kernel'" },
	{ "![kernel] x\nname = t\n", 1, -EINVAL, "'x' after ']'" },
	{ "![kernel]\nname = t\nfunction = a b\n", 3, -EINVAL, "no symbol" },
	{ "![kernel]\nname = t\nfunction =\n", 3, -EINVAL, "function is empty" },
	{ "[bogus]\na = 1\n", 4, -EINVAL, "unknown section '[bogus]'" },
	{ "[bogus]\n", 4, -EINVAL, "unknown section '[bogus]'" },
	{ "[param.]\ntype = u8\n", 4, -EINVAL, "'' is no name" },
	{ "[param.9x]\ntype = u8\n", 4, -EINVAL, "'9x' is no name" },
	{ "[param.x-y]\ntype = u8\n", 4, -EINVAL, "'x-y' is no name" },
	{ "[param.a2345678901234567890123456789012]\ntype = u8\n", 4, -EINVAL, "is no name" },
	{ "[param]\ntype = u8\n", 4, -EINVAL, "unknown section '[param]'" },
	{ "[kernel.x]\n", 4, -EINVAL, "unknown section" },
	{ "bogus = 1\n", 4, -EINVAL, "unknown key 'bogus' in [kernel]" },
	{ "name = t\n", 4, -EINVAL, "'name' was given on line 2 already" },
	{ "junk\n", 4, -EINVAL, "neither '[section]' nor 'key = value'" },
	{ "returns = int\n", 4, -EINVAL,
	  "returns is 'int', not one of: void f32 f64 i32 u32 i64 u64 ptr" },
	{ "[param.x]\ndefault = 1\n", 5, -EINVAL, "no type in [param.x]" },
	{ "[param.x]\ntype = int\n", 5, -EINVAL, "type is 'int', not one of" },
	{ "[param.x]\ntype = u8\nbogus = 1\n", 6, -EINVAL, "unknown key 'bogus' in [param.x]" },
	{ "[param.x]\ntype = u8\ntype = u8\n", 6, -EINVAL, "'type' was given on line 5 already" },
	{ "[param.x]\ntype = u8\ndefault = x\n", 6, -EINVAL,
	  "default: column 1: unknown name 'x'" },
	{ "[param.x]\ntype = u8\ndefault = 1 + y\n[param.y]\ntype = u8\n", 6, -EINVAL,
	  "column 5: unknown name 'y'" },
	{ "[param.x]\ntype = u8\nhelp = \x1b[2J\n", 6, -EINVAL, "the byte \\x1b is not text" },
	{ "[param.x]\ntype = u8\nhelp = \xff\n", 6, -EINVAL, "the byte \\xff is not text" },
	{ "summary = a\rb\n", 4, -EINVAL, "the byte \\x0d is not text" },
	{ "[param.x]\ntype = u8\nvalues = 1, two\n", 6, -EINVAL, "values: 'two' is no number" },
	{ "[param.x]\ntype = u8\nvalues = 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n", 6, -E2BIG,
	  "more than 16 values" },
	{ "[param.n]\ntype = u32\nmax = 2\ndefault = 3\n", 7, -ERANGE,
	  "n is 3, above its max of 2" },
	{ "[param.n]\ndefault = 1\nmin = 2\ntype = u32\n", 5, -ERANGE,
	  "n is 1, below its min of 2" },
	{ "[param.n]\ntype = u32\ndefault = 3\nvalues = 1,2\n", 6, -ERANGE,
	  "n is 3, not one of 1,2" },
	{ "[param.n]\ntype = u32\ndefault = 1.5\n", 6, -EINVAL,
	  "default of n: '1.5' is 1.5, which does not fit its type u32" },
	{ "[param.n]\ntype = u32\ndefault = 0-1\n", 6, -ERANGE, "default of n: '0-1' is -1" },
	{ "[param.n]\ntype = i8\ndefault = 128\n", 6, -ERANGE,
	  "default of n: '128' is 128, which does not fit its type i8" },
	{ "[param.n]\ntype = bool\ndefault = 2\n", 6, -ERANGE, "does not fit its type bool" },
	{ "[param.n]\ntype = f32\ndefault = 1e39\n", 6, -ERANGE, "does not fit its type f32" },
	{ "[param.n]\ntype = u32\ndefault = 1/0\n", 6, -EINVAL,
	  "default of n: division by zero, in column 2" },
	{ "[param.n]\ntype = u32\nmin = 3\nmax = 2\n", 7, -ERANGE,
	  "min of n is 3, above its max of 2" },
	{ "[param.n]\ntype = f64\nmax = -1\nmin = 0.5\ndefault = 0\n", 6, -ERANGE,
	  "min of n is 0.5, above its max of -1" },
	{ "[param.n]\ntype = u32\ndefault = 5\n[param.m]\ntype = u32\nmax = 4\ndefault = n\n", 10,
	  -ERANGE, "m is 5, above its max of 4" },
	{ "[param.codelet]\ntype = u8\n", 5, -EINVAL, "the name 'codelet' is reserved" },
	{ "[param.seed]\ntype = u8\n", 5, -EINVAL, "the name 'seed' is reserved" },
	{ "[param.u8]\ntype = u8\n", 5, -EINVAL, "the name 'u8' is reserved" },
	{ "[param.min]\ntype = u8\n", 5, -EINVAL, "the name 'min' is reserved" },
	{ "[param.ref_abs]\ntype = u8\n", 5, -EINVAL, "the name 'ref_abs' is reserved" },
	{ "[param.x]\ntype = u8\n[buffer.x]\ntype = u8\n", 7, -EINVAL,
	  "the name 'x' is given twice" },
	{ "[param.x]\ntype = u8\n[let]\nx = 1\n", 7, -EINVAL, "the name 'x' is given twice" },
	{ "[let]\na = b\nb = 1\n", 5, -EINVAL, "a: column 1: unknown name 'b'" },
	{ "[let]\n9a = 1\n", 5, -EINVAL, "'9a' is no name" },
	{ "[require]\na b = 1\n", 5, -EINVAL, "'a b' is no name" },
	{ "[require]\na = (1\n", 5, -EINVAL, "a: column 3: expected ')'" },
	{ "[buffer.x]\ntype = u8\n", 5, -EINVAL, "no count in [buffer.x]" },
	{ "[buffer.x]\ncount = 1\n", 5, -EINVAL, "no type in [buffer.x]" },
	{ "[buffer.x]\ncount = 1\ntype = u8\n", 5, -EINVAL, "no access in [buffer.x]" },
	{ "[buffer.x]\naccess = x\n", 5, -EINVAL, "access is 'x', not one of: r w rw" },
	{ "[buffer.x]\nguard = x\n", 5, -EINVAL,
	  "guard is 'x', not one of: none before after both" },
	{ "[buffer.x]\npages = 1g\n", 5, -EINVAL, "pages is '1g', not one of: 4k 2m" },
	{ "[buffer.x]\ninit = bogus\n", 5, -EINVAL, "init: unknown generator 'bogus'" },
	{ "[buffer.x]\ninit = uniform(1\n", 5, -EINVAL, "init: no ')' at the end" },
	{ "[buffer.x]\ninit = uniform(1)\n", 5, -EINVAL, "init: too few arguments" },
	{ "[buffer.x]\ninit = uniform(1,2,3)\n", 5, -EINVAL, "init: too many arguments" },
	{ "[buffer.x]\ninit = zero(1)\n", 5, -EINVAL, "init: too many arguments" },
	{ "[buffer.x]\ninit = copy(y)\n", 5, -EINVAL, "init: 'y' is no earlier buffer" },
	{ "[buffer.x]\ninit = copy(x)\n", 5, -EINVAL, "init: 'x' is no earlier buffer" },
	{ "[buffer.x]\ninit = data(a/b)\n", 5, -EINVAL, "init: 'a/b' is no name" },
	{ "[call]\nargs = u64\n", 5, -EINVAL, "args: 'u64' is not TYPE EXPRESSION" },
	{ "[call]\nargs = u64 1,\n", 5, -EINVAL, "args: '' is not TYPE EXPRESSION" },
	{ "[call]\nargs = int 1\n", 5, -EINVAL, "args: unknown type 'int'" },
	{ "[call]\nargs = ptr x\n", 5, -EINVAL, "args: no buffer 'x'" },
	{ "[call]\nargs = fn builtin:cmp_u8\n", 5, -EINVAL,
	  "args: 'builtin:cmp_u8' is not builtin:cmp_u32" },
	{ "[call]\nargs = u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 1,u8 "
	  "1,u8 1,u8 1\n",
	  5, -E2BIG, "args: more than 16" },
	{ "[buffer.x]\ntype=u8\ncount=1\naccess=r\n[call]\nargs = ptr x * 2\n", 9, -EINVAL,
	  "args: expected '+' after buffer 'x'" },
	{ "[check]\nreference = magic\n", 5, -EINVAL,
	  "reference is 'magic', not none, builtin:NAME(...)" },
	{ "[check]\nreference = codelet:a\n", 5, -EINVAL, "reference is 'codelet:a'" },
	{ "[check]\nreference = builtin:magic(1)\n", 5, -EINVAL, "there is no builtin:magic" },
	{ "[check]\nreference = builtin:strlen\n", 5, -EINVAL,
	  "expected builtin:strlen(1 arguments)" },
	{ "[check]\nreference = builtin:strlen(x)\n", 5, -EINVAL, "argument 1 is 'x', no buffer" },
	{ "[check]\nreference = builtin:dot(1)\n", 5, -EINVAL, "dot takes 5 arguments, not 1" },
	{ "[check]\ncompare = ret\n", 0, -EINVAL, "compare without a reference" },
	{ "[check]\ncompare = x\n", 5, -EINVAL, "compare: 'x' is neither ret nor a buffer" },
	{ "[check]\ncompare = ret, ret\n", 5, -EINVAL, "compare: 'ret' twice" },
	{ "[check]\ntolerance = foo\n", 5, -EINVAL, "tolerance: column 1: unknown name 'foo'" },
	{ "[check]\ntolerance = ulp(ref_abs)\n", 5, -EINVAL,
	  "tolerance: column 1: unknown name 'ref_abs'" },
	{ "[check]\nnan = maybe\n", 5, -EINVAL, "nan is 'maybe', not one of: different equal" },
	{ "[metrics]\nflops = 1\n", 5, -EINVAL, "unknown key 'flops' in [metrics]" },
	{ "[metrics]\nmetric.a-b = 1\n", 5, -EINVAL, "'a-b' is no name" },
	{ "[metrics]\nflop = seconds\n", 5, -EINVAL, "flop: column 1: unknown name 'seconds'" },
	{ "[measure]\nmode = fast\n", 5, -EINVAL,
	  "mode is 'fast', not one of: throughput latency both" },
	{ "[measure]\nsamples = 0\n", 5, -ERANGE, "samples is 0, not from 1 to 16384" },
	{ "[measure]\nsamples = n\n", 5, -EINVAL, "samples: column 1: unknown name 'n'" },
	{ "[measure]\nsamples = 1/0\n", 5, -EINVAL, "samples: column 2: division by zero" },
	{ "[measure]\nwarmup = 1.5\n", 5, -EINVAL, "warmup is '1.5', no whole number" },
	{ "[measure]\ncache = warm\n", 5, -EINVAL, "cache: column 1: unknown name 'warm'" },
	{ "[measure]\naggregate = mean\n", 5, -EINVAL,
	  "aggregate is 'mean', not one of: p25 median min" },
	{ "[limits]\ntsc = maybe\n", 5, -EINVAL, "tsc is 'maybe', not one of: allow deny" },
	{ "[limits]\nstack_bytes = 65535\n", 5, -ERANGE,
	  "stack_bytes is 65535, not from 65536 to 9223372036854775807" },
	{ "[limits]\nmemory_bytes = 1\n", 5, -ERANGE,
	  "memory_bytes is 1, not from 1048576 to 9223372036854775807" },
	{ "[limits]\nimports = a=b\n", 5, -EINVAL,
	  "imports: 'a=b' is neither a symbol nor symbol=trap" },
	{ "[limits]\nimports = a b\n", 5, -EINVAL, "imports: 'a b' is neither" },
	{ "[sweep]\nn = 1\n", 5, -EINVAL, "no parameter 'n' to sweep" },
	{ "[param.n]\ntype = u8\n[sweep]\nn = 1 .. 2\n", 7, -EINVAL, "n: no step" },
	{ "[param.n]\ntype = u8\n[sweep]\nn = 2 .. 1 +1\n", 7, -EINVAL, "begins above its end" },
	{ "[param.n]\ntype = u8\n[sweep]\nn = 1 .. 2 *1\n", 7, -EINVAL, "does not go upwards" },
	{ "[param.n]\ntype = u8\n[sweep]\nn = 1, x\n", 7, -EINVAL, "unknown name 'x'" },
	{ 0 },
};

static struct spec *parse(const char *text, struct spec_error *err)
{
	char whole[4096];

	snprintf(whole, sizeof(whole), "%s%s", *text == '!' ? "" : HEAD, text + (*text == '!'));
	return spec_parse(whole, strlen(whole), "t", err);
}

static void files_refused(void)
{
	for (int i = 0; files[i].text; i++) {
		struct spec_error err;
		struct spec *spec = parse(files[i].text, &err);
		char start[32];

		CHECK_MSG(!spec, "taken: %s", files[i].text);
		spec_free(spec);
		if (spec)
			continue;
		CHECK_MSG(err.err == files[i].code, "%s: %d (%s)", files[i].text, err.err,
			  err.text);
		CHECK_HAS(err.text, files[i].sentence);
		if (!files[i].line)
			continue;
		CHECK_MSG(err.line == files[i].line, "%s: line %d (%s)", files[i].text, err.line,
			  err.text);
		snprintf(start, sizeof(start), "line %d: ", files[i].line);
		CHECK_MSG(!strncmp(err.text, start, strlen(start)), "%s", err.text);
	}
}

static void bytes_refused(void)
{
	struct spec_error err;
	char *big = malloc(SPEC_BYTES_MAX + 1), text[600];

	memset(big, '\n', SPEC_BYTES_MAX + 1);
	CHECK(!spec_parse(big, SPEC_BYTES_MAX + 1, NULL, &err));
	CHECK_INT(err.err, -E2BIG);
	CHECK(!spec_parse(big, SPEC_BYTES_MAX, NULL, &err));
	CHECK_HAS(err.text, "no name");
	free(big);
	CHECK(!spec_parse("[kernel]\nname = t\0u\n", 20, NULL, &err));
	CHECK_INT(err.line, 2);
	CHECK_HAS(err.text, "a NUL byte");
	/* inih would cut this one at 200 bytes and take it. */
	snprintf(text, sizeof(text), HEAD "summary = %0190d\n", 1);
	CHECK(!spec_parse(text, strlen(text), NULL, &err));
	CHECK_INT(err.line, 4);
	CHECK_HAS(err.text, "line 4: longer than 196 bytes: 'summary = 0");
	snprintf(text, sizeof(text), HEAD "; %0194d\nbogus = 1\n", 1);
	CHECK(!spec_parse(text, strlen(text), NULL, &err));
	CHECK_INT(err.line, 5);
	snprintf(text, sizeof(text), HEAD "summary = %0170d\n", 1);
	CHECK(!spec_parse(text, strlen(text), NULL, &err));
	CHECK_HAS(err.text, "summary has more than 159 bytes");
}

/* What only the words of a run can tell is left to them. */
static void files_taken(void)
{
	static const char *const texts[] = {
		"[param.n]\ntype = u32\n[param.m]\ntype = u32\nmin = n\nmax = 5\ndefault = n\n",
		"[param.n]\ntype = u32\ndefault = 9\n[param.m]\ntype = u32\nmin = n\nmax = 5\n",
		"[param.n]\ntype = f32\nmin = 0.1\nmax = 0.1\ndefault = 0.1\n",
		"[param.n]\ntype = u64\nmax = 18446744073709551615\ndefault = 18446744073709551615\n",
		"[param.n]\ntype = u32\nmin = seed\ndefault = seed\n",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct spec_error err;
		struct spec *spec = parse(texts[i], &err);

		CHECK_MSG(spec, "%s: %s", texts[i], err.text);
		spec_free(spec);
	}
}

/* Every prefix of a good file is refused or taken, never worse; without a newline at the end it
 * means the same. */
static void prefixes(void)
{
	static const char text[] = HEAD
		"[param.n]\ntype = u64\ndefault = 4 ; four\n[buffer.x]\ntype = f32\ncount = n\n"
		"access = rw\ninit = uniform(-1, 1)\n[call]\nargs = u64 n,\n  ptr x";
	struct spec_error err;

	for (size_t size = 0; size < sizeof(text); size++) {
		char *exact = malloc(size + 1);

		memcpy(exact, text, size);
		spec_free(spec_parse(exact, size, "t", &err));
		free(exact);
	}
	spec_free(spec_parse(text, sizeof(text) - 1, "t", &err));
	CHECK_STR(err.text, "");
}

/* ---- words of a run -------------------------------------------------------------------------- */

#define TWO    "[param.n]\ntype = u32\ndefault = 1\n[param.m]\ntype = u32\n"
#define BUFFER "[buffer.x]\ntype = f32\naccess = rw\ncount = "

static const struct {
	const char *text, *words;
	int code, column;
	const char *sentence;
} binds[] = {
	{ "[param.n]\ntype = u32\n", "", -EINVAL, -1, "n has no default and was not given" },
	{ "[param.n]\ntype = u32\n", "n=-1", -ERANGE, 2, "n is '-1', which does not fit its type u32" },
	{ "[param.n]\ntype = u64\n", "n=-99999999999999999999", -ERANGE, 2, "which does not fit its type u64" },
	{ "[param.n]\ntype = u32\n", "n=-1.5", -EINVAL, 2, "n is '-1.5', not an unsigned number" },
	{ "[param.n]\ntype = u32\n", "n=1 seed=-1", -ERANGE, 9, "seed is '-1', not from 0" },
	{ "[param.n]\ntype = u32\n", "n=12abc", -EINVAL, 2,
	  "n is '12abc', not an unsigned number" },
	{ "[param.n]\ntype = u32\n", "n=", -EINVAL, 2, "n is '', not an unsigned number" },
	{ "[param.n]\ntype = u32\n", "n=4294967296", -ERANGE, 2,
	  "n is '4294967296', which does not fit its type u32" },
	{ "[param.n]\ntype = u64\n", "n=18446744073709551616", -ERANGE, 2,
	  "does not fit its type u64" },
	{ "[param.n]\ntype = i8\n", "n=-129", -ERANGE, 2,
	  "n is '-129', which does not fit its type i8" },
	{ "[param.n]\ntype = i8\n", "n=x", -EINVAL, 2, "n is 'x', not a whole number" },
	{ "[param.n]\ntype = f32\n", "n=1e39", -ERANGE, 2, "does not fit its type f32" },
	{ "[param.n]\ntype = f64\n", "n=nan", -EINVAL, 2, "n is 'nan', not a number" },
	{ "[param.n]\ntype = bool\n", "n=2", -EINVAL, 2, "n is '2', not one of 0 1 false true" },
	{ "[param.n]\ntype = u32\nmin = 2\n", "n=1", -ERANGE, 2, "n is 1, below its min of 2" },
	{ "[param.n]\ntype = u32\nmax = 2\n", "n=3", -ERANGE, 2, "n is 3, above its max of 2" },
	{ TWO "max = 2\ndefault = n\n", "n=3", -ERANGE, -1, "m is 3, above its max of 2" },
	{ TWO "default = (n+1)/2.0\n", "n=2", -EINVAL, -1,
	  "default of m: '(n+1)/2.0' is 1.5, which does not fit" },
	{ TWO "default = 1-n\n", "n=2", -ERANGE, -1, "default of m" },
	{ TWO "default = 1/n\n", "n=0", -EINVAL, -1, "default of m: division by zero, in column 2" },
	{ TWO "min = n\nmax = 2\n", "n=3 m=2", -ERANGE, 6, "m is 2, below its min of 3" },
	{ "[param.n]\ntype = u32\nvalues = 1,2\n", "n=3", -ERANGE, 2, "n is 3, not one of 1,2" },
	{ "[param.n]\ntype = u32\n", "m=1", -EINVAL, 0, "kernel t has no parameter 'm'" },
	{ "[param.n]\ntype = u32\n", "n=1 n=1", -EINVAL, 4, "'n' is given twice" },
	{ "", "seed=x", -EINVAL, 5, "seed is 'x', no number" },
	{ "[let]\na = 1/0\n", "", -EINVAL, -1, "a: division by zero" },
	{ "[require]\nodd = 2 % 2 == 1\n", "", -EINVAL, -1,
	  "requirement odd does not hold: 2 % 2 == 1" },
	{ BUFFER "0-1\n", "", -ERANGE, -1, "count of buffer x: '0-1' is negative" },
	{ BUFFER "0.5\n", "", -EINVAL, -1, "count of buffer x: '0.5' is no whole number" },
	{ BUFFER "2^63\n", "", -E2BIG, -1,
	  "buffer x: 9223372036854775808 elements of 4 bytes are more than" },
	{ BUFFER "2^40\n", "", -E2BIG, -1,
	  "with buffer x, of 4398046511104 bytes, the buffers exceed the limit of 1048576" },
	{ BUFFER "1\nalign = 3\n", "", -ERANGE, -1, "align of buffer x is 3, not a power of two" },
	{ BUFFER "1\nalign = 8192\n", "", -ERANGE, -1, "align of buffer x is 8192" },
	{ BUFFER "1\noffset = 64\n", "", -ERANGE, -1,
	  "offset of buffer x is 64, not below its align of 64" },
	{ BUFFER "1\npages = 2m\n", "", -EOPNOTSUPP, -1, "pages = 2m is not supported yet" },
	{ BUFFER "1\ncache = hot\n", "", -EOPNOTSUPP, -1,
	  "a cache of its own is not supported yet" },
	{ BUFFER "1\ninit = data(a)\n", "", -EOPNOTSUPP, -1,
	  "init = data(NAME) is not supported yet" },
	{ BUFFER "1\ninit = perm\n", "", -EINVAL, -1, "init of buffer x: perm is for integers" },
	{ BUFFER "1\ninit = uniform(2, 1)\n", "", -EINVAL, -1, "uniform() begins above its end" },
	{ BUFFER "1\ninit = const(1e39)\n", "", -EINVAL, -1,
	  "an argument does not fit the buffer's type" },
	{ BUFFER "1\ninit = chase(64)\n", "", -EINVAL, -1, "chase() is for u64" },
	{ BUFFER "1\ninit = text\n", "", -EINVAL, -1, "text is for one byte or more" },
	{ "[buffer.x]\ntype = u8\ncount = 257\naccess = r\ninit = perm\n", "", -EINVAL, -1,
	  "more elements than the type" },
	{ "[buffer.x]\ntype = u8\ncount = 2\naccess = r\ninit = normal(0, 1)\n", "", -EINVAL, -1,
	  "normal() is for f32" },
	{ "[buffer.x]\ntype = u64\ncount = 2\naccess = r\ninit = chase(12)\n", "", -EINVAL, -1,
	  "a multiple of 8" },
	{ BUFFER "1\n[buffer.y]\ntype = f32\naccess = r\ncount = 2\ninit = copy(x)\n", "", -EINVAL,
	  -1, "same type and count" },
	{ "[call]\nargs = u8 256\n", "", -ERANGE, -1,
	  "argument 1: '256' does not fit its type u8" },
	{ "[call]\nargs = u8 1, i32 0.5\n", "", -EINVAL, -1,
	  "argument 2: '0.5' does not fit its type i32" },
	{ BUFFER "1\n[call]\nargs = ptr x + 5\n", "", -ERANGE, -1,
	  "argument 1 points 5 bytes into buffer x, which has 4" },
	{ "[measure]\ncache = l2\n", "", -EOPNOTSUPP, -1, "cache = l2 is not supported yet" },
	{ "[measure]\ncache = l3\n", "", -EOPNOTSUPP, -1, "cache = l3 is not supported yet" },
	{ "[measure]\ncache = 1\n", "", -EINVAL, -1, "cache: '1' is not one of hot flush l2 l3" },
	{ "[measure]\nmode = both\n", "", -EOPNOTSUPP, -1, "mode = both is not supported yet" },
	{ BUFFER "3\n[check]\nreference = builtin:scal(4, 2, x, 1)\ncompare = x\n", "", -EINVAL, -1,
	  "reference scal needs 4 elements of buffer x, which has 3" },
	{ BUFFER "3\n[check]\nreference = builtin:scal(0-1, 2, x, 1)\ncompare = x\n", "", -EINVAL,
	  -1, "reference scal: argument 1, '0-1', is not a whole number" },
	{ BUFFER "3\n[check]\nreference = builtin:scal(2, 2, x, 2^63)\ncompare = x\n", "", -EINVAL,
	  -1, "reference scal needs" },
	{ BUFFER "3\n[buffer.y]\ntype = f64\naccess = r\ncount = 3\n[check]\nreference = "
		 "builtin:axpy(3, 1, y, 1, x, 1)\n"
		 "compare = x\n",
	  "", -EINVAL, -1, "buffers y and x are of different types" },
	{ BUFFER
	  "1\n[check]\nreference = builtin:gemm(1,1,2^32,1,x,0,0,x,0,0,0,x,1,1)\ncompare = x\n",
	  "", -EINVAL, -1, "reference gemm needs 4294967296 elements of buffer x, which has 1" },
	{ BUFFER "1\n[check]\nreference = builtin:scal(1, 1, x, 1)\ncompare = x\nwhen = 1/0\n", "",
	  -EINVAL, -1, "[check] when" },
	{ 0 },
};

static int bind(const struct spec *spec, const char *words, struct spec_bound *out,
		struct spec_error *err)
{
	struct spec_word split[8];
	int n = spec_split(words, strlen(words), split, 8, err);

	return n < 0 ? n : spec_bind(spec, split, (unsigned)n, 1 << 20, out, err);
}

static void words_refused(void)
{
	for (int i = 0; binds[i].text; i++) {
		struct spec_error err;
		struct spec_bound bound;
		struct spec *spec = parse(binds[i].text, &err);
		int rc;

		if (!spec) {
			check_fail(__FILE__, __LINE__, "%s: %s", binds[i].text, err.text);
			continue;
		}
		rc = bind(spec, binds[i].words, &bound, &err);
		CHECK_MSG(rc == binds[i].code, "%s with '%s': %d, expected %d (%s)", binds[i].text,
			  binds[i].words, rc, binds[i].code, rc ? err.text : "");
		if (rc) {
			CHECK_INT(err.err, rc);
			CHECK_MSG(err.column == binds[i].column, "%s: column %d, expected %d",
				  err.text, err.column, binds[i].column);
			CHECK_HAS(err.text, binds[i].sentence);
		} else {
			spec_unbind(&bound);
		}
		spec_free(spec);
	}
}

static void checks_refused(void)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{ "[buffer.x]\ntype=u8\ncount=1\naccess=r\n[check]\nreference = "
		  "builtin:scal(1,1,x,1)\ncompare = x\n",
		  "buffer 'x' is written by the reference but has access = r" },
		{ "[buffer.x]\ntype=u8\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:scal(1,1,x,1)\ncompare = x\n",
		  "buffer 'x' is not of f32 or f64" },
		{ "[buffer.x]\ntype=u16\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:strlen(x)\ncompare = ret\n",
		  "buffer 'x' is not of bytes" },
		{ "[buffer.x]\ntype=u16\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:sort(x)\ncompare = x\n",
		  "buffer 'x' is not of u32, i32 or f64" },
		{ "[buffer.x]\ntype=f32\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:scal(1,1,x,1)\n",
		  "no compare in [check]" },
		{ "[buffer.x]\ntype=f32\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:scal(1,1,x,1)\ncompare = ret\n",
		  "compare: ret, but [kernel] returns void" },
		{ "returns=f32\n[buffer.x]\ntype=f32\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:scal(1,1,x,1)\ncompare = ret\n",
		  "compare: ret, but builtin:scal returns nothing" },
		{ "returns=ptr\n[buffer.x]\ntype=u8\ncount=1\naccess=rw\n[check]\nreference = "
		  "builtin:strlen(x)\ncompare = ret\n",
		  "compare: ret, but builtin:strlen returns another type" },
		{ "returns=u64\n[buffer.x]\ntype=u8\ncount=1\naccess=r\n[check]\nreference = "
		  "builtin:strlen(x)\ncompare = ret, x\n",
		  "buffer 'x' has access = r: nothing can change it" },
		{ 0 },
	};

	for (int i = 0; bad[i].text; i++) {
		struct spec_error err;
		struct spec *spec = parse(bad[i].text, &err);

		CHECK_MSG(!spec, "taken: %s", bad[i].text);
		spec_free(spec);
		CHECK_HAS(err.text, bad[i].sentence);
	}
}

static void splitting(void)
{
	struct spec_word w[3];
	struct spec_error err;

	CHECK_INT(spec_split("a=1&b=2  c=x=y\n", 15, w, 3, &err), 3);
	CHECK_INT(w[1].column, 4);
	CHECK_INT(w[2].value_len, 3);
	CHECK_INT(spec_split("", 0, w, 3, &err), 0);
	CHECK_INT(spec_split("&& ", 3, w, 3, &err), 0);
	CHECK_INT(spec_split("a=1 b", 5, w, 3, &err), -EINVAL);
	CHECK_INT(err.column, 4);
	CHECK_HAS(err.text, "'b' is not key=value");
	CHECK_INT(spec_split("=1", 2, w, 3, &err), -EINVAL);
	CHECK_HAS(err.text, "no key before '=1'");
	CHECK_INT(spec_split("a=1 b=1 c=1 d=1", 15, w, 3, &err), -E2BIG);
	CHECK_HAS(err.text, "more than 3 words, from 'd=1' on");
	CHECK(spec_reserved("tag", 3) && spec_reserved("timeout_ms", 10) && !spec_reserved("n", 1));
}

static void numbers(void)
{
	struct spec_word w = {
		.key = "reps", .key_len = 4, .value = "12", .value_len = 2, .column = 7
	};
	struct spec_error err;
	uint64_t v = 0;

	CHECK_INT(spec_number(&w, 1, 12, &v, &err), 0);
	CHECK_INT(v, 12);
	CHECK_INT(spec_number(&w, 1, 11, &v, &err), -ERANGE);
	CHECK_HAS(err.text, "reps is '12', not from 1 to 11");
	CHECK_INT(err.column, 12);
	w.value = "-1";
	CHECK_INT(spec_number(&w, 0, 11, &v, &err), -ERANGE);
	CHECK_HAS(err.text, "reps is '-1', not from 0 to 11");
	CHECK_INT(err.column, 12);
	w.value = "-x";
	CHECK_INT(spec_number(&w, 0, 11, &v, &err), -EINVAL);
	CHECK_HAS(err.text, "reps is '-x', no number");
}

int main(void)
{
	RUN(files_refused);
	RUN(files_taken);
	RUN(bytes_refused);
	RUN(prefixes);
	RUN(words_refused);
	RUN(checks_refused);
	RUN(splitting);
	RUN(numbers);
	return check_done();
}
