/* SPDX-License-Identifier: MIT */
/* The directory /rockers: the rows of one rocker, what each shows and takes. */
#include "rockers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rocker_life.h"

#define PROCS_MAX    65536
#define PRESSURE_MAX 512

/* ---- values ------------------------------------------------------------------------------------ */

static int value_show(struct sfs_obj *dir, struct sfs_buf *out, enum rocker_key key)
{
	struct rocker *rocker = sfs_priv(dir);
	struct rocker_spec *spec = rocker_get_spec(rocker);
	const struct rocker_whose whose = rocker_whose(rocker);

	/* A list without items is an empty file. */
	if (spec->values[key] || !(rocker_key_flags(key) & KEY_LINES)) {
		rocker_spec_value(spec, key, &whose, out);
		sfs_put(out, "\n");
	}
	rocker_spec_put(spec);
	return 0;
}

static int spec_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker *rocker = sfs_priv(dir);
	struct rocker_spec *spec = rocker_get_spec(rocker);
	const struct rocker_whose whose = rocker_whose(rocker);

	(void)who;
	rocker_spec_show(spec, &whose, out);
	rocker_spec_put(spec);
	return 0;
}

/* A row's functions are not told which row it is. */
#define VALUE(show_name, store_name, key)                                                          \
	static int show_name(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out) \
	{                                                                                          \
		(void)who;                                                                         \
		return value_show(dir, out, key);                                                  \
	}                                                                                          \
	static int store_name(struct sfs_obj *dir, struct sfs_cmd *cmd)                            \
	{                                                                                          \
		return rocker_value_store(dir, cmd, key);                                          \
	}

VALUE(app_id_show, app_id_store, KEY_APP_ID)
VALUE(uid_show, uid_store, KEY_UID)
VALUE(gid_show, gid_store, KEY_GID)
VALUE(hostname_show, hostname_store, KEY_HOSTNAME)
VALUE(domainname_show, domainname_store, KEY_DOMAINNAME)
VALUE(package_show, package_store, KEY_PACKAGE)
VALUE(exec_dir_show, exec_dir_store, KEY_EXEC_DIR)
VALUE(data_dir_show, data_dir_store, KEY_DATA_DIR)
VALUE(overlays_show, overlays_store, KEY_OVERLAYS)
VALUE(binds_show, binds_store, KEY_BINDS)
VALUE(network_show, network_store, KEY_NETWORK)
VALUE(seccomp_show, seccomp_store, KEY_SECCOMP)
VALUE(memory_show, memory_store, KEY_MEMORY)
VALUE(pids_show, pids_store, KEY_PIDS)
VALUE(cpu_show, cpu_store, KEY_CPU)
VALUE(io_show, io_store, KEY_IO)
VALUE(disk_show, disk_store, KEY_DISK)
VALUE(time_show, time_store, KEY_TIME)

static int binds_check(struct sfs_obj *dir, const struct sfs_cmd *cmd)
{
	return rocker_value_check(dir, cmd, KEY_BINDS);
}

/* ---- what it does and did ------------------------------------------------------------------------ */

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	static const char *const names[] = {
		[ROCKER_BUILDING] = "building", [ROCKER_READY] = "ready",
		[ROCKER_RUNNING] = "running",   [ROCKER_FROZEN] = "frozen",
		[ROCKER_DEAD] = "dead",
	};
	struct rocker *rocker = sfs_priv(dir);
	enum rocker_state state;

	(void)who;
	pthread_mutex_lock(&rocker->lock);
	state = rocker->state;
	if (rocker->frozen)
		state = ROCKER_FROZEN;
	else if (state == ROCKER_READY && rocker_link_running(rocker->link))
		state = ROCKER_RUNNING;
	pthread_mutex_unlock(&rocker->lock);
	sfs_put(out, "%-8s\n", names[state]);
	return 0;
}

static int activity_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	static const char *const names[ROCKER_COUNTS] = {
		[ROCKER_STARTS] = "starts",
		[ROCKER_EXITS] = "exits",
		[ROCKER_OOM_KILLS] = "oom_kills",
		[ROCKER_TIMEOUTS] = "timeouts",
		[ROCKER_REFUSED_SYSCALLS] = "refused_syscalls",
	};
	struct rocker *rocker = sfs_priv(dir);
	bool populated;

	(void)who;
	pthread_mutex_lock(&rocker->lock);
	populated = rocker_link_running(rocker->link);
	pthread_mutex_unlock(&rocker->lock);
	sfs_put(out, "populated %d\n", populated);
	for (unsigned i = 0; i < ROCKER_COUNTS; i++)
		sfs_put_count(out, names[i], atomic_load(&rocker->counts[i]));
	return 0;
}

static int guard_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker *rocker = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&rocker->lock);
	if (rocker->guard)
		sfs_put(out, "pid %d\nname %s\n", (int)rocker->guard, rocker->guard_name);
	pthread_mutex_unlock(&rocker->lock);
	return 0;
}

static int procs_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker *rocker = sfs_priv(dir);
	pid_t *pids = malloc(PROCS_MAX * sizeof(*pids));
	struct launch_rocker *launch;
	int count = 0, rc;

	(void)who;
	if (!pids)
		return sfs_fail(-ENOMEM, "out of memory");
	launch = rocker_lock_launch(rocker, &rc);
	if (launch) {
		count = launch_rocker_procs(launch, pids, PROCS_MAX);
		rocker_unlock(rocker);
	}
	for (int i = 0; i < count && i < PROCS_MAX; i++)
		sfs_put(out, "%d\n", (int)pids[i]);
	free(pids);
	return 0;
}

/* Of one that is not there all is none; -EOPNOTSUPP and the like are for machines without control groups. */
static bool usage_of(struct rocker *rocker, struct rocker_usage *out)
{
	struct launch_rocker *launch;
	int rc;

	memset(out, 0, sizeof(*out));
	launch = rocker_lock_launch(rocker, &rc);
	if (!launch)
		return false;
	rc = launch_rocker_usage_all(launch, out);
	rocker_unlock(rocker);
	return !rc;
}

static void put_disk(struct rocker *rocker, struct sfs_buf *out)
{
	uint64_t bytes;
	bool known;

	pthread_mutex_lock(&rocker->lock);
	known = rocker->disk.known;
	bytes = rocker->disk.bytes;
	pthread_mutex_unlock(&rocker->lock);
	if (known)
		sfs_put_count(out, "disk_bytes", bytes);
}

static int usage_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct rocker_usage usage;
	bool there = usage_of(sfs_priv(dir), &usage), all = !there;

	(void)who;
	if (all || usage.has_cpu) {
		sfs_put_count(out, "cpu_ns", usage.cpu_ns);
		sfs_put_count(out, "user_ns", usage.user_ns);
		sfs_put_count(out, "system_ns", usage.system_ns);
	}
	if (all || usage.has_memory)
		sfs_put_count(out, "memory_bytes", usage.memory_bytes);
	if (all || usage.has_peak)
		sfs_put_count(out, "memory_peak_bytes", usage.memory_peak_bytes);
	if (all || usage.has_pids)
		sfs_put_count(out, "pids", usage.pids);
	if (all || usage.has_io) {
		sfs_put_count(out, "io_read_bytes", usage.io_read_bytes);
		sfs_put_count(out, "io_write_bytes", usage.io_write_bytes);
		sfs_put_count(out, "io_reads", usage.io_reads);
		sfs_put_count(out, "io_writes", usage.io_writes);
	}
	if (all || usage.has_peak)
		sfs_put_count(out, "oom_kills", usage.oom_kills);
	put_disk(sfs_priv(dir), out);
	return 0;
}

/* Each line of text with what it is about before it. */
static void put_lines(struct sfs_buf *out, const char *which, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text)) ?: end;

		sfs_put(out, "%s %.*s\n", which, (int)(stop - text), text);
		text = stop + 1;
	}
}

static int pressure_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	static const char *const kinds[] = { "cpu", "memory", "io" };
	struct rocker *rocker = sfs_priv(dir);

	(void)who;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char text[PRESSURE_MAX];
		struct launch_rocker *launch;
		ssize_t size = 0;
		int rc;

		launch = rocker_lock_launch(rocker, &rc);
		if (!launch)
			return 0;
		size = launch_rocker_pressure(launch, kinds[i], text, sizeof(text));
		rocker_unlock(rocker);
		if (size > 0 && (size_t)size <= sizeof(text))
			put_lines(out, kinds[i], text, (size_t)size);
	}
	return 0;
}

/* ---- links -------------------------------------------------------------------------------------- */

static int put_link(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out,
		    const char *what)
{
	struct rocker *rocker = sfs_priv(dir);
	pid_t guard;

	if (who->uid)
		return sfs_fail(-EACCES, "the namespaces of a rocker are for root");
	pthread_mutex_lock(&rocker->lock);
	guard = rocker->guard;
	pthread_mutex_unlock(&rocker->lock);
	if (!guard)
		return sfs_fail(-ESRCH, "rocker '%s' is not there: its next use builds it",
				rocker->name);
	sfs_put(out, "/proc/%d/%s", (int)guard, what);
	return 0;
}

#define LINK(link_name, what)                                                                      \
	static int link_name(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out) \
	{                                                                                          \
		return put_link(dir, who, out, what);                                              \
	}

LINK(root_link, "root")
LINK(cgroup_link, "ns/cgroup")
LINK(ipc_link, "ns/ipc")
LINK(mnt_link, "ns/mnt")
LINK(net_link, "ns/net")
LINK(pid_link, "ns/pid")
LINK(time_link, "ns/time")
LINK(user_link, "ns/user")
LINK(uts_link, "ns/uts")

#define NS_HELP "link for root: the namespace"
const struct sfs_attr rocker_ns_rows[] = {
	{ .name = "cgroup", .mode = 0777, .link = cgroup_link, .help = NS_HELP },
	{ .name = "ipc", .mode = 0777, .link = ipc_link, .help = NS_HELP },
	{ .name = "mnt", .mode = 0777, .link = mnt_link, .help = NS_HELP },
	{ .name = "net", .mode = 0777, .link = net_link, .help = NS_HELP },
	{ .name = "pid", .mode = 0777, .link = pid_link, .help = NS_HELP },
	{ .name = "time", .mode = 0777, .link = time_link, .help = NS_HELP },
	{ .name = "user", .mode = 0777, .link = user_link, .help = NS_HELP },
	{ .name = "uts", .mode = 0777, .link = uts_link, .help = NS_HELP },
	{ 0 },
};

/* ---- the rows ------------------------------------------------------------------------------------ */

const struct sfs_attr rocker_rows[] = {
	{ .name = "spec",
	  .mode = 0644,
	  .show = spec_show,
	  .store = rocker_spec_store,
	  .check = rocker_spec_check,
	  .flags = SFS_WHOLE | SFS_WAITS,
	  .help = "INI of all below; writing it builds anew, EBUSY while jobs run" },
	{ .name = "app_id",
	  .mode = 0644,
	  .show = app_id_show,
	  .store = app_id_store,
	  .help = "a name for what runs in it" },
	{ .name = "uid",
	  .mode = 0644,
	  .show = uid_show,
	  .store = uid_store,
	  .help = "user id of its jobs; auto: the maker's own, of root's rockers one of the jail's "
		  "range; 0: the same, called root inside" },
	{ .name = "gid",
	  .mode = 0644,
	  .show = gid_show,
	  .store = gid_store,
	  .help = "group id of its jobs, likewise" },
	{ .name = "hostname",
	  .mode = 0644,
	  .show = hostname_show,
	  .store = hostname_store,
	  .help = "host name inside" },
	{ .name = "domainname",
	  .mode = 0644,
	  .show = domainname_show,
	  .store = domainname_store,
	  .help = "domain name inside, or none" },
	{ .name = "package",
	  .mode = 0644,
	  .show = package_show,
	  .store = package_store,
	  .flags = SFS_WAITS,
	  .help = "squashfs or erofs image of the host, or none" },
	{ .name = "exec_dir",
	  .mode = 0644,
	  .show = exec_dir_show,
	  .store = exec_dir_store,
	  .help = "where the package is mounted inside" },
	{ .name = "data_dir",
	  .mode = 0644,
	  .show = data_dir_show,
	  .store = data_dir_store,
	  .flags = SFS_WAITS,
	  .help = "directory of the host that keeps what is written to overlays; none: memory" },
	{ .name = "overlays",
	  .mode = 0644,
	  .show = overlays_show,
	  .store = overlays_store,
	  .flags = SFS_WAITS,
	  .help = "directories at the top of the host that are seen, and can be written, inside: "
		  "words; or none" },
	{ .name = "binds",
	  .mode = 0644,
	  .show = binds_show,
	  .store = binds_store,
	  .check = binds_check,
	  .flags = SFS_WHOLE | SFS_WAITS,
	  .help = "what else of the host is seen inside: lines host_path inside_path ro|rw" },
	{ .name = "network",
	  .mode = 0644,
	  .show = network_show,
	  .store = network_store,
	  .help = "none, loopback, or host" },
	{ .name = "seccomp",
	  .mode = 0644,
	  .show = seccomp_show,
	  .store = seccomp_store,
	  .help = "system call profile" },
	{ .name = "seccomp.bpf",
	  .mode = 0400,
	  .blob = rocker_filter_blob,
	  .help = "that profile as a filter of seccomp(2) without a listener: array of struct sock_filter" },
	{ .name = "memory.max",
	  .mode = 0644,
	  .show = memory_show,
	  .store = memory_store,
	  .flags = SFS_WAITS,
	  .help = "bytes, with K M G T, or max" },
	{ .name = "pids.max",
	  .mode = 0644,
	  .show = pids_show,
	  .store = pids_store,
	  .flags = SFS_WAITS,
	  .help = "processes, or max" },
	{ .name = "cpu.max",
	  .mode = 0644,
	  .show = cpu_show,
	  .store = cpu_store,
	  .flags = SFS_WAITS,
	  .help = "QUOTA PERIOD in us, or max" },
	{ .name = "io.max",
	  .mode = 0644,
	  .show = io_show,
	  .store = io_store,
	  .flags = SFS_WAITS,
	  .help = "a line for each device: MAJ:MIN rbps= wbps= riops= wiops=, each a number or "
		  "max" },
	{ .name = "disk.max",
	  .mode = 0644,
	  .show = disk_show,
	  .store = disk_store,
	  .help = "bytes of what it writes, or max" },
	{ .name = "time.max_ms",
	  .mode = 0644,
	  .show = time_show,
	  .store = time_store,
	  .help = "time of one job" },
	{ .name = "state",
	  .mode = 0444,
	  .show = state_show,
	  .help = "building, ready, running, frozen, dead (its next use builds it)" },
	{ .name = "activity",
	  .mode = 0444,
	  .show = activity_show,
	  .help = "counts of what happened" },
	{ .name = "guard",
	  .mode = 0444,
	  .show = guard_show,
	  .help = "pid and unique name of its first process" },
	{ .name = "procs",
	  .mode = 0444,
	  .show = procs_show,
	  .help = "its processes, by their pids outside" },
	{ .name = "usage",
	  .mode = 0444,
	  .show = usage_show,
	  .help = "what its control groups count, or else what its processes have" },
	{ .name = "pressure",
	  .mode = 0444,
	  .show = pressure_show,
	  .help = "how long it waited for processor, memory, disk; where the kernel has it" },
	{ .name = "freeze",
	  .mode = 0644,
	  .show = rocker_freeze_show,
	  .store = rocker_freeze_store,
	  .flags = SFS_WAITS,
	  .help = "1: no process of it runs; 0: they go on" },
	{ .name = "kill",
	  .mode = 0200,
	  .store = rocker_kill_store,
	  .flags = SFS_WAITS,
	  .help = "a signal by name or number to every process, or guard: ends the rocker" },
	{ .name = "run",
	  .mode = 0600,
	  .blob = rocker_output_blob,
	  .store = rocker_run_store,
	  .flags = SFS_PER_UID | SFS_WAITS,
	  .help = "a command line; returns when it has ended; reading on the same open file gives "
		  "its output, on one opened anew that of the reader's last job" },
	{ .name = "result",
	  .mode = 0444,
	  .show = rocker_result_show,
	  .flags = SFS_PER_UID,
	  .help = "last job of the reader: how it ended and what it used" },
	{ .name = "output",
	  .mode = 0444,
	  .blob = rocker_output_blob,
	  .flags = SFS_PER_UID,
	  .help = "standard output and error of the reader's last job" },
	{ .name = "start",
	  .mode = 0600,
	  .store = rocker_start_store,
	  .flags = SFS_WAITS,
	  .help = "a command line; returns when it has begun; reading on the same open file gives "
		  "the job's number" },
	{ .name = "root",
	  .mode = 0777,
	  .link = root_link,
	  .help = "link for root: its root directory" },
	{ .name = "error",
	  .mode = 0444,
	  .show = sfs_error_show,
	  .flags = SFS_PER_UID,
	  .help = "the reader's last refusal here, or ok" },
	{ 0 },
};
