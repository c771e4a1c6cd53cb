/* SPDX-License-Identifier: MIT */
/*
 * What crosses the wall of a jail: messages on the control socket, and the shared pages of a run.
 *
 * A jailed helper ("zygote": the inspector or the runner) is execveat'ed with its control socket, a
 * SOCK_SEQPACKET, as descriptor WIRE_CTL_FD and nothing else open. It announces WIRE_READY, then
 * serves orders:
 *
 *   WIRE_SETUP (runner only; descriptors: codelet, link, plan, claim): links the codelet and
 *       executes none of it; answers WIRE_SETUP_DONE. Once in a zygote's life.
 *   WIRE_FORK (inspector only; descriptors: ELF and table memfds): forks with CLONE_PARENT, so that
 *       the launcher is the child's parent; only failure is answered (WIRE_FORK_FAILED). The child
 *       has a filter that kills; one that cannot begin sends WIRE_FORK_FAILED itself, by the same
 *       socket, and exits.
 *
 * After WIRE_SETUP_DONE the runner closes every descriptor and installs the final filter with
 * NEW_LISTENER: exit_group is allowed, everything else notifies. The listener is the lowest free
 * descriptor, WIRE_LISTENER_FD; the launcher takes it with pidfd_getfd, trying again while that
 * answers EBADF, and the runner closes its own. Descriptor 0 is closed when WIRE_SETUP_DONE is
 * sent, so that nothing but the listener can ever be taken for it. From then on template and runs
 * speak by notified calls alone, which the launcher answers or lets be made
 * (SECCOMP_USER_NOTIF_FLAG_CONTINUE):
 *
 *   clone(WIRE_CLONE_FLAGS, 0...) of the template: it is ready. The call is made when a run is
 *       ordered, so that each order makes one child, which is the launcher's and has filter and
 *       listener from its birth.
 *   fstat mmap munmap close sched_setaffinity of a child before its gate: made. With the first of
 *       them a child is given the arena memfd as descriptor WIRE_ARENA_FD, if there is one; it
 *       closes it when it has mapped its buffers.
 *   getppid of a child: its gate. The launcher has opened the counters and says go by answering.
 *       Once more, from the same instruction, it is the mark that a run makes before its first
 *       sample, unless that comes first of all: the processor time used by then is told apart, so
 *       that the samples can be held against what was used since.
 *   WIRE_CALL_TEXT, WIRE_CALL_FAILED of template or child: the fork has failed, or the child cannot
 *       begin. The registers of the first hold 48 bytes of a sentence; the first register of the
 *       second -errno. Never made.
 *
 * Everything else, and every other call of a child after its gate, is a violation and ends the run.
 * Since a call that is let be made is not looked at by the filter installed before, the launcher
 * lets pass only what that one allows.
 *
 * A filter that the launcher installs before execveat must deny with SECCOMP_RET_TRACE (ENOSYS
 * without a tracer, and there is none), also for other architectures and x32: ERRNO, TRAP and KILL
 * would take precedence over the run's USER_NOTIF and hide its violations. It has no listener of
 * its own. What the helpers need: execveat and glibc's start (brk arch_prctl set_tid_address
 * set_robust_list rseq prlimit64 readlinkat readlink getrandom mprotect fstat newfstatat mmap),
 * then recvmsg sendto clone wait4 exit exit_group mmap munmap mprotect madvise close close_range
 * fstat pread64 prctl seccomp rt_sigaction rt_sigprocmask sigaltstack sched_setaffinity setitimer
 * getppid; as "init": poll wait4 recvmsg.
 *
 * Everything that comes out of a jail is hostile: sizes are compared with !=, counts are bounded,
 * text is escaped. Pages are memfds made and sealed (SHRINK, GROW) by the daemon before the jail
 * sees them. Native byte order and alignment; both sides are of one build.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>

#define WIRE_CTL_FD      3
#define WIRE_LISTENER_FD 0
#define WIRE_ARENA_FD    0
#define WIRE_FDS_MAX     4
#define WIRE_TEXT_MAX    240

#define WIRE_CLONE_FLAGS (CLONE_PARENT | SIGCHLD)
#define WIRE_CALL_TEXT   SYS_write
#define WIRE_CALL_FAILED SYS_sendto

enum wire_order_type { WIRE_SETUP = 1, WIRE_FORK };
enum wire_report_type { WIRE_READY = 1, WIRE_SETUP_DONE, WIRE_FORK_FAILED };

struct wire_order {
	uint32_t type;
	uint32_t seq;         /* returned in the report */
	uint64_t arena_bytes; /* WIRE_SETUP, runner: size of the codelet's malloc arena */
	uint64_t stack_bytes; /* WIRE_SETUP, runner: the codelet's stack, guard page below */
	/* WIRE_SETUP, runner: [limits] imports, comma separated: "name" or "name=trap" */
	char allow[512];
};

struct wire_report {
	uint32_t type;
	uint32_t seq;
	int32_t rc; /* 0 or -errno */
	uint32_t reserved;
	char text[WIRE_TEXT_MAX]; /* a sentence when rc != 0 */
};

/* ---- link memfd: written by the runner while it links, closed by it before anything is forked  */

#define WIRE_SYMBOLS_MAX 8192
#define WIRE_LINK_BYTES  (1u << 20)
#define WIRE_OVERHEADS   32 /* batches 1, 2, 4, ... whose empty brackets are known */

struct wire_symbol {
	uint64_t address;
	uint32_t size;
	char name[52]; /* escaped, cut, NUL-terminated */
};

struct wire_link {
	uint64_t text_address, text_bytes;   /* where codelet code may stand */
	uint64_t image_address, image_bytes; /* all of it */
	uint64_t arena_address, arena_bytes;
	uint64_t stack_address, stack_bytes;
	/*
	 * medians of empty brackets around a function without arguments, by enum wire_mode and log2
	 * of the batch
	 */
	uint64_t overheads[2][WIRE_OVERHEADS];
	uint32_t count;
	uint32_t inits; /* init functions that each run calls first */
	struct wire_symbol symbols[WIRE_SYMBOLS_MAX]; /* functions, by address */
};

/*
 * ---- plan memfd: written by the daemon while no run of this template exists; read-only in the run
 */

#define WIRE_ARGS_MAX    16
#define WIRE_BUFFERS_MAX 64 /* buffers times sets */
#define WIRE_SETS_MAX    4
#define WIRE_SAMPLES_MAX 16384
#define WIRE_PLAN_BYTES  (64u << 10)

enum wire_arg_class { WIRE_INT = 1, WIRE_F32, WIRE_F64, WIRE_PTR, WIRE_FN };
enum wire_return { WIRE_VOID = 0, WIRE_RET_INT, WIRE_RET_F32, WIRE_RET_F64 };

struct wire_arg {
	uint32_t class;
	uint32_t buffer; /* WIRE_PTR: index within a set; WIRE_FN: enum wire_fn */
	/* WIRE_INT: the register; F32 and F64: the bits; WIRE_PTR: bytes to add */
	uint64_t value;
};

/* Functions that a kernel may hand to the codelet (KERNELSPEC "fn builtin:NAME"). */
enum wire_fn { WIRE_CMP_U32 = 1, WIRE_CMP_I32, WIRE_CMP_F64, WIRE_CMP_U32_R /* of qsort_r */ };

/*
 * One buffer: map_bytes of the arena memfd from file_offset are mapped between two inaccessible
 * pages; the address given to the codelet is the start of the mapping plus data_offset. The sender
 * has chosen data_offset so that the data's alignment, byte offset and guard hold.
 */
struct wire_buffer {
	uint64_t file_offset; /* page aligned */
	/* page aligned; 0: no mapping, the address is that of an inaccessible page */
	uint64_t map_bytes;
	uint64_t data_offset;
	uint64_t data_bytes;
	/* file offset of an equal area to copy from before each call, or UINT64_MAX */
	uint64_t pristine_offset;
	uint32_t writable;
	uint32_t reserved;
};

enum wire_mode { WIRE_THROUGHPUT = 0, WIRE_LATENCY };
enum wire_cache { WIRE_HOT = 0, WIRE_FLUSH };

struct wire_plan {
	uint64_t nonce; /* must stand in the claim for it to count */
	char function[128];
	uint32_t nargs;
	uint32_t ret; /* enum wire_return */
	struct wire_arg args[WIRE_ARGS_MAX];
	uint32_t nbuffers; /* of one set */
	/*
	 * 1: set 0 is both the checked and the timed one (called once when there is neither warm-up
	 * nor sample). More: set 0 is timed, 1.. are checked
	 */
	uint32_t nsets;
	struct wire_buffer buffers[WIRE_BUFFERS_MAX]; /* set s, buffer b: [s * nbuffers + b] */
	uint32_t samples;
	uint32_t warmup; /* calls on set 0 that are not counted; 0 allowed */
	/*
	 * calls in one sample; 0: a power of two, found so that a sample lasts batch_ticks (1 with
	 * WIRE_FLUSH). Always 1 where a buffer of set 0 has a pristine copy
	 */
	uint32_t batch;
	uint32_t batch_max;
	uint64_t batch_ticks;
	/* no further sample begins this long after the first; 0: no limit */
	uint64_t stop_ticks;
	/* empty brackets timed before the first codelet instruction; 0: the template's figure */
	uint32_t overhead_samples;
	uint32_t mode; /* enum wire_mode */
	/* enum wire_cache: WIRE_FLUSH evicts every buffer of set 0 before each sample */
	uint32_t cache;
	/*
	 * not 0: calls an empty function of our own in place of the codelet's, and executes nothing
	 * of the codelet, not even its init functions: the run that calibrates, whose counts are
	 * subtracted from those of others, has to be out of the codelet's hands
	 */
	uint32_t empty;
	int32_t cpu; /* pin to this one before arming; -1: no */
	/* not 0: it marks the begin of its samples; else nothing of the codelet runs before them */
	uint32_t mark;
	/* set s >= 2 is called before the sample of this number; set 1 before all */
	uint32_t check_at[WIRE_SETS_MAX];
};

/* ---- claim memfd: written by the run; believed where the totals taken outside agree ---------- */

#define WIRE_CLAIM_BYTES (256u << 10)

/*
 * fault_code, with SIGILL: the codelet called an import that ends the run: abort, "name=trap", ...
 * Its name is in fault_name.
 */
#define WIRE_FAULT_IMPORT 0x10001u

/*
 * What a function left changed that the ABI has it preserve, any call so far. The harness has put
 * it right.
 */
enum wire_abi {
	WIRE_ABI_REGISTERS = 1, /* rbx rbp r12-r15 */
	WIRE_ABI_STACK = 2,     /* rsp */
	WIRE_ABI_FLAGS = 4,     /* direction flag, alignment check */
	WIRE_ABI_MXCSR = 8,     /* control bits */
	WIRE_ABI_X87 = 16,      /* control word */
	WIRE_ABI_THREAD = 32,   /* fs base */
};

enum wire_phase { WIRE_BORN = 0, WIRE_INIT, WIRE_CHECK, WIRE_WARMUP, WIRE_SAMPLE, WIRE_DONE };

struct wire_claim {
	uint64_t nonce; /* the plan's, written last */
	uint32_t phase; /* enum wire_phase: how far it came */
	uint32_t samples;
	uint64_t calls; /* of the codelet's function, all of them */
	uint32_t batch;
	uint32_t abi;                    /* enum wire_abi bits; seen at the end of each batch */
	uint64_t begin_ticks, end_ticks; /* just after the gate, just before the end */
	/* median empty bracket of one sample with this batch */
	uint64_t overhead_ticks;
	/* bits of what the first call on each set returned */
	uint64_t ret[WIRE_SETS_MAX];
	uint32_t fault_signal; /* from the handler, as told by the run itself; 0: none */
	uint32_t fault_code;   /* si_code */
	uint64_t fault_address, fault_ip;
	char fault_name[64]; /* NUL-terminated in an honest claim */
	uint64_t arena_used;
	uint64_t buffer_address[WIRE_BUFFERS_MAX]; /* where each buffer's data stood */
	uint64_t ticks[WIRE_SAMPLES_MAX];          /* of each sample, overhead not subtracted */
};

/* ---- table memfd: written by the inspector --------------------------------------------------- */

#define WIRE_TABLE_BYTES (4u << 20)

enum wire_text {
	WIRE_SYMBOLS,
	WIRE_SECTIONS,
	WIRE_IMPORTS,
	WIRE_RELOCATIONS,
	WIRE_EXPORTS,
	WIRE_SPEC,
	WIRE_TEXTS
};

/*
 * The judgement on one ELF. The texts are lists, one item per line, in printable ASCII with other
 * bytes as \xNN (the spec: as it stands in the file, UTF-8); a list that would not fit ends with a
 * line "... N more". WIRE_EXPORTS holds one line for each global defined function: its escaped
 * name. WIRE_IMPORTS: "name ok" or "name missing" or "name weak".
 */
struct wire_table {
	int32_t rc;       /* 0, or -ENOEXEC with a sentence */
	uint32_t type;    /* e_type */
	uint32_t machine; /* e_machine */
	uint32_t done;    /* 1 when whole; written last */
	uint32_t missing; /* number of imports that nothing provides */
	uint32_t reserved;
	char text[WIRE_TEXT_MAX];
	struct {
		uint32_t offset, bytes; /* within the memfd, after this struct */
	} texts[WIRE_TEXTS];
};

#endif
