/* SPDX-License-Identifier: MIT */
/* Stands for the jobs of rockers until they are there: none can be run. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "rockers.h"

struct rocker_link {
	int control;
};

struct rocker_jobs {
	char none;
};

int rocker_links_start(void)
{
	return 0;
}

void rocker_links_stop(void)
{
}

struct rocker_link *rocker_link_open(struct rocker *rocker, int control, unsigned profile)
{
	struct rocker_link *link = malloc(sizeof(*link));

	(void)rocker, (void)profile;
	if (link)
		link->control = control;
	else
		close(control);
	return link;
}

void rocker_link_close(struct rocker_link *link)
{
	if (link)
		close(link->control);
	free(link);
}

int rocker_link_signal(struct rocker_link *link, int signal)
{
	(void)link, (void)signal;
	return -EOPNOTSUPP;
}

unsigned rocker_link_running(struct rocker_link *link)
{
	(void)link;
	return 0;
}

struct rocker_jobs *rocker_jobs_new(struct rocker *rocker)
{
	(void)rocker;
	return calloc(1, sizeof(struct rocker_jobs));
}

int rocker_jobs_plant(struct rocker_jobs *jobs, struct sfs_obj *dir)
{
	(void)jobs, (void)dir;
	return 0;
}

void rocker_jobs_end(struct rocker_jobs *jobs)
{
	(void)jobs;
}

void rocker_jobs_free(struct rocker_jobs *jobs)
{
	free(jobs);
}

int rocker_run_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	(void)dir, (void)cmd;
	return sfs_fail(-EOPNOTSUPP, "no jobs yet");
}

int rocker_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	return rocker_run_store(dir, cmd);
}

int rocker_result_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir, (void)who, (void)out;
	return 0;
}

struct sfs_blob *rocker_output_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)dir, (void)who;
	return NULL;
}
