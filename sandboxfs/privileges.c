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

/* To truncate, make and remove what belongs to others, on our own mount. */
#define PUBLISHER_CAPABILITIES (UINT64_C(1) << CAP_DAC_OVERRIDE | UINT64_C(1) << CAP_FOWNER)

/* Leak checkers trace the process at its end: in instrumented builds it stays traceable. */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#else
#define DUMPABLE 0
#endif

/* This thread's, and those of threads that it starts from then on. */
static int set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)set, .permitted = (uint32_t)set },
		{ .effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32) },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int drop_root(void)
{
	const struct sfs_config *config = sfs_config();
	int capability;

	for (capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability);
	prctl(PR_SET_KEEPCAPS, 1);
	if (setgroups(0, NULL) ||
	    setresgid(config->daemon_gid, config->daemon_gid, config->daemon_gid) ||
	    setresuid(config->daemon_uid, config->daemon_uid, config->daemon_uid))
		return -errno;
	prctl(PR_SET_KEEPCAPS, 0);
	return set_capabilities(PUBLISHER_CAPABILITIES);
}

static int complain(int err)
{
	if (err)
		sfs_log(SFS_ERROR, "uid %u cannot have %s as its state directory (%s)",
			(unsigned)geteuid(), sfs_config()->state_dir, strerrordesc_np(-err));
	return err;
}

int privileges_drop_ids(void)
{
	int err = geteuid() == 0 ? drop_root() : set_capabilities(0);

	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	if (!err && prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0))
		err = -errno;
	return complain(err);
}

int privileges_drop(void)
{
	int err = set_capabilities(0);

	if (!err && access(sfs_config()->state_dir, R_OK | W_OK | X_OK))
		err = -errno;
	return complain(err);
}
