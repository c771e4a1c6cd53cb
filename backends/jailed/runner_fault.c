/* SPDX-License-Identifier: MIT */
/*
 * What a run does when its codelet faults: it notes signal, address and instruction in the claim,
 * then faults again in the same way with no handler left, since it may not call kill(2).
 */
#include "runner.h"

#include "imports.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define STACK_BYTES                                                                                \
	(64u << 10) /* the largest register file that a frame must hold takes 11 KiB   \
				 */

static unsigned char handler_stack[STACK_BYTES] __attribute__((aligned(64)));
static unsigned char ending_stack[STACK_BYTES] __attribute__((aligned(64)));

static _Noreturn void end_by(int number)
{
	for (;;) {
		switch (number) {
		case SIGFPE:
			__asm__ volatile("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\tdivl %%edx"
					 :
					 :
					 : "eax", "edx");
			break;
		case SIGTRAP:
			__asm__ volatile("int3");
			break;
		case SIGBUS: /* with alignment checked, an unaligned access; the stack is aligned */
			__asm__ volatile(
				"pushfq\n\torq $0x40000, (%%rsp)\n\tpopfq\n\tmovl 1(%%rsp), %%eax"
				:
				:
				: "eax");
			break;
		case SIGILL:
			__asm__ volatile("ud2");
			break;
		default:
			__asm__ volatile("movl $0, 0");
			break;
		}
		number = SIGILL; /* whatever went wrong with the above */
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	const ucontext_t *at = context;
	struct wire_claim *claim = runner.claim;

	if (!claim->fault_signal) {
		claim->fault_code = info->si_code;
		claim->fault_address = (uint64_t)info->si_addr;
		claim->fault_ip = at->uc_mcontext.gregs[REG_RIP];
		claim->fault_signal = number;
	}
	end_by(number);
}

_Noreturn void imports_ended(const char *name, const uint64_t *sp)
{
	struct wire_claim *claim = runner.claim;

	for (size_t i = 0; i + 1 < sizeof(claim->fault_name) && name[i]; i++)
		claim->fault_name[i] = name[i];
	claim->fault_code = WIRE_FAULT_IMPORT;
	claim->fault_address = 0;
	claim->fault_ip = 0;
	claim->fault_signal = SIGILL;
	__asm__ volatile("" : : : "memory");
	if (sp) /* may fault in its turn; what is noted stays */
		claim->fault_ip = *sp;
	end_by(SIGILL);
}

int runner_faults(struct elf_error *err)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	stack_t stack = { .ss_sp = handler_stack, .ss_size = sizeof(handler_stack) };
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
	imports_trap_stack = (uint64_t)ending_stack + sizeof(ending_stack) - 64;
	if (sigaltstack(&stack, NULL) < 0)
		return runner_refuse(err, -errno, "a run cannot have a stack for its faults");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], &action, NULL) < 0)
			return runner_refuse(err, -errno, "a run cannot handle its faults");
	return 0;
}
