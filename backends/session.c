/* SPDX-License-Identifier: MIT */
/* With what the mount's README begins: from a function in C to its figures, in one screen. */
#include "sandboxfs.h"

const char sfs_session[] =
	"sandboxfs: untrusted code, run and measured through files. A session, here where it is "
	"mounted:\n"
	"\n"
	"  $ echo 'float cblas_sdot(int n, float *x, int i, float *y, int j)\n"
	"  > { float s = 0; while (n--) s += x[n * i] * y[n * j]; return s; }' > /tmp/dot.c\n"
	"  $ gcc -O2 -c /tmp/dot.c -o /tmp/dot.o\n"
	"  $ cp /tmp/dot.o store/                      # judged in a jail, then loaded\n"
	"  $ cat codelets/dot.o/symbols                # what is in it\n"
	"  $ ls kernels                                # what is known how to call\n"
	"  $ cat kernels/cblas_sdot/params             # what a run of it can be told\n"
	"  $ echo n=1000 > kernels/cblas_sdot/run      # returns when it has run, in a jail\n"
	"  $ cat kernels/cblas_sdot/counters           # what was counted, for one call\n"
	"  $ cat kernels/cblas_sdot/result             # how it ended, was it right, all figures\n"
	"  $ echo n=1000 incx=far > kernels/cblas_sdot/run   # refused, with an errno,\n"
	"  $ cat error                                 # a sentence,\n"
	"  $ cat errors                                # and a caret under the bad word\n"
	"  $ mkdir kernels/mine                        # a kernel of one's own\n"
	"  $ sed 's/^name = .*/name = mine/' kernels/cblas_sdot/spec > kernels/mine/spec\n"
	"  $ exec 3<>kernels/mine/run                  # on one descriptor\n"
	"  $ echo n=64 reps=10 codelet=dot.o >&3       # the command,\n"
	"  $ cat <&3                                   # and the answer to it\n"
	"  $ rmdir kernels/mine; rm store/dot.o        # away with both\n"
	"  $ tail -n 7 log                             # what happened; tail -f follows\n";
