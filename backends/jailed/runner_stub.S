/* SPDX-License-Identifier: MIT */
/*
 * What a codelet calls and C cannot express: stubs of imports that end the run, setjmp, a TLS descriptor's resolver.
 */
	.text

/* Stub i ends the run with the name that imports.c keeps for i; the codelet's stack may be of no use any more. */
	.globl	imports_trap_stubs
	.type	imports_trap_stubs, @function
	.balign	16
imports_trap_stubs:
	.set	index, 0
	.rept	96
	.balign	16
	movl	$index, %edi
	jmp	trap
	.set	index, index + 1
	.endr
	.size	imports_trap_stubs, . - imports_trap_stubs

	.type	trap, @function
trap:
	cld
	movq	%rsp, %rsi
	movq	imports_trap_stack(%rip), %rsp
	xorl	%ebp, %ebp
	call	imports_trapped
	ud2
	.size	trap, . - trap

/* lea x@tlsdesc(%rip), %rax; call *(%rax): the offset from the thread pointer stands beside the resolver's address. */
	.globl	imports_tlsdesc
	.type	imports_tlsdesc, @function
	.balign	16
imports_tlsdesc:
	endbr64
	movq	8(%rax), %rax
	ret
	.size	imports_tlsdesc, . - imports_tlsdesc

/* The C library's would ask for the signal mask. jmp_buf: rbx rbp r12 r13 r14 r15 rsp rip. */
	.globl	import_setjmp, import__setjmp, import___sigsetjmp
	.type	import_setjmp, @function
	.balign	16
import_setjmp:
import__setjmp:
import___sigsetjmp:
	endbr64
	movq	%rbx, (%rdi)
	movq	%rbp, 8(%rdi)
	movq	%r12, 16(%rdi)
	movq	%r13, 24(%rdi)
	movq	%r14, 32(%rdi)
	movq	%r15, 40(%rdi)
	leaq	8(%rsp), %rax
	movq	%rax, 48(%rdi)
	movq	(%rsp), %rax
	movq	%rax, 56(%rdi)
	xorl	%eax, %eax
	ret
	.size	import_setjmp, . - import_setjmp

	.globl	import_longjmp, import__longjmp, import___longjmp_chk
	.type	import_longjmp, @function
	.balign	16
import_longjmp:
import__longjmp:
import___longjmp_chk:
	endbr64
	movl	%esi, %eax
	testl	%eax, %eax
	jne	1f
	incl	%eax
1:	movq	(%rdi), %rbx
	movq	8(%rdi), %rbp
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	48(%rdi), %rsp
	jmp	*56(%rdi)
	.size	import_longjmp, . - import_longjmp

	.section .note.GNU-stack, "", @progbits
