/* SPDX-License-Identifier: MIT */
/*
 * The row at the top that says what this machine is. Constant; its callback may run on any thread.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "sandboxfs.h"

extern const struct sfs_attr machine_rows[];

#endif
