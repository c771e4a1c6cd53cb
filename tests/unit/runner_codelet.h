/* SPDX-License-Identifier: MIT */
/*
 * A codelet of many functions, well-behaved and hostile, compiled by gcc on the spot, and its
 * template.
 */
#ifndef RUNNER_CODELET_H
#define RUNNER_CODELET_H

#include "runner_play.h"

#define PAGE 4096

static char folder[] = "/tmp/runner_run.XXXXXX";
static struct template *codelet; /* of the tests that need nothing special */

/* Compiles source into folder/NAME.o. */
static inline const char *compile(const char *name, const char *flags, const char *source)
{
	static char path[128];
	char command[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.c", folder, name);
	file = fopen(path, "w");
	if (!file || fputs(source, file) < 0 || fclose(file) != 0)
		abort();
	snprintf(path, sizeof(path), "%s/%s.o", folder, name);
	snprintf(command, sizeof(command), "cd %s && gcc -w -O1 %s -c -o %s.o %s.c", folder, flags,
		 name, name);
	if (system(command) != 0)
		abort();
	return path;
}

static const char source[] =
	"#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n#include "
	"<math.h>\n#include <setjmp.h>\n"
	"int call0(void) { return 42; }\n"
	"uint64_t ints8(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, "
	"uint64_t g, uint64_t h)\n"
	"{ return a + 10*b + 100*c + 1000*d + 10000*e + 100000*f + 1000000*g + 10000000*h; }\n"
	"double mixed(int64_t i1, double d1, int64_t i2, float f2, double d3, double d4, double "
	"d5, double d6, double d7,\n"
	"	double d8, double d9, float f10, int64_t i3, int64_t i4, int64_t i5, int64_t i6)\n"
	"{ return i1 + 2*i2 + 3*i3 + 4*i4 + 5*i5 + 6*i6 + d1/2 + f2/4 + d3 + d4 + d5 + d6 + d7 + "
	"d8 + 100*d9 + 1000*f10; }\n"
	"uint64_t seven(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, "
	"uint64_t g)\n"
	"{ return ((uintptr_t)__builtin_frame_address(0) & 15) * 1000 + g; }\n"
	"float half(float x) { return x / 2; }\n"
	"double root(double x) { return sqrt(x) + sin(0.0); }\n"
	"int sum(const int *x, int n) { int s = 0; for (int i = 0; i < n; i++) s += x[i]; return "
	"s; }\n"
	"void put(int *x, int i) { x[i] = 7; }\n"
	"int bump(int *x) { return ++x[0]; }\n"
	"long own_pid(void) { long r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(39) : "
	"\"rcx\", \"r11\"); return r; }\n"
	"long x32(void) { long r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(0x40000027) : "
	"\"rcx\", \"r11\"); return r; }\n"
	"long i386(void) { long r; __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(20)); return "
	"r; }\n"
	"void quit(void) { __asm__ volatile(\"syscall\" : : \"a\"(231), \"D\"(0)); }\n"
	"static int counter; int count(void) { return counter++; }\n"
	"static int born; __attribute__((constructor)) static void make(void) { born += 7; }\n"
	"int inited(void) { return born; }\n"
	"static int answer(void) { return 99; }\n"
	"static void *choose(void) { return answer; }\n"
	"int chosen(void) __attribute__((ifunc(\"choose\")));\n"
	"int call_chosen(void) { return chosen() + 1; }\n"
	"__thread int thread_value = 5; __thread char thread_zero[100];\n"
	"int thread(void) { return thread_value++ + thread_zero[99]; }\n"
	"long fill(long n) { char *p = malloc(n); if (!p) return -1; memset(p, 1, n); long s = 0;\n"
	"	for (long i = 0; i < n; i++) s += p[i]; free(p); return s; }\n"
	"int deep(int n) { volatile char room[4096]; room[0] = n; return n == 0 ? 0 : deep(n + 1) "
	"+ room[0]; }\n"
	"void spin(void) { for (;;) __asm__ volatile(\"\"); }\n"
	"void spoil(void) { __asm__ volatile(\"std\\n\\tmovl $0, -4(%rsp)\\n\\tldmxcsr "
	"-4(%rsp)\\n\\t\"\n"
	"	\"movw $0x27f, -4(%rsp)\\n\\tfldcw -4(%rsp)\\n\\tmovq $1, %rbx\\n\\tmovq $2, "
	"%rbp\\n\\tmovq $3, %r12\\n\\t\"\n"
	"	\"movq $4, %r13\\n\\tmovq $5, %r14\\n\\tmovq $6, %r15\\n\\tpushfq\\n\\torq "
	"$0x40000, (%rsp)\\n\\tpopfq\"); }\n"
	"__asm__(\".globl unwind\\nunwind: popq %rax\\naddq $64, %rsp\\njmp *%rax\\n\");\n"
	"void null(void) { *(volatile int *)16 = 1; }\n"
	"void wild(void) { ((void (*)(void))0x10)(); }\n"
	"int zero(int n) { return 5 / n; }\n"
	"void trap(void) { __asm__ volatile(\"int3\"); }\n"
	"void bad(void) { __asm__ volatile(\"ud2\"); }\n"
	"void unaligned(void) { __asm__ volatile(\"pushfq\\n\\torq $0x40000, "
	"(%rsp)\\n\\tpopfq\\n\\tmovl 1(%rsp), %eax\"); }\n"
	"void give_up(void) { abort(); }\n"
	"void twice(void) { void *volatile p = malloc(8); free(p); free(p); }\n"
	"void order(uint32_t *x, long n, int (*cmp)(const void *, const void *)) { qsort(x, n, 4, "
	"cmp); }\n"
	"static jmp_buf place; static void out(int v) { longjmp(place, v); }\n"
	"int jump(void) { int v = setjmp(place); if (v < 3) out(v + 1); return v; }\n"
	"uint64_t work(uint64_t n) { uint64_t a = 1; while (n--) __asm__ volatile(\"imulq %0, %0\" "
	": \"+r\"(a)); return a; }\n"
	"int missing(void); int call_missing(void) { return missing(); }\n"
	"void self(void) { *(volatile char *)call0 = 0xc3; }\n"
	"void heap_code(void) { char *p = malloc(16); p[0] = 0xc3; ((void (*)(void))p)(); }\n";

static inline void run_function(const char *function, struct ending *out)
{
	plan_for(codelet, function);
	*out = play(codelet, -1, 2000);
}

static inline bool codelet_start(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!mkdtemp(folder))
		abort();
	codelet = template_new(compile("codelet", "", source), 1 << 20, "missing=trap");
	if (codelet->setup.rc)
		printf("not ok set_up: %s\n", codelet->setup.text);
	return codelet->setup.rc == 0;
}

static inline int codelet_stop(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	if (system(command) != 0)
		abort();
	template_drop(codelet);
	return check_done();
}

#endif
