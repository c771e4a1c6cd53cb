/* SPDX-License-Identifier: MIT */
/* The daemon's last act as root: no groups, no capabilities, no way back. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandboxfs.h"

/* Leak checkers trace the process at its end: in instrumented builds it stays traceable. */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#else
#define DUMPABLE 0
#endif

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static int drop_root(void)
{
	const struct sfs_config *config = sfs_config();
	int capability;

	for (capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability);
	if (setgroups(0, NULL) ||
	    setresgid(config->daemon_gid, config->daemon_gid, config->daemon_gid) ||
	    setresuid(config->daemon_uid, config->daemon_uid, config->daemon_uid))
		return -errno;
	return 0;
}

int privileges_drop(void)
{
	int err = geteuid() == 0 ? drop_root() : 0;

	err = err ?: drop_capabilities();
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	if (!err && prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0))
		err = -errno;
	if (!err && access(sfs_config()->state_dir, R_OK | W_OK | X_OK))
		err = -errno;
	if (err)
		sfs_log(SFS_ERROR, "uid %u cannot have %s as its state directory (%s)",
			(unsigned)geteuid(), sfs_config()->state_dir, strerrordesc_np(-err));
	return err;
}
