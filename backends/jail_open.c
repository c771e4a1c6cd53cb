/* SPDX-License-Identifier: MIT */
/*
 * Openers: children for one user each that open what a plan names of the host, with that user's rights,
 * and send mounts of it.
 *
 * All paths are opened before any capability comes back, and only by number afterwards, so that no right
 * of the launcher's ever looks at a path. An opener may hang on a file system that does not answer;
 * whoever started it gives it a deadline. A resident one waits for further plans of the same user, since
 * a fork of the launcher costs more than all that it does; between two of them it holds nothing open.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SPARE_FD   200
#define LAYER_NAME 300
#define SERVER_FD  (BLANK_REPORT_FD + 1)

struct layer {
	int fd;
	bool made; /* by us: it gets the owner that a job has */
};

struct opener {
	const struct rocker_env *env;
	const struct opener_spec *spec;
	const struct rocker_plan *plan;
	int control, report, server;
	const char *what;
	uint32_t about;
	uint64_t capabilities;
	int binds[PLAN_BINDS_MAX], overlays[PLAN_OVERLAYS_MAX], package, data;
	int reader; /* of the package: enum image_reader */
	struct layer layers[2 * PLAN_OVERLAYS_MAX];
	unsigned nlayers;
};

static struct opener opener;

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

static int own_session(struct opener *o)
{
	(void)o;
	int err = jail_own_session(NULL);
	(void)umask(022);
	return err;
}

static int few_descriptors(struct opener *o)
{
	int control = fcntl(o->control, F_DUPFD_CLOEXEC, SPARE_FD);
	int report = fcntl(o->report, F_DUPFD_CLOEXEC, SPARE_FD);
	int server = fcntl(o->spec->server, F_DUPFD_CLOEXEC, SPARE_FD);

	if (report < 0 || (control < 0 && !o->spec->check_only))
		return -EMFILE;
	if (dup3(report, BLANK_REPORT_FD, O_CLOEXEC) < 0 ||
	    (control >= 0 && dup3(control, BLANK_CONTROL_FD, O_CLOEXEC) < 0) ||
	    (server >= 0 && dup3(server, SERVER_FD, O_CLOEXEC) < 0))
		return -errno;
	o->server = server < 0 ? -1 : SERVER_FD;
	o->control = BLANK_CONTROL_FD;
	o->report = BLANK_REPORT_FD;
	return result(syscall(SYS_close_range, SERVER_FD + (server >= 0), ~0u, 0));
}

/* An ordinary user may take copies of mounts only in a mount namespace of his own. */
static int own_mounts(struct opener *o)
{
	return o->env->jail->root ? 0 : result(unshare(CLONE_NEWNS));
}

/*
 * Who lives in a root of his own (a chroot, a container) would name with a path what he cannot see. The numbers of
 * the directory tell, since mount namespaces differ for other reasons, too.
 */
static int same_root(struct opener *o)
{
	char path[48] = "/proc/";
	struct stat his, ours;

	if (o->plan->asker < 0)
		return 0;
	o->what = "it was named from another root directory";
	memcpy(jail_put_number(path + strlen(path), (unsigned long)o->plan->asker), "/root", 6);
	/* a resident one has none in effect */
	if (o->capabilities && jail_set_capabilities(o->capabilities, o->capabilities, 0))
		return -EPERM;
	bool same = o->plan->asker && o->env->jail->root && !stat(path, &his) &&
		    !stat("/", &ours) && his.st_dev == ours.st_dev && his.st_ino == ours.st_ino;
	if (o->capabilities && jail_set_capabilities(0, o->capabilities, 0))
		return -EPERM;
	return same ? 0 : -EPERM;
}

static int take_user(struct opener *o)
{
	const struct plan_opener *user = &o->plan->openers[o->spec->opener];
	int err = jail_permitted_capabilities(&o->capabilities);

	if (err)
		return err;
	if (o->env->jail->root && (syscall(SYS_setgroups, user->ngroups, user->groups) ||
				   prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
				   syscall(SYS_setresgid, user->gid, user->gid, user->gid) ||
				   syscall(SYS_setresuid, user->uid, user->uid, user->uid)))
		return -errno;
	err = jail_set_capabilities(0, o->capabilities, 0);
	/* the change of ids has cleared it */
	return err ?: result(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

static int open_path(struct opener *o, uint32_t text, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	const char *path = plan_text(o->plan, text);

	o->about = text;
	if (path[0] != '/')
		return -EINVAL;
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	return fd < 0 ? -errno : (int)fd;
}

/* What another than its user could have made there is not taken for a layer. */
static int open_layer(struct opener *o, const char *what, const char *overlay)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve =
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	uid_t user = o->plan->openers[o->spec->opener].uid;
	struct layer *layer = &o->layers[o->nlayers];
	char name[LAYER_NAME];
	struct stat st;

	if (!blank_layer_name(name, sizeof name, what, overlay))
		return -ENAMETOOLONG;
	layer->made = !mkdirat(o->data, name, 0755);
	if (!layer->made && errno != EEXIST)
		return -errno;
	layer->fd = (int)syscall(SYS_openat2, o->data, name, &how, sizeof how);
	if (layer->fd < 0 || fstat(layer->fd, &st))
		return -errno;
	layer->made = layer->made && st.st_uid == user && *what == 'u';
	o->nlayers++;
	return st.st_uid == user || st.st_uid == o->spec->job_uid || !user ? 0 : -EPERM;
}

static int open_data(struct opener *o)
{
	const struct rocker_plan *plan = o->plan;
	int err = 0;

	if (!plan->data_dir || plan->data_opener != o->spec->opener)
		return 0;
	o->data = open_path(o, plan->data_dir, O_PATH | O_DIRECTORY);
	if (o->data < 0 || o->spec->check_only)
		return o->data < 0 ? o->data : 0;
	o->what = "layers in the data directory";
	for (unsigned i = 0; i < plan->noverlays && !err; i++) {
		const char *overlay = plan_text(plan, plan->overlays[i]);

		err = open_layer(o, "upper", overlay);
		err = err ?: open_layer(o, "work", overlay);
	}
	return err;
}

/*
 * /proc of the host leads on to the files of its processes, for who has their id; control groups are limits.
 */
static int refuse_kernel_files(struct opener *o, int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC &&
	    fs.f_type != CGROUP2_SUPER_MAGIC)
		return 0;
	o->what = "no process or control group of the host is shown";
	return -EPERM;
}

/*
 * What may be seen of a lower directory is decided by the upper one that covers it, hence whoever wants it
 * has to be somebody who may read and search it; O_PATH alone asks for neither.
 */
static int open_lower(struct opener *o, uint32_t text)
{
	int fd = open_path(o, text, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	int inside = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (inside < 0) {
		int err = -errno;
		(void)close(fd);
		return err;
	}
	(void)close(inside);
	int err = refuse_kernel_files(o, fd);
	if (err)
		(void)close(fd);
	return err ?: fd;
}

static int open_bind(struct opener *o, unsigned i)
{
	o->binds[i] = open_path(o, o->plan->binds[i].host, O_PATH);
	return o->binds[i] < 0 ? o->binds[i] : refuse_kernel_files(o, o->binds[i]);
}

static int open_paths(struct opener *o)
{
	const struct rocker_plan *plan = o->plan;
	int err = 0;

	for (unsigned i = 0; i < plan->nbinds && !err; i++)
		if (plan->binds[i].opener == o->spec->opener)
			err = open_bind(o, i);
	for (unsigned i = 0; i < plan->noverlays && !err; i++)
		if (plan->overlays_opener == o->spec->opener) {
			o->overlays[i] = open_lower(o, plan->overlays[i]);
			err = o->overlays[i] < 0 ? o->overlays[i] : 0;
		}
	return err;
}

/* Opening what is no regular file could do something. */
static int open_package(struct opener *o)
{
	char path[40] = "/proc/self/fd/";
	struct stat st;

	if (!o->plan->package || o->plan->package_opener != o->spec->opener)
		return 0;
	int fd = open_path(o, o->plan->package, O_PATH);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		o->what = "image is not a regular file";
		return -EINVAL;
	}
	*jail_put_number(path + strlen(path), (unsigned long)fd) = '\0';
	o->package = open(path, O_RDONLY | O_CLOEXEC);
	if (o->package < 0)
		return -errno;
	(void)close(fd);
	o->reader = image_check(o->env, &o->package, &o->what);
	return o->reader < 0 ? o->reader : 0;
}

static int privileged_again(struct opener *o)
{
	return jail_set_capabilities(o->capabilities, o->capabilities, 0);
}

/* Else host root would own what jobs shall write to. */
static int give_layers(struct opener *o)
{
	const struct opener_spec *spec = o->spec;

	for (unsigned i = 0; i < o->nlayers; i++)
		if (o->layers[i].made && !o->plan->openers[spec->opener].uid &&
		    o->env->jail->root &&
		    fchownat(o->layers[i].fd, "", spec->job_uid, spec->job_gid, AT_EMPTY_PATH))
			return -errno;
	return 0;
}

/*
 * A detached copy of what is mounted there, without what is mounted below it: the host's /proc is a way out
 * through its links, and this file system itself gives orders. Private, or what the host mounts later would
 * show.
 */
static int copy_mount(int fd, bool writable)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       (writable ? 0 : MOUNT_ATTR_RDONLY),
				   .propagation = MS_PRIVATE };
	long tree =
		syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return -errno;
	if (!syscall(SYS_mount_setattr, (int)tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
		     sizeof attr))
		return (int)tree;
	int err = -errno;
	(void)close((int)tree);
	return err;
}

static int send_mount(struct opener *o, int tree, enum blank_mount mount, unsigned index)
{
	struct blank_message m = { .type = BLANK_MOUNT, .mount = mount, .index = index };
	struct stat st;

	/* An ordinary user's copy of the mounts is locked together. */
	if (tree == -EINVAL && !o->env->jail->root) {
		o->what = "other file systems are mounted below it";
		return -EPERM;
	}
	if (tree < 0)
		return tree;
	int err = result(fstat(tree, &st));
	if (!err) {
		m.directory = S_ISDIR(st.st_mode);
		err = blank_send(o->control, &m, NULL, &tree, 1);
	}
	(void)close(tree);
	return err;
}

static int send_all(struct opener *o)
{
	const struct rocker_plan *plan = o->plan;
	int err = 0;

	if (o->data >= 0) {
		o->about = plan->data_dir;
		err = send_mount(o, copy_mount(o->data, true), BLANK_DATA, 0);
	}
	for (unsigned i = 0; i < plan->noverlays && !err; i++)
		if (o->overlays[i] >= 0) {
			o->about = plan->overlays[i];
			err = send_mount(o, copy_mount(o->overlays[i], false), BLANK_OVERLAY, i);
		}
	for (unsigned i = 0; i < plan->nbinds && !err; i++)
		if (o->binds[i] >= 0) {
			o->about = plan->binds[i].host;
			err = send_mount(o, copy_mount(o->binds[i], plan->binds[i].writable),
					 BLANK_BIND, i);
		}
	if (o->package >= 0 && !err) {
		o->about = plan->package;
		int tree = o->reader == IMAGE_SERVER ? image_serve(o->package, o->server, &o->what)
						     : image_mount(o->package, &o->what);
		err = tree < 0 ? tree : send_mount(o, tree, BLANK_PACKAGE, 0);
	}
	return err;
}

static const struct {
	const char *name;
	int (*take)(struct opener *o);
	bool always; /* also when nothing shall be sent */
	bool once;   /* not for the later plans of a resident one */
} steps[] = {
	{ "session", own_session, true, true },
	{ "descriptors", few_descriptors, true, true },
	{ "root", same_root, true, false },
	{ "mount namespace", own_mounts, true, true },
	{ "ids", take_user, true, true },
	{ "open", open_data, true, false },
	{ "open", open_paths, true, false },
	{ "open", open_package, true, false },
	{ "capabilities", privileged_again, false, false },
	{ "owner of a layer", give_layers, false, false },
	{ "mount", send_all, false, false },
	{ 0 },
};

static void begin(struct opener *o, const struct rocker_env *env, const struct opener_spec *spec)
{
	uint64_t capabilities = o->capabilities;

	*o = (struct opener){ .env = env,
			      .spec = spec,
			      .plan = spec->plan,
			      .control = spec->control,
			      .report = spec->report,
			      .server = -1,
			      .capabilities = capabilities,
			      .package = -1,
			      .data = -1 };
	for (unsigned i = 0; i < PLAN_BINDS_MAX; i++)
		o->binds[i] = -1;
	for (unsigned i = 0; i < PLAN_OVERLAYS_MAX; i++)
		o->overlays[i] = -1;
}

static void take_steps(struct opener *o, bool again)
{
	for (size_t i = 0; steps[i].name; i++) {
		if ((o->spec->check_only && !steps[i].always) || (again && steps[i].once))
			continue;
		o->what = NULL;
		o->about = 0;
		int err = steps[i].take(o);
		if (!err)
			continue;
		blank_report(o->report, err, o->what ?: steps[i].name, o->about);
		_exit(1);
	}
}

/* Before it is told: an end of the blank's socket that is open here would keep its guard alive. */
static void let_go(struct opener *o)
{
	(void)syscall(SYS_close_range, BLANK_CONTROL_FD, BLANK_REPORT_FD - 1, 0);
	if (syscall(SYS_close_range, BLANK_REPORT_FD + 1, ~0u, 0) ||
	    jail_set_capabilities(0, o->capabilities, 0))
		_exit(1);
}

static _Noreturn void open_and_send(const struct rocker_env *env, const struct opener_spec *spec)
{
	struct opener *o = &opener;
	const struct plan_opener user = spec->plan->openers[spec->opener];

	begin(o, env, spec);
	take_steps(o, false);
	while (spec->resident) {
		let_go(o);
		blank_report(o->report, 0, "", 0);
		const struct opener_spec *next = opener_hear(o->report);
		if (!plan_same_opener(&user, &next->plan->openers[next->opener]))
			_exit(1);
		begin(o, env, next);
		take_steps(o, true);
	}
	_exit(0);
}

pid_t opener_spawn(const struct rocker_env *env, const struct opener_spec *spec, int *pidfd_out)
{
	if (spec->opener >= spec->plan->nopeners)
		return -EINVAL;
	pid_t pid = jail_clone(0, -1, pidfd_out);
	if (!pid)
		open_and_send(env, spec);
	return pid;
}
