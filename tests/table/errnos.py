#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# no-mount
"""Every errno that the daemon's code names is in the closed table of sandboxfs(5), or listed here as one that stays inside."""
import glob, os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
os.environ.setdefault("MNT", "/")
import refusals, sfs

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# Errno, the files that may name it, and why no user meets it.
INSIDE = (
    ("EPROTO", r"backends/(launcher\w*|launch_wire)\.c", "launcher or daemon about a message that it cannot be served with: it ends"),
    # What an exec, a path of the host or a process that is asked may answer, told as one of the table.
    *((name, r"backends/(launch_rocker_wire|jail_image|jail_disk|rocker_disk|rocker_link_guard)\.c", "told as another one") for name in (
        "EBADF", "ECONNABORTED", "ECONNRESET", "EFAULT", "EHOSTDOWN", "ELIBBAD", "ELOOP", "ENFILE", "ENOTCONN", "ENXIO", "EPIPE", "EROFS",
        "ETXTBSY")),
    ("EWOULDBLOCK", r"backends/store_db\.c", "of flock(2), told as EBUSY"),
    ("ENODATA", r"backends/(expr|kernelspec_params)\.c", "a default that waits for a parameter: asked again when there are words"),
)
# What the kernel and the C library answer by themselves, for which there is no code here.
KERNEL = {"ENOTEMPTY", "ENOTTY", "ENOSYS"}
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
NAMED = re.compile(r"-\s?(E[A-Z0-9]{2,})\b")


def named():
    """errno: the files that say -ERRNO in code."""
    found = {}
    for path in sorted(glob.glob(f"{TOP}/sandboxfs/*.c") + glob.glob(f"{TOP}/backends/*.c")):
        with open(path) as f:
            for name in NAMED.findall(NOT_CODE.sub(" ", f.read())):
                found.setdefault(name, set()).add(os.path.relpath(path, TOP))
    return found


rows, others = refusals.closed_table()
found = named()
inside = {name: files for name, files, _ in INSIDE}
sfs.ok("the manual has a table", len(rows) > 15 and len(others) > 5, (sorted(rows), sorted(others)))
sfs.ok("the code names errnos", len(found) > 15 and sum(len(f) for f in found.values()) > 50, sorted(found))
for name, files in sorted(found.items()):
    if name in inside:
        astray = sorted(f for f in files if not re.fullmatch(inside[name], f))
        sfs.ok(f"{name} stays inside", not astray, f"it is not in the manual's table, and named in {astray}")
    else:
        sfs.ok(f"{name} is in the closed table", name in rows | others, f"named in {sorted(files)}")
for name in sorted((rows | others) - set(found)):
    sfs.ok(f"{name} of the table is the kernel's", name in KERNEL, "nothing here answers it")
for name in sorted(inside):
    sfs.ok(f"{name} is listed for something", name in found and name not in rows | others)
sfs.done()
