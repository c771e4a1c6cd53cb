/* SPDX-License-Identifier: MIT */
/*
 * System calls without a libc: a guard has no errno, no stdio, no start-up code, and no relocation.
 *
 * Each returns what the kernel does: -errno for a failure.
 */
#ifndef GUARD_SYS_H
#define GUARD_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if defined __x86_64__

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#elif defined __aarch64__

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "no guard for this machine"
#endif

#define SYS_1(nr, a)             sys6(nr, (long)(a), 0, 0, 0, 0, 0)
#define SYS_2(nr, a, b)          sys6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS_3(nr, a, b, c)       sys6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS_4(nr, a, b, c, d)    sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS_5(nr, a, b, c, d, e) sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* As the kernel has it, which is not as libc has it. */
struct sys_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
#define SYS_RESTORER 0x04000000 /* SA_RESTORER, which x86 needs and others ignore */

/*
 * A child that shares this memory and runs run(arg) on the stack that ends at stack_end (16 bytes
 * aligned) and must not return. The pid. Flags of clone(2), of which CLONE_VM is one.
 */
struct sys_child {
	char *stack_end;
	void (*run)(void *);
	void *arg;
	uint32_t *
		gone; /* set to 0, with a wake-up of its futex, when it shares this memory no more */
};
long sys_spawn(unsigned long flags, const struct sys_child *child);
/* Where a signal handler returns to. Hidden, else its address is a relocation on some machines. */
__attribute__((visibility("hidden"))) void sys_restorer(void);

_Noreturn void sys_exit(int status);

#endif
