/* SPDX-License-Identifier: MIT */
/* single-threaded */
/*
 * May a daemon go on with the mount of another one? What the kernel's first request says of that.
 */
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "fuse_resent.h"

/* struct fuse_in_header and struct fuse_init_in of linux/fuse.h. */
struct request {
	unsigned char head[40];
	uint32_t major, minor, readahead_bytes, flags, flags2, unused[11];
};

#define FUSE_INIT_EXT	(1u << 30)
#define FUSE_HAS_RESEND (1u << (39 - 32))

static void new_kernels_send_again(void)
{
	const struct request init = { .major = 7, .minor = 40, .flags = FUSE_INIT_EXT, .flags2 = FUSE_HAS_RESEND };

	CHECK(resent_known(&init, sizeof(init)));
}

static void old_kernels_do_not(void)
{
	const struct request debian = { .major = 7, .minor = 37, .flags = FUSE_INIT_EXT, .flags2 = FUSE_HAS_RESEND - 1 };
	const struct request older = { .major = 7, .minor = 35, .flags = FUSE_INIT_EXT - 1, .flags2 = FUSE_HAS_RESEND };

	CHECK(!resent_known(&debian, sizeof(debian)));
	CHECK(!resent_known(&older, sizeof(older)));
	CHECK(!resent_known(&older, 0));
	CHECK(!resent_known(&older, offsetof(struct request, flags2)));
}

int main(void)
{
	RUN(new_kernels_send_again);
	RUN(old_kernels_do_not);
	return check_done();
}
