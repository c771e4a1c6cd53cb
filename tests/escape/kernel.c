/* SPDX-License-Identifier: MIT */
/* Attempts on parts of the kernel that a program has no business with. */
#include "attempt.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <termios.h>
#include <time.h>

static int bpf_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1
	};

	return tried(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int perf_open(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK };

	return tried(syscall(SYS_perf_event_open, &attr, -1L, 0L, -1L, 0L));
}

static int keyring(void)
{
	return tried(syscall(SYS_keyctl, 1L /* JOIN_SESSION_KEYRING */, NULL));
}

static int key_add(void)
{
	return tried(syscall(SYS_add_key, "user", "escape", "x", 1L, -3L));
}

static int key_request(void)
{
	int rc = tried(syscall(SYS_request_key, "user", "escape-none", NULL, 0L));

	return rc == ENOKEY ? 0 : rc;
}

static int uring(void)
{
	char params[120] = "";

	return tried(syscall(SYS_io_uring_setup, 4L, params));
}

static int user_fault(void)
{
	return tried(syscall(SYS_userfaultfd, 0L));
}

static int fanotify(void)
{
	return tried(syscall(SYS_fanotify_init, 0L, 0L));
}

static int kexec(void)
{
	return tried(syscall(SYS_kexec_load, 0L, 0L, NULL, 0L));
}

static int kexec_file(void)
{
	return tried(syscall(SYS_kexec_file_load, -1L, -1L, 0L, NULL, 0L));
}

static int module_load(void)
{
	return tried(syscall(SYS_init_module, "", 0L, ""));
}

static int module_file(void)
{
	return tried(syscall(SYS_finit_module, 0L, "", 0L));
}

static int module_remove(void)
{
	return tried(syscall(SYS_delete_module, "none", 0L));
}

/* In a pid namespace it ends that one, so nothing is hurt where it works. */
static int restart(void)
{
	return tried(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			     (long)LINUX_REBOOT_CMD_RESTART, NULL));
}

static int clock_set(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return tried(syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
}

static int day_set(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return tried(syscall(SYS_settimeofday, &now, NULL));
}

static int clock_steer(void)
{
	struct timex change = { .modes = ADJ_STATUS };

	adjtimex(&(struct timex){ 0 });
	change.status = STA_UNSYNC;
	return tried(syscall(SYS_adjtimex, &change));
}

static int port_level(void)
{
	return tried(syscall(SYS_iopl, 3L));
}

static int port_range(void)
{
	return tried(syscall(SYS_ioperm, 0x80L, 1L, 1L));
}

static int kernel_log(void)
{
	char text[64];

	return tried(syscall(SYS_syslog, 3L, text, sizeof(text)));
}

static int implies_exec(void)
{
	return tried(personality(READ_IMPLIES_EXEC));
}

static int local_table(void)
{
	char entry[16] = { 1 };

	return tried(syscall(SYS_modify_ldt, 1L, entry, sizeof(entry)));
}

static int hang_up(void)
{
	return tried(syscall(SYS_vhangup));
}

static int x32(void)
{
	return tried(syscall(0x40000000L | SYS_getpid));
}

static int i386(void)
{
	long rc;

	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory");
	return rc < 0 ? (int)-rc : 0;
}

/* Typing for whoever reads the terminal next; its own one, if it can make one. */
static int type_ahead(void)
{
	int master, slave;
	const char *name;

	if (ioctl(0, TIOCSTI, "x") == 0)
		return 0;
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0)
		return errno;
	grantpt(master);
	unlockpt(master);
	setsid();
	name = ptsname(master);
	slave = open(name ? name : "/dev/pts/0", O_RDWR);
	return slave < 0 ? errno : tried(ioctl(slave, TIOCSTI, "x"));
}

static int terminal(void)
{
	return try_open("/dev/ptmx", O_RDWR | O_NOCTTY);
}

#define CALL(name, nr, go, what)                                                                   \
	{                                                                                          \
		name, EPERM, 0, A_SYSCALL, nr, go, what                                            \
	}
#define CANNOT(name, nr, go, what)                                                                 \
	{                                                                                          \
		name, EPERM, 0, A_SYSCALL | A_CANNOT, nr, go, what                                 \
	}

const struct attempt kernel_attempts[] = {
	CALL("bpf", SYS_bpf, bpf_map, "a bpf map"),
	CALL("perf_event_open", SYS_perf_event_open, perf_open, "events of a whole processor"),
	CALL("keyctl", SYS_keyctl, keyring, "a session keyring"),
	CALL("add_key", SYS_add_key, key_add, "a key"),
	{ "request_key", EPERM, 0, A_SYSCALL | A_GATE, SYS_request_key, key_request,
	  "somebody's key" },
	{ "io_uring", ENOSYS, 0, A_SYSCALL, SYS_io_uring_setup, uring, "an io_uring" },
	CALL("userfaultfd", SYS_userfaultfd, user_fault, "userfaultfd"),
	CALL("fanotify", SYS_fanotify_init, fanotify, "fanotify"),
	CANNOT("kexec_load", SYS_kexec_load, kexec, "another kernel"),
	CANNOT("kexec_file_load", SYS_kexec_file_load, kexec_file, "another kernel from a file"),
	CANNOT("init_module", SYS_init_module, module_load, "a module"),
	CANNOT("finit_module", SYS_finit_module, module_file, "a module from a file"),
	CANNOT("delete_module", SYS_delete_module, module_remove, "a module less"),
	{ "reboot", EPERM, 0, A_SYSCALL | A_ENDS, SYS_reboot, restart, "a restart" },
	CALL("clock_settime", SYS_clock_settime, clock_set, "the clock"),
	CALL("settimeofday", SYS_settimeofday, day_set, "the time of day"),
	CALL("adjtimex", SYS_adjtimex, clock_steer, "the clock's rate"),
	CANNOT("iopl", SYS_iopl, port_level, "I/O ports"),
	CANNOT("ioperm", SYS_ioperm, port_range, "one I/O port"),
	CALL("syslog", SYS_syslog, kernel_log, "the kernel's log by syslog"),
	CALL("personality", SYS_personality, implies_exec, "READ_IMPLIES_EXEC"),
	CALL("modify_ldt", SYS_modify_ldt, local_table, "a segment of its own"),
	CALL("vhangup", SYS_vhangup, hang_up, "vhangup"),
	{ "x32", EPERM, 0, A_CANNOT, 0, x32, "an x32 system call" },
	{ "i386", EPERM, 0, A_APART, 0, i386, "an i386 system call" },
	{ "tiocsti", ENOENT, 0, 0, 0, type_ahead, "input faked with TIOCSTI" },
	{ "terminal", ENOENT, 0, 0, 0, terminal, "a pseudo terminal" },
	{ 0 },
};
