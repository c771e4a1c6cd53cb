#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""The outputs that are kept of one user's runs have a limit in all: what is over it is told, and what goes makes room."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

BYTES, FIT = 1000000, 3
SPEC = """[kernel]
name = {name}
function = fill
returns = void
[param.n]
type = u64
default = {bytes}
[buffer.p]
type = u8
count = n
access = w
init = zero
[call]
args = ptr p, u64 n
"""


def fill(name, words=""):
    error, answer = sfs.run(name, "reps=1 " + words)
    result = sfs.flat(f"kernels/{name}/result")
    return error, os.stat(os.path.join(sfs.MNT, f"kernels/{name}/output")).st_size, result.get("output_not_kept_bytes")


sfs.codelet("void fill(char *p, unsigned long n) { p[0] = 1; p[n - 1] = 2; }", "fill")
for i in range(FIT + 1):
    sfs.kernel(f"fill{i}", SPEC.format(name=f"fill{i}", bytes=BYTES))
got = [fill(f"fill{i}") for i in range(FIT)]
sfs.ok("what fits is kept", got == [(0, BYTES, None)] * FIT, got)
got = fill(f"fill{FIT}")
sfs.ok("what is over it is not, and the run is well", got == (0, 0, str(BYTES)), got)
# What somebody still looks at keeps no output when its name has gone.
looks = [os.open(os.path.join(sfs.MNT, f"kernels/fill0/{where}"), os.O_PATH) for where in ("runs/1", "runs", ".")]
looks.append(os.open(os.path.join(sfs.MNT, "kernels/fill1"), os.O_PATH))
got = fill("fill0", "n=1000")
sfs.ok("a smaller one in place of a larger", got == (0, 1000, None), got)
got = fill(f"fill{FIT}", "n=900000")
sfs.ok("makes room", got == (0, 900000, None), got)
os.rmdir(os.path.join(sfs.MNT, "kernels/fill1"))
got = fill("fill0", "n=1000000")
sfs.ok("so does a kernel that is removed", got == (0, BYTES, None), got)
for fd in looks:
    os.close(fd)
os.rmdir(os.path.join(sfs.MNT, "kernels/fill2"))
held, error = [], None
while len(held) < 400 and error is None:
    # A run whose claims do not hold, on a busy machine, has no output to be held.
    if not sfs.wait_for(lambda: fill("fill0") == (0, BYTES, None)):
        break
    try:
        fd = os.open(f"{sfs.MNT}/kernels/fill0/output", os.O_RDONLY)
        held.append(fd)
    except OSError as e:
        error = e.errno
sfs.ok("open files hold so much and no more", error == errno.EDQUOT and 240 < len(held) < 280, f"{error} {len(held)}")
for fd in held:
    os.close(fd)
sfs.ok("closed, they hold nothing", len(sfs.read("kernels/fill0/output")) == BYTES)
sfs.done()
