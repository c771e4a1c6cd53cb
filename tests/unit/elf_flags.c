/* SPDX-License-Identifier: MIT */
/*
 * One source, compiled in every way that changes how code reaches its data, gives what ld makes of it.
 * deadline: 300
 * single-threaded
 */
#include "elf_fixture.h"

static const char source[] =
	"#include <math.h>\n"
	"#include <string.h>\n"
	"typedef int (*fn)(int);\n"
	"int counter; int common_array[100]; static int local_bss[7];\n"
	"int initialised = 42; static int hidden[4] = { 1, 2, 3, 4 };\n"
	"const char *const texts[] = { \"alpha\", \"beta\", \"gamma\" };\n"
	"int *pointer = &hidden[2];\n"
	"__thread int tls_zero; __thread int tls_set = 7; static __thread int tls_static = 9;\n"
	"__thread int *tls_pointer = &initialised; static __thread char tls_block[3000];\n"
	"extern int absent_function(int) __attribute__((weak)); extern int absent_data __attribute__((weak));\n"
	"__attribute__((weak)) int weak_here(int x) { return x + 1; }\n"
	"static int twice(int x) { return 2 * x; }\n"
	"static int thrice(int x) { return 3 * x; }\n"
	"#ifdef PLAIN /* ld has no IFUNC in position-independent code of the large model */\n"
	"int chosen(int x) { return thrice(x); }\n"
	"static int chosen_static(int x) { return twice(x); }\n"
	"#else\n"
	"static fn choose(void) { return thrice; }\n"
	"int chosen(int) __attribute__((ifunc(\"choose\")));\n"
	"static fn choose_static(void) { return twice; }\n"
	"static int chosen_static(int) __attribute__((ifunc(\"choose_static\")));\n"
	"#endif\n"
	"fn table[] = { twice, thrice, weak_here, chosen };\n"
	"static int order;\n"
	"__attribute__((constructor(201))) static void second(void) { order = order * 10 + 2; }\n"
	"__attribute__((constructor)) static void third(void) { order = order * 10 + 3; }\n"
	"__attribute__((constructor(101))) static void first(void) { order = order * 10 + 1; counter = 5; }\n"
	"__attribute__((noinline)) int sw(int x)\n"
	"{\n"
	"	switch (x) { case 0: return 10; case 1: return initialised; case 2: return x * 77; case 3: return -903;\n"
	"	case 4: return counter; case 5: return hidden[x & 3]; case 6: return twice(x); case 7: return 1 << 20; }\n"
	"	return x ^ 0x55aa;\n"
	"}\n"
	"__attribute__((noinline)) int large_frame(int n)\n"
	"{\n"
	"	volatile char big[20000]; char vla[n + 1]; int sum = 0;\n"
	"	memset(vla, n, sizeof(vla)); memset((char *)big, 3, sizeof(big));\n"
	"	for (int i = 0; i <= n; i++) sum += vla[i] + big[i * 13];\n"
	"	return sum;\n"
	"}\n"
	"__attribute__((noinline)) int wide(int n)\n"
	"{\n"
	"	__int128 a = (__int128)n << 70, b = n | 1; unsigned __int128 c = (unsigned __int128)a + 12345;\n"
	"	return (int)(a / b >> 60) + (int)(c % 1000003) + __builtin_popcountll((unsigned long long)n * 0x9e3779b9);\n"
	"}\n"
	"int use_all(int n)\n"
	"{\n"
	"	int sum = 0; fn indirect = table[n & 3];\n"
	"	for (int i = 0; i < 12; i++) sum += sw(i);\n"
	"	common_array[n & 63] += n; local_bss[n % 7] = n; tls_zero += n; tls_set += 2; tls_static ^= n;\n"
	"	tls_block[n & 1023] = 1; *tls_pointer += 1;\n"
	"	sum += common_array[n & 63] + local_bss[n % 7] + tls_zero + tls_set + tls_static + tls_block[n & 1023];\n"
	"	sum += *pointer + indirect(n) + table[3](n) + chosen(n) + chosen_static(n) + weak_here(n) + order;\n"
	"	sum += (int)strlen(texts[n % 3]) + large_frame(n & 127) + wide(n) + initialised;\n"
	"	sum += table[3] == chosen;\n"
	"	if (absent_function) sum += absent_function(n);\n"
	"	if (&absent_data) sum += absent_data;\n"
	"	return sum;\n"
	"}\n"
	"double fp(double x) { return sin(x) + pow(x, 2.5) / 3.0 + fmod(x, 0.7) + sqrt(x) - 1e-3 + (double)(__int128)x; }\n"
	"float fpf(float x) { return expf(x) + sqrtf(x) * 1.5f + fmaf(x, x, 0.25f); }\n";

static const char harness[] =
	"#include <stdio.h>\n"
	"int use_all(int); int sw(int); double fp(double); float fpf(float);\n"
	"int main(void)\n"
	"{\n"
	"	for (int i = 0; i < 20; i++) {\n"
	"		int all = use_all(i * 37);\n"
	"		printf(\"%d %d %.17g %.9g\\n\", all, sw(i), fp(i * 0.37), fpf(i * 0.11f));\n"
	"	}\n"
	"	return 0;\n"
	"}\n";

static const char *const flag_sets[] = {
	"-O0",
	"-O1",
	"-O2",
	"-O3",
	"-Os",
	"-O2 -fPIC",
	"-O2 -fPIE",
	"-O2 -fno-pic -fno-pie",
	"-O0 -fno-pic -fno-pie -fcommon",
	"-O2 -fPIC -fno-plt",
	"-O2 -fno-pic -fno-plt",
	"-O2 -fno-pic -mcmodel=large",
	"-O2 -fPIC -mcmodel=large -DPLAIN",
	"-O2 -mcmodel=medium -fno-pic",
	"-O2 -fPIC -ftls-model=global-dynamic",
	"-O2 -fPIC -ftls-model=local-dynamic",
	"-O2 -fPIC -ftls-model=initial-exec",
	"-O2 -ftls-model=local-exec",
	"-O2 -fPIC -mtls-dialect=gnu2",
	"-O2 -fPIC -fno-plt -ftls-model=global-dynamic",
	"-O2 -ffunction-sections -fdata-sections -fcommon",
	"-O2 -g -fstack-protector-all -fcf-protection=full",
	"-O3 -ffast-math -fno-asynchronous-unwind-tables",
};

/* What a program that ld made of the object prints. */
static bool expected(const char *compiler, char *out, size_t size)
{
	FILE *stream;
	size_t n;

	if (fixture_run("cd %s && %s -no-pie harness.o out.o -o harness -lm", fixture_dir, compiler) != 0)
		return false;
	stream = popen(fixture_path("harness"), "r");
	if (!stream)
		return false;
	n = fread(out, 1, size - 1, stream);
	out[n] = '\0';
	return pclose(stream) == 0;
}

static void actual(struct fixture *fixture, char *out, size_t size)
{
	int (*use_all)(int) = (int (*)(int))fixture_function(fixture, "use_all");
	int (*sw)(int) = (int (*)(int))fixture_function(fixture, "sw");
	double (*fp)(double) = (double (*)(double))fixture_function(fixture, "fp");
	float (*fpf)(float) = (float (*)(float))fixture_function(fixture, "fpf");
	size_t used = 0;

	REQUIRE(use_all && sw && fp && fpf);
	for (int i = 0; i < 20 && used < size; i++) {
		int all = use_all(i * 37);

		used += (size_t)snprintf(out + used, size - used, "%d %d %.17g %.9g\n", all, sw(i), fp(i * 0.37),
					 (double)fpf((float)i * 0.11f));
	}
}

static void one(const char *compiler, const char *flags, unsigned *done)
{
	char theirs[4096] = "";
	char ours[4096] = "";
	struct fixture fixture;
	size_t size;
	void *file = fixture_compile(compiler, flags, "all.c", source, &size);
	int rc;

	if (!file)
		return; /* clang 14 lacks one of the dialects */
	if (!expected(compiler, theirs, sizeof(theirs))) {
		printf("# ld refuses %s %s\n", compiler, flags);
		free(file);
		return;
	}
	rc = fixture_link(&fixture, file, size, fixture_import);
	CHECK_MSG(rc == 0, "%s %s: %d %s", compiler, flags, rc, fixture.err.text);
	if (rc == 0) {
		fixture_start(&fixture);
		actual(&fixture, ours, sizeof(ours));
		CHECK_MSG(strcmp(ours, theirs) == 0, "%s %s: %s instead of %s", compiler, flags, ours, theirs);
		++*done;
	}
	fixture_close(&fixture);
}

static void census(const char *compiler, unsigned least)
{
	unsigned done = 0;

	if (fixture_run("%s --version", compiler) != 0) {
		check_skip("this compiler is not installed");
		return;
	}
	fixture_write("harness.c", harness, strlen(harness));
	REQUIRE(fixture_run("cd %s && %s -O1 -fno-pie -c harness.c", fixture_dir, compiler) == 0);
	for (size_t i = 0; i < sizeof(flag_sets) / sizeof(flag_sets[0]); i++)
		one(compiler, flag_sets[i], &done);
	printf("# %s: %u flag sets\n", compiler, done);
	CHECK_MSG(done >= least, "only %u flag sets of %s were compared", done, compiler);
}

static void gcc_objects_give_what_ld_gives(void)
{
	census("gcc", 23);
}

#ifndef __SANITIZE_ADDRESS__ /* one compiler's objects take it through the linker's memory */
static void clang_objects_give_what_ld_gives(void)
{
	census("clang", 22);
}
#endif

int main(void)
{
	(void)fixture_path("");
	RUN(gcc_objects_give_what_ld_gives);
#ifndef __SANITIZE_ADDRESS__
	RUN(clang_objects_give_what_ld_gives);
#endif
	fixture_clean();
	return check_done();
}
