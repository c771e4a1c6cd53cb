/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon, it lets a thread stand still for ever with a request in its hands: read and not begun, or done and not
 * answered. So a test can kill the daemon at that very moment.
 *
 * The file that SFS_HOLD names says which, once: "before OPCODE NAME" or "after OPCODE NAME"; then it is called .held. What the
 * kernel sends again to another daemon goes through. With SFS_NO_RESEND set it sends nothing again.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define NUMBERS       4096        /* more than there are requests at a time */
#define TRANSPORT     (64u << 10) /* who reads into so much room reads requests */
#define NOTIFY_RESEND 7

/* Of linux/fuse.h. */
struct request_head {
	uint32_t length, opcode;
	uint64_t unique;
};

struct answer_head {
	uint32_t length;
	int32_t error;
	uint64_t unique;
};

/* What is asked, and its last words: the name comes after fields that say nothing here. */
struct request {
	struct request_head head;
	char tail[64];
};

static struct request requests[NUMBERS];

/* Its number is an even one; those in between are of interruptions. */
static struct request *place_of(uint64_t unique)
{
	return &requests[unique / 2 % NUMBERS];
}

static bool is_wanted(const char *when, const struct request *request)
{
	const char *path = getenv("SFS_HOLD");
	char word[16], name[64], held[PATH_MAX];
	FILE *file = path ? fopen(path, "re") : NULL;
	unsigned opcode;
	bool wanted;

	if (!file)
		return false;
	wanted = fscanf(file, "%15s %u %63s", word, &opcode, name) == 3 && !strcmp(word, when) &&
		 opcode == request->head.opcode && memmem(request->tail, sizeof(request->tail), name, strlen(name) + 1);
	fclose(file);
	snprintf(held, sizeof(held), "%s.held", path);
	return wanted && !rename(path, held);
}

static void hold(void)
{
	for (;;)
		pause();
}

static void note(const char *bytes, size_t size)
{
	struct request request = { 0 };
	size_t tail;

	memcpy(&request.head, bytes, sizeof(request.head));
	if (request.head.length != size)
		return;
	tail = size - sizeof(request.head);
	tail = tail < sizeof(request.tail) ? tail : sizeof(request.tail);
	memcpy(request.tail, bytes + size - tail, tail);
	*place_of(request.head.unique) = request;
	if (is_wanted("before", &request))
		hold();
}

ssize_t read(int fd, void *out, size_t size)
{
	static ssize_t (*_Atomic real)(int, void *, size_t);
	ssize_t n;

	if (!real)
		real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	n = real(fd, out, size);
	if (n > (ssize_t)sizeof(struct request_head) && size >= TRANSPORT)
		note(out, (size_t)n);
	return n;
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
	static ssize_t (*_Atomic real)(int, const struct iovec *, int);
	const struct request *request;
	struct answer_head head;

	if (!real)
		real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
	if (count && pieces[0].iov_len == sizeof(head)) {
		memcpy(&head, pieces[0].iov_base, sizeof(head));
		request = place_of(head.unique);
		if (head.unique && request->head.unique == head.unique && is_wanted("after", request))
			hold();
	}
	return real(fd, pieces, count);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	static ssize_t (*_Atomic real)(int, const void *, size_t);
	struct answer_head head;

	if (!real)
		real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (size == sizeof(head) && getenv("SFS_NO_RESEND")) {
		memcpy(&head, bytes, sizeof(head));
		if (head.length == size && head.error == NOTIFY_RESEND && !head.unique) {
			errno = EINVAL;
			return -1;
		}
	}
	return real(fd, bytes, size);
}
