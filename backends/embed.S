/* SPDX-License-Identifier: MIT */
/*
 * The jailed helpers and the guard of rockers as bytes of the daemon: the launcher writes them into sealed memfds, so that no file on disk has to be
 * trusted when a jail is built.
 */
	.section .rodata.jailed, "a", @progbits

	.macro	embed name, file
	.globl	\name, \name\()_size
	.type	\name, @object
	.type	\name\()_size, @object
	.balign	16
\name:
	.incbin	"\file"
9:
	.size	\name, 9b - \name
	.balign	8
\name\()_size:
	.quad	9b - \name
	.size	\name\()_size, 8
	.endm

	embed	jailed_runner, RUNNER
	embed	jailed_inspector, INSPECTOR
	embed	jailed_guard, GUARD

	.section .note.GNU-stack, "", @progbits
