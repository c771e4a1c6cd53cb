/* SPDX-License-Identifier: MIT */
/*
 * The tables that the core walks: what stands at the top of the mount, and which process keeps the
 * privileges.
 */
#include "events.h"
#include "kernels.h"
#include "launcher.h"
#include "machine.h"
#include "rockers.h"
#include "sandboxfs.h"
#include "store.h"

/* In order of start: kernels start the launcher, and listen to what the store loads. */
const struct sfs_backend *const sfs_backends[] = {
	&kernels_backend, &codelets_backend, &store_backend,
	&events_backend,  &rockers_backend,  NULL,
};

const struct sfs_attr *const sfs_top_attrs[] = { machine_rows, NULL };

const struct sfs_privileged sfs_privileged = { .name = "launcher", .main = launcher_main };
