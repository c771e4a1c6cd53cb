/* SPDX-License-Identifier: MIT */
/*
 * One bracket of calls: reads the clock, calls a function count times on the codelet's stack, reads the clock again.
 *
 * The function is hostile. After it returns no register is believed: everything is found relative to the instruction
 * pointer, in runner_frame. What the ABI has a function preserve is checked and put right when the bracket is
 * closed; the stack pointer is loaded anew before each call. System V ABI, AMD64 supplement, 3.2.
 */

	.set	INTS, 0
	.set	FLOATS, 48
	.set	STACK_ARGS, 112
	.set	NSTACK, 240
	.set	NFLOATS, 248
	.set	FUNCTION, 256
	.set	STACK, 264
	.set	COUNT, 272
	.set	LATENCY, 280
	.set	RET_INT, 288
	.set	RET_FLOAT, 296
	.set	BEGIN, 304
	.set	END, 312
	.set	OWN_STACK, 320
	.set	ABI, 328
	.set	THREAD, 336
	.set	HAS_AVX, 344
	.set	HAS_FSGSBASE, 352
	.set	CANARIES, 360
	.set	SCRATCH, 408
	.set	MXCSR, 416

	.set	ABI_REGISTERS, 1
	.set	ABI_STACK, 2
	.set	ABI_FLAGS, 4
	.set	ABI_MXCSR, 8
	.set	ABI_X87, 16
	.set	ABI_THREAD, 32

#define F(offset) runner_frame + offset(%rip)

	.macro	calls, serialize
	lfence
	rdtsc
	lfence
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, F(BEGIN)
	.balign	64
1:
	.if	\serialize
	lfence
	.endif
	movq	F(STACK), %rsp
	movq	F(NSTACK), %rcx
	testq	%rcx, %rcx
	jnz	5f
2:	movl	F(NFLOATS), %eax
	testl	%eax, %eax
	jnz	6f
3:	movq	F(INTS + 0), %rdi
	movq	F(INTS + 8), %rsi
	movq	F(INTS + 16), %rdx
	movq	F(INTS + 24), %rcx
	movq	F(INTS + 32), %r8
	movq	F(INTS + 40), %r9
	call	*F(FUNCTION)
	cmpq	%rsp, F(STACK)
	jne	7f
4:	decq	F(COUNT)
	jnz	1b
	jmp	.Lclose
5:	leaq	F(STACK_ARGS), %r10
51:	movq	-8(%r10, %rcx, 8), %r11
	movq	%r11, -8(%rsp, %rcx, 8)
	decq	%rcx
	jnz	51b
	jmp	2b
6:	movsd	F(FLOATS + 0), %xmm0
	movsd	F(FLOATS + 8), %xmm1
	movsd	F(FLOATS + 16), %xmm2
	movsd	F(FLOATS + 24), %xmm3
	movsd	F(FLOATS + 32), %xmm4
	movsd	F(FLOATS + 40), %xmm5
	movsd	F(FLOATS + 48), %xmm6
	movsd	F(FLOATS + 56), %xmm7
	jmp	3b
7:	orq	$ABI_STACK, F(ABI)
	jmp	4b
	.endm

	.text
	.globl	runner_call
	.type	runner_call, @function
	.balign	64
runner_call:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, F(OWN_STACK)
	movq	F(CANARIES + 0), %rbx
	movq	F(CANARIES + 8), %rbp
	movq	F(CANARIES + 16), %r12
	movq	F(CANARIES + 24), %r13
	movq	F(CANARIES + 32), %r14
	movq	F(CANARIES + 40), %r15
	cmpq	$0, F(LATENCY)
	jne	.Llatency
	calls	0
.Llatency:
	calls	1

.Lclose:
	movq	%rax, F(RET_INT)
	movsd	%xmm0, F(RET_FLOAT)
	rdtscp
	lfence
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, F(END)
	movq	F(OWN_STACK), %rsp

	xorl	%ecx, %ecx
	xorq	F(CANARIES + 0), %rbx
	xorq	F(CANARIES + 8), %rbp
	xorq	F(CANARIES + 16), %r12
	xorq	F(CANARIES + 24), %r13
	xorq	F(CANARIES + 32), %r14
	xorq	F(CANARIES + 40), %r15
	orq	%rbp, %rbx
	orq	%r12, %rbx
	orq	%r13, %rbx
	orq	%r14, %rbx
	orq	%r15, %rbx
	jz	1f
	orl	$ABI_REGISTERS, %ecx
1:	pushfq
	popq	%rax
	testl	$0x40400, %eax		/* alignment check, direction */
	jz	2f
	orl	$ABI_FLAGS, %ecx
	andl	$~0x40400, %eax
	pushq	%rax
	popfq
2:	stmxcsr	F(SCRATCH)
	movl	F(SCRATCH), %eax
	xorl	F(MXCSR), %eax
	testl	$0xffc0, %eax		/* all but the sticky flags */
	jz	3f
	orl	$ABI_MXCSR, %ecx
3:	ldmxcsr	F(MXCSR)
	fnstcw	F(SCRATCH)
	cmpw	$0x37f, F(SCRATCH)
	je	4f
	orl	$ABI_X87, %ecx
4:	fninit
	cmpq	$0, F(HAS_AVX)
	je	5f
	vzeroupper
5:	cmpq	$0, F(HAS_FSGSBASE)
	je	6f
	rdfsbase %rax
	cmpq	%rax, F(THREAD)
	je	6f
	orl	$ABI_THREAD, %ecx
	movq	F(THREAD), %rax
	wrfsbase %rax
6:	orq	%rcx, F(ABI)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size	runner_call, . - runner_call

/* What an empty bracket calls. */
	.globl	runner_empty
	.type	runner_empty, @function
	.balign	64
runner_empty:
	ret
	.size	runner_empty, . - runner_empty

	.section .note.GNU-stack, "", @progbits
