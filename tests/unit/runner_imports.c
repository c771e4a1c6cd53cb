/* SPDX-License-Identifier: MIT */
/*
 * A codelet that calls imports of every kind gives the same in a run, where it may call the system
 * for nothing, as in this process with the C library.
 */
#include "runner_codelet.h"

#include <dlfcn.h>

static const char calls[] =
	"#define _GNU_SOURCE\n#include <complex.h>\n#include <ctype.h>\n#include "
	"<fenv.h>\n#include <inttypes.h>\n#include <malloc.h>\n"
	"#include <math.h>\n#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n"
	"#include <strings.h>\n#include <errno.h>\n"
	"static volatile double v = 0.7, big = 1e10; static volatile int one = 1;\n"
	"double reals(void) { return sin(v) + cos(big) + tan(v) + exp(v) + log(v) + pow(v, 2.5) + "
	"atan2(v, 3) + sinh(v)\n"
	"	+ erf(v) + lgamma(v) + tgamma(v) + cbrt(v) + hypot(v, 4) + fmod(big, v) + "
	"remainder(v, 0.3) + fma(v, v, v)\n"
	"	+ floor(v) + rint(v) + nextafter(v, 9) + exp2(v) + log10(v) + asinh(v) + expm1(v) "
	"+ ldexp(v, 5) + logb(big)\n"
	"	+ lround(big) + sinf(v) + powf(v, 3) + expf(v) + (double)sinl(v) + (double)powl(v, "
	"2) + exp10(v) + roundeven(v); }\n"
	"double complexes(void) { double complex z = v + 2 * I; z = cexp(z) * csqrt(z) / clog(z); "
	"return cabs(z) + carg(z) + creal(cpow(z, z)); }\n"
	"double texts(void) { char *end, b[64], *save; strcpy(b, \"alpha,beta;;gamma\"); double s "
	"= strtod(\"12.5e3x\", &end) + *end;\n"
	"	s += strtol(\"-0x1f\", NULL, 0) + strtoull(\"123456789012\", NULL, 10) + "
	"atoi(\"77\") + strtof(\"1.25\", NULL);\n"
	"	for (char *t = strtok_r(b, \",;\", &save); t; t = strtok_r(NULL, \",;\", &save)) s "
	"+= strlen(t) * t[0];\n"
	"	s += strtod(\"0x1.8p3\", NULL) + strtod(\"1e400\", NULL) * 0 + (errno == ERANGE);\n"
	"	return isnan(s) ? strtod(\"nan\", NULL) == 1 ? 1 : 2 : s; }\n"
	"double bytes(void) { char a[300], b[300]; memset(a, one, sizeof a); memcpy(b, a, 300); "
	"b[200] = 9; double s = memcmp(a, b, 300) < 0;\n"
	"	s += (char *)memchr(b, 9, 300) - b; s += (char *)memrchr(b, 1, 150) - b; memmove(a "
	"+ 1, a, 250); a[299] = 0; b[299] = 0;\n"
	"	s += strlen(a) + strnlen(b, 100) + strspn(a, \"\\1\") + strcspn(b, \"\\11\"); s += "
	"strcasecmp(\"HeLLo\", \"hello\");\n"
	"	s += strstr(\"needle in hay\", \"in\") - (char *)0 != 0; s += ffs(40) + (strchr(b, "
	"9) != NULL); bzero(a, 10);\n"
	"	return s + a[5] + strcmp(\"a\", \"b\") / 1 + (memmem(b, 299, \"\\11\", 1) != "
	"NULL); }\n"
	"double letters(void) { double s = 0; for (int c = 0; c < 128; c++) s += isalpha(c) != 0 ? "
	"1 : isdigit(c) ? 100 : ispunct(c) ? 1e4 : toupper(c); return s; }\n"
	"double wide(void) { __int128 x = (__int128)big * (__int128)big * 12345, y = x / (one + 6) "
	"+ x % 1000003; double s = (double)y;\n"
	"	_Float16 h = (_Float16)v; s += h; return s + __builtin_popcountll(one * 0x12345) + "
	"(double)(float)(x >> 5); }\n"
	"double modes(void) { fesetround(FE_UPWARD); double up = v / 3; fesetround(FE_TONEAREST); "
	"feclearexcept(FE_ALL_EXCEPT);\n"
	"	volatile double z = one / 3.0; return up + z + (fetestexcept(FE_INEXACT) != 0) + "
	"fegetround(); }\n"
	"static int cmp(const void *a, const void *b, void *arg) { return *(const int *)a - "
	"*(const int *)b; }\n"
	"double heap(void) { int *p = calloc(100, 4), *q; double s = 0; srand(5); for (int i = 0; "
	"i < 100; i++) p[i] = rand() % 1000;\n"
	"	qsort_r(p, 100, 4, cmp, NULL); p = realloc(p, 4000); for (int i = 0; i < 100; i++) "
	"s += p[i] * (i + 1.0);\n"
	"	q = aligned_alloc(256, 512); s += (uintptr_t)q % 256; char *t = strdup(\"copy\"); "
	"s += strlen(t); free(t); free(p); free(q);\n"
	"	div_t d = div(17, 5); return s + d.quot * 10 + d.rem + labs(-4L); }\n"
	"double processor(void) { __builtin_cpu_init(); return __builtin_cpu_supports(\"sse2\") + "
	"2 * __builtin_cpu_supports(\"avx2\")\n"
	"	+ 4 * __builtin_cpu_supports(\"avx512f\"); }\n";

static const char *const functions[] = { "reals", "complexes", "texts", "bytes",    "letters",
					 "wide",  "modes",     "heap",  "processor" };

static void check_one(void *library, const char *name)
{
	double (*here)(void) = (double (*)(void))dlsym(library, name);
	struct ending e;
	double there;

	plan_for(codelet, name);
	codelet->plan->ret = WIRE_RET_F64;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_MSG(!e.syscall, "%s calls the system: %d", name, e.call.nr);
	memcpy(&there, codelet->claim->ret, sizeof(there));
	CHECK_MSG(here && here() == there, "%s: here %.17g, in a run %.17g", name,
		  here ? here() : 0, there);
}

static void imports_agree(void)
{
	struct template *shared = codelet;
	char command[256];
	void *library;

	codelet = template_new(compile("calls", "-fno-builtin -O0", calls), 1 << 20, "");
	REQUIRE(codelet->setup.rc == 0);
	snprintf(command, sizeof(command),
		 "cd %s && gcc -w -O0 -fno-builtin -fPIC -shared -o calls.so calls.c -lm", folder);
	REQUIRE(system(command) == 0);
	snprintf(command, sizeof(command), "%s/calls.so", folder);
	library = dlopen(command, RTLD_NOW);
	REQUIRE(library);
	for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		check_one(library, functions[i]);
	dlclose(library);
	template_drop(codelet);
	codelet = shared;
}

int main(void)
{
	if (!codelet_start())
		return 1;
	RUN(imports_agree);
	return codelet_stop();
}
