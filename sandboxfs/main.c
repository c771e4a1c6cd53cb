/* SPDX-License-Identifier: MIT */
/* The supervisor: options, mount, the launcher, the daemon, and the end of them all. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "perm.h"
#include "supervise.h"
#include "top.h"

static void usage(FILE *out)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;

	fputs("Usage: sandboxfs [-f] [-o OPTIONS] [--state DIR] [--config FILE] MOUNTPOINT\n"
	      "Mounts a file system that runs and measures untrusted code.\n\n"
	      "  -f, --foreground  stay in the foreground; log to standard error\n"
	      "  -o OPTIONS        options for FUSE, separated by commas\n"
	      "      --state DIR   where the store lives\n"
	      "      --config FILE the configuration, an INI file with these keys\n"
	      "      --help        this text\n"
	      "      --version     the release\n\n",
	      out);
	config_describe(buf);
	blob = sfs_buf_finish(buf);
	if (blob)
		fputs(sfs_blob_data(blob), out);
	sfs_blob_put(blob);
}

enum { GO_ON = -1 };

/* One option: GO_ON, or the exit status of a program that has done all it was asked. */
static int take_option(struct options *options, int c)
{
	switch (c) {
	case 'f':
		options->foreground = true;
		return GO_ON;
	case 'o':
		return options_add(options, optarg) ? EXIT_FAILURE : GO_ON;
	case 's':
		options->state = optarg;
		return GO_ON;
	case 'c':
		options->config = optarg;
		return GO_ON;
	case 'h':
		usage(stdout);
		return EXIT_SUCCESS;
	case 'v':
		puts("sandboxfs " SANDBOXFS_VERSION);
		return EXIT_SUCCESS;
	default:
		usage(stderr);
		return EXIT_FAILURE;
	}
}

static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "state", required_argument, NULL, 's' },
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c, status = GO_ON;

	while (status == GO_ON && (c = getopt_long(argc, argv, "fo:h", longs, NULL)) != -1)
		status = take_option(options, c);
	if (status == GO_ON && argc - optind != 1) {
		usage(stderr);
		status = EXIT_FAILURE;
	}
	if (status == GO_ON)
		options->mountpoint = argv[optind];
	return status;
}

/* In the process that was called: waits for one byte, which says that the mount answers. */
static int await_ready(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * Goes to the background: the caller's process waits and returns; its child goes on with *told_fd.
 */
static int detach(int *told_fd, bool *go_on)
{
	int pipe_fds[2];
	pid_t pid;

	*go_on = false;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return EXIT_FAILURE;
	pid = fork();
	if (pid < 0)
		return EXIT_FAILURE;
	if (pid > 0) {
		close(pipe_fds[1]);
		return await_ready(pipe_fds[0]);
	}
	close(pipe_fds[0]);
	setsid();
	*told_fd = pipe_fds[1];
	*go_on = true;
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { .told_fd = -1 };
	bool go_on = true;
	int status = parse_options(argc, argv, &options);

	if (status != GO_ON)
		return status;
	config_defaults();
	if (options.config && config_load(options.config)) {
		sfs_log(SFS_ERROR, "%s", sfs_sentence());
		return EXIT_FAILURE;
	}
	if (prepare(&options)) {
		sfs_log(SFS_ERROR, "%s", sfs_sentence());
		return EXIT_FAILURE;
	}
	if (!options.foreground)
		status = detach(&options.told_fd, &go_on);
	return go_on ? supervise(&options) : status;
}
