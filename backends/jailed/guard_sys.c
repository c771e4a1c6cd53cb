/* SPDX-License-Identifier: MIT */
/* What a guard needs of a machine: its entry point, a clone onto another stack, memory functions. */
#include "guard_sys.h"

#include <string.h>

#include "guard_own.h"

_Noreturn void sys_exit(int status)
{
	for (;;)
		SYS_1(SYS_exit_group, status);
}

#if defined __x86_64__

__asm__(".text\n"
	".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rdi\n"
	"	andq $-16, %rsp\n"
	"	call guard_main\n"
	"	hlt\n"
	".size _start, . - _start\n"
	".globl sys_restorer\n"
	".hidden sys_restorer\n"
	".type sys_restorer, @function\n"
	"sys_restorer:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	".size sys_restorer, . - sys_restorer\n");

long sys_spawn(unsigned long flags, const struct sys_child *child)
{
	register void (*r12)(void *) __asm__("r12") = child->run;
	register void *r13 __asm__("r13") = child->arg;
	register uint32_t *r10 __asm__("r10") = child->gone;
	register long r8 __asm__("r8") = 0;
	long result;

	__asm__ volatile("syscall\n"
			 "	testq %%rax, %%rax\n"
			 "	jnz 1f\n"
			 "	xorl %%ebp, %%ebp\n"
			 "	movq %%r13, %%rdi\n"
			 "	call *%%r12\n"
			 "	hlt\n"
			 "1:\n"
			 : "=a"(result)
			 : "a"((long)SYS_clone), "D"(flags), "S"(child->stack_end), "d"(0L),
			   "r"(r10), "r"(r8), "r"(r12), "r"(r13)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

#elif defined __aarch64__

__asm__(".text\n"
	".globl _start\n"
	".type _start, %function\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	bl guard_main\n"
	"	brk #1\n"
	".size _start, . - _start\n"
	".globl sys_restorer\n"
	".hidden sys_restorer\n"
	".type sys_restorer, %function\n"
	"sys_restorer:\n"
	"	mov x8, #139\n" /* rt_sigreturn */
	"	svc #0\n"
	".size sys_restorer, . - sys_restorer\n");

long sys_spawn(unsigned long flags, const struct sys_child *child)
{
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = (long)flags;
	register char *x1 __asm__("x1") = child->stack_end;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register uint32_t *x4 __asm__("x4") = child->gone;
	register void (*x9)(void *) __asm__("x9") = child->run;
	register void *x10 __asm__("x10") = child->arg;

	__asm__ volatile("svc #0\n"
			 "	cbnz x0, 1f\n"
			 "	mov x29, #0\n"
			 "	mov x0, x10\n"
			 "	blr x9\n"
			 "	brk #1\n"
			 "1:\n"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9), "r"(x10)
			 : "memory", "cc", "x30");
	return x0;
}

#endif

/*
 * Compilers call these by themselves. The empty asm keeps a loop from being recognised as what it
 * implements.
 */
void *memset(void *to, int byte, size_t size)
{
	char *p = to;

	while (size--) {
		*p++ = (char)byte;
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	char *p = to;
	const char *q = from;

	while (size--) {
		*p++ = *q++;
		__asm__ volatile("" : : : "memory");
	}
	return to;
}
