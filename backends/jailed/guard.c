/* SPDX-License-Identifier: MIT */
/* PID 1 of a rocker. */
#include <sys/syscall.h>

_Noreturn void _start(void);

_Noreturn void _start(void)
{
	for (;;)
#if defined __x86_64__
		__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
#else
		;
#endif
}
