/* SPDX-License-Identifier: MIT */
/* FUSE: the first request again, and the requests that nobody has answered. */
#include "fuse_resent.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fuse_ops.h"
#include "ledger.h"

/* Of linux/fuse.h, which does not go together with the library's headers. */
#define RESENT_BIT    (UINT64_C(1) << 63) /* in the number of a request */
#define OPCODE_INIT   26
#define NOTIFY_RESEND 7 /* Linux 6.9 */

struct request_head {
	uint32_t length, opcode;
	uint64_t unique;
};

struct answer_head {
	uint32_t length;
	int32_t error;
	uint64_t unique;
};

_Thread_local bool fuse_resent;
_Thread_local uint64_t fuse_number;

static bool replaying; /* before there is a second thread */

void resent_look(const void *request, size_t size)
{
	struct request_head head;

	if (size < sizeof(head))
		return;
	memcpy(&head, request, sizeof(head));
	fuse_resent = head.unique & RESENT_BIT;
	fuse_number = head.unique & ~RESENT_BIT;
	if (head.opcode == OPCODE_INIT)
		ledger_keep_init(request, size);
}

bool resent_swallows(void)
{
	return replaying;
}

bool resent_begun(void)
{
	size_t size;

	return ledger_init(&size);
}

static void replay_init(struct fuse_session *session)
{
	unsigned char bytes[LEDGER_INIT_MAX];
	struct fuse_buf buf = { .mem = bytes };

	const void *init = ledger_init(&buf.size);

	/* A copy: the library may write into what it is given. */
	memcpy(bytes, init, buf.size);
	replaying = true;
	fuse_session_process_buf(session, &buf);
	replaying = false;
}

int resent_take_over(struct fuse_session *session)
{
	const struct answer_head resend = { .length = sizeof(resend), .error = NOTIFY_RESEND };

	replay_init(session);
	return write(fuse_session_fd(session), &resend, sizeof(resend)) == sizeof(resend)
		       ? 0
		       : -EOPNOTSUPP;
}
