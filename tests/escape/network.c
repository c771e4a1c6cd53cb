/* SPDX-License-Identifier: MIT */
/* Attempts over sockets. */
#include "attempt.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static int try_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	int rc = tried(fd);

	if (fd >= 0)
		close(fd);
	return rc;
}

static int raw(void)
{
	return try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int raw6(void)
{
	return try_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

static int packet(void)
{
	return try_socket(AF_PACKET, SOCK_RAW, htons(3));
}

static int vsock(void)
{
	return try_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int crypto(void)
{
	return try_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int xdp(void)
{
	return try_socket(44 /* AF_XDP */, SOCK_RAW, 0);
}

static int audit(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */);
}

static int reach(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (fd < 0)
		return errno;
	return tried(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int host_port(void)
{
	return reach("127.0.0.1", atoi(option("port", "1")));
}

static int far_address(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	return fd < 0 ? errno : tried(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static socklen_t abstract_name(struct sockaddr_un *to, const char *name)
{
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1, "%s", name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int abstract(void)
{
	struct sockaddr_un to;
	socklen_t len = abstract_name(&to, option("abstract", "none"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : tried(connect(fd, (struct sockaddr *)&to, len));
}

/* Another rocker's end of the same attempt; ends with its standard input. */
static int serve(void)
{
	struct sockaddr_un to;
	socklen_t len = abstract_name(&to, option("abstract", "none"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, len) || listen(fd, 8))
		return errno;
	dprintf(1, "listening\n");
	sleep(60);
	return 0;
}

static int link_flags(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request.ifr_flags = IFF_UP;
	return fd < 0 ? errno : tried(ioctl(fd, SIOCSIFFLAGS, &request));
}

/* The kernel's answer to one request over netlink. */
static int netlink(uint16_t type, uint16_t flags, int index)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} request = { { sizeof(request), type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0 },
		      { .ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = IFF_UP } };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char more[512];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		return errno;
	return -answer.err.error;
}

static int netlink_up(void)
{
	return netlink(RTM_NEWLINK, 0, 1);
}

static int netlink_remove(void)
{
	int rc = netlink(RTM_DELLINK, 0, 1);

	return rc == EOPNOTSUPP ? 0 : rc; /* past the check: lo stays */
}

static int low_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(81) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : tried(bind(fd, (struct sockaddr *)&at, sizeof(at)));
}

static int socket_mark(void)
{
	int value = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : tried(setsockopt(fd, SOL_SOCKET, SO_MARK, &value, sizeof(value)));
}

static int buffer_force(void)
{
	int value = 1 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno
		      : tried(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof(value)));
}

/* Who sent it is not for the sender to say. */
static int false_sender(void)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control = { .bytes = "" };
	struct iovec one = { "x", 1 };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct ucred liar = { .pid = 1, .uid = getuid(), .gid = getgid() };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		return errno;
	control.head = (struct cmsghdr){ CMSG_LEN(sizeof(liar)), SOL_SOCKET, SCM_CREDENTIALS };
	memcpy(CMSG_DATA(&control.head), &liar, sizeof(liar));
	return tried(sendmsg(ends[0], &message, 0));
}

const struct attempt network_attempts[] = {
	{ "raw_socket", EPERM, 0, A_SYSCALL, SYS_socket, raw, "a raw socket" },
	{ "raw_socket6", EPERM, 0, 0, 0, raw6, "a raw socket of version 6" },
	{ "packet_socket", EPERM, 0, 0, 0, packet, "a packet socket" },
	{ "vsock", EPERM, 0, 0, 0, vsock, "a socket to the hypervisor" },
	{ "af_alg", EPERM, 0, A_CANNOT, 0, crypto, "the kernel's cryptography" },
	{ "af_xdp", EPERM, 0, 0, 0, xdp, "AF_XDP" },
	{ "audit_socket", EPERM, 0, A_CANNOT, 0, audit, "the audit's netlink" },
	{ "host_port", ENETUNREACH, 0, 0, 0, host_port, "a port of the host's loopback" },
	{ "host_port_lo", ECONNREFUSED, 0, A_APART, 0, host_port,
	  "the same with a loopback of its own" },
	{ "far_address", ENETUNREACH, 0, 0, 0, far_address, "an address anywhere" },
	{ "abstract_host", ECONNREFUSED, 0, 0, 0, abstract, "an abstract socket of the host" },
	{ "abstract_rocker", ECONNREFUSED, 0, A_APART, 0, abstract, "one of another rocker" },
	{ "serve_abstract", 0, 0, A_APART, 0, serve, "that other rocker's side" },
	{ "link_flags", EPERM, 0, 0, 0, link_flags, "an interface up by ioctl" },
	{ "netlink_up", EPERM, 0, 0, 0, netlink_up, "an interface up by netlink" },
	{ "netlink_remove", EPERM, 0, A_GATE, 0, netlink_remove, "an interface removed" },
	{ "low_port", EACCES, 0, 0, 0, low_port, "a port below 1024" },
	{ "socket_mark", EPERM, 0, 0, 0, socket_mark, "SO_MARK" },
	{ "buffer_force", EPERM, 0, 0, 0, buffer_force, "SO_RCVBUFFORCE" },
	{ "false_sender", EPERM, 0, 0, 0, false_sender, "credentials of PID 1 on a message" },
	{ 0 },
};
