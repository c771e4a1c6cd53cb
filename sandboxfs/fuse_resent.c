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
#define OPCODE_POLL   40
#define NOTIFY_POLL   1
#define NOTIFY_RESEND 7          /* Linux 6.9 */
#define INIT_EXT      (1u << 30) /* there are flags2 */
#define HAS_RESEND    (1u << 7)  /* of flags2 */

struct request_head {
	uint32_t length, opcode;
	uint64_t unique;
};

struct answer_head {
	uint32_t length;
	int32_t error;
	uint64_t unique;
};

/* A request of poll(2): who asks for which file, and by which number he can be woken. */
struct poll_request {
	unsigned char head[40];
	uint64_t fh, number;
};

struct init_request {
	unsigned char head[40];
	uint32_t major, minor, readahead_bytes, flags, flags2;
};

struct wake {
	struct answer_head head;
	uint64_t number;
};

_Thread_local bool fuse_resent;
_Thread_local uint64_t fuse_number;

static bool replaying; /* before there is a second thread */

void resent_look(const void *request, size_t size)
{
	struct request_head head;
	struct poll_request poll;

	if (size < sizeof(head))
		return;
	memcpy(&head, request, sizeof(head));
	fuse_resent = head.unique & RESENT_BIT;
	fuse_number = head.unique & ~RESENT_BIT;
	if (head.opcode == OPCODE_INIT)
		ledger_keep_init(request, size);
	if (head.opcode == OPCODE_POLL && size >= sizeof(poll)) {
		memcpy(&poll, request, sizeof(poll));
		ledger_poll(poll.fh, poll.number);
	}
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

bool resent_known(const void *request, size_t size)
{
	struct init_request init;

	if (size < sizeof(init))
		return false;
	memcpy(&init, request, sizeof(init));
	return (init.flags & INIT_EXT) && (init.flags2 & HAS_RESEND);
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

/* Nobody else knows that he waits: he asks again, and is told that something may have changed. */
static void wake(uint64_t number, void *session)
{
	const struct wake wake = { { sizeof(wake), NOTIFY_POLL, 0 }, number };

	/* It may be gone already. */
	if (write(fuse_session_fd(session), &wake, sizeof(wake)) < 0)
		return;
}

int resent_take_over(struct fuse_session *session)
{
	const struct answer_head resend = { .length = sizeof(resend), .error = NOTIFY_RESEND };

	replay_init(session);
	ledger_each_polled(wake, session);
	return write(fuse_session_fd(session), &resend, sizeof(resend)) == sizeof(resend)
		       ? 0
		       : -EOPNOTSUPP;
}
