#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""Two users who are refused at the same time: each reads his own refusals in errors, never the other's; root reads all."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

A, B = 20001, 20002
ROUNDS = 100


def as_user(uid, work):
    """The pid of a child that ends with 0 where work(uid) is true for that user."""
    return sfs.fork_as(uid, lambda: not work(uid))


def be_refused(uid):
    """Makes refusals that name the uid, and looks after each that nothing of another's is to be seen."""
    other = str(A if uid == B else B)
    for i in range(ROUNDS):
        sfs.error_of(sfs.write, "kernels/cblas_sdot/run", f"n={uid}x{i}\n")
        seen = sfs.read("errors")
        if other in seen or "uid" in seen or f"n={uid}x{i}\n" not in seen:
            return False
    return True


def sees_his_own(uid):
    return f"n={uid}x{ROUNDS - 1}\n" in sfs.read("errors")


def floods(uid):
    for i in range(200):
        sfs.error_of(sfs.write, "kernels/cblas_sdot/run", f"flood={i}\n")
    return True


sfs.ok("two users at once", [sfs.ended(pid) for pid in (as_user(A, be_refused), as_user(B, be_refused))] == [0, 0])
sfs.ok("who was never refused sees nothing", sfs.ended(as_user(20003, lambda uid: sfs.read("errors") == "")) == 0)
everything = sfs.read("errors")
sfs.ok("root sees both, and whose they are", all(f"Z uid {uid} kernels/cblas_sdot/run EINVAL\n" in everything and
                                                  f"n={uid}x{ROUNDS - 1}\n" in everything for uid in (A, B)), everything[-500:])
sfs.ok("a flood of one", sfs.ended(as_user(B, floods)) == 0)
sfs.ok("pushes out nothing of another's", sfs.ended(as_user(A, sees_his_own)) == 0)
sfs.ok("but his own", sfs.ended(as_user(B, sees_his_own)) == 1)


def through_a_descriptor(uid):
    """What root has opened is root's file, whoever reads it; a file of one's own stays one's own."""
    os.lseek(mine, 0, os.SEEK_SET)
    return f"uid {A} " in os.read(mine, 1 << 20).decode() and f"uid {A} " not in sfs.read("errors")


mine = os.open(os.path.join(sfs.MNT, "errors"), os.O_RDONLY)
sfs.ok("a descriptor of root's shows what is root's", sfs.ended(as_user(B, through_a_descriptor)) == 0)
os.close(mine)


def is_told(uid):
    return sfs.error_of(sfs.write, "kernels/cblas_sdot/run", f"n={uid}y\n") and f"n={uid}y\n" in sfs.read("errors")


sfs.ok("forty users more, one after the other", all(sfs.ended(as_user(30000 + i, is_told)) == 0 for i in range(40)))
sfs.ok("the memory for them is bounded", sfs.read("errors").count("Z uid 300") <= 32, sfs.read("errors").count("Z uid 300"))
sfs.done()
