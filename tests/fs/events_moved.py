#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""mv in the store is a rename in codelets: one cookie for both names, and what is there can be used at once under the new one."""
import ctypes, errno, os, signal, struct, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

LIBC = ctypes.CDLL(None, use_errno=True)
FROM, TO, CREATE, DELETE, MOVE_SELF, ISDIR = 0x40, 0x80, 0x100, 0x200, 0x800, 0x40000000
ROUNDS = 200


def place(*names):
    return os.path.join(sfs.MNT, *names)


class Watcher:
    """The events of directories as (directory, mask, cookie, name)."""

    def __init__(self, *places):
        self.fd, self.names, self.seen = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), {}, []
        for where in places:
            number = LIBC.inotify_add_watch(self.fd, place(where).encode(), FROM | TO | CREATE | DELETE | MOVE_SELF)
            assert number >= 0, os.strerror(ctypes.get_errno())
            self.names[number] = where

    def take(self):
        try:
            data = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return self.seen
        at = 0
        while at < len(data):
            number, mask, cookie, size = struct.unpack_from("iIII", data, at)
            self.seen.append((self.names.get(number), mask & ~ISDIR, cookie, data[at + 16:at + 16 + size].rstrip(b"\0").decode()))
            at += 16 + size
        return self.seen

    def of(self, where):
        return [e[1:] for e in self.take() if e[0] == where]

    def close(self):
        os.close(self.fd)


def names():
    return sorted(n for n in os.listdir(place("codelets")) if n.startswith("mv"))


sfs.codelet("unsigned long mv(unsigned long n) { return n; }", "mv")
w = Watcher("codelets")
sfs.codelet("unsigned long mvb(unsigned long n) { return n + 1; }", "mvb")  # when it is announced, what came before is too
sfs.ok("it is announced", sfs.wait_for(lambda: (CREATE, 0, "mvb.o") in w.of("codelets")), w.seen)
w.close()
w = Watcher("codelets", "codelets/mv.o")
mode = os.stat(place("codelets/mv.o")).st_mode
os.rename(place("store/mv.o"), place("store/mv2.o"))
sfs.ok("the new name is there at once", sfs.flat("codelets/mv2.o/info")["name"] == "mv2.o" and names() == ["mv2.o", "mvb.o"], names())
sfs.ok("with the same mode", os.stat(place("codelets/mv2.o")).st_mode == mode)
sfs.ok("the old one is not", sfs.error_of(os.stat, place("codelets/mv.o")) == errno.ENOENT)
sfs.wait_for(lambda: len(w.of("codelets")) >= 2)
seen = w.of("codelets")
sfs.ok("watchers see one rename", [(m, n) for m, _, n in seen] == [(FROM, "mv.o"), (TO, "mv2.o")] and
       seen[0][1] == seen[1][1] != 0, seen)
sfs.ok("who watches in it sees it move", sfs.wait_for(lambda: MOVE_SELF in {m for m, _, _ in w.of("codelets/mv.o")}), w.seen)
w.close()

held = os.open(place("codelets/mv2.o/state"), os.O_RDONLY)
os.rename(place("store/mv2.o"), place("store/mv3.o"))
sfs.ok("what was open in it says so", sfs.error_of(os.pread, held, 10, 0) == errno.ENODEV)
os.close(held)
w = Watcher("codelets")
sfs.codelet("unsigned long mv(unsigned long n) { return n; }", "mv4")
sfs.wait_for(lambda: (CREATE, 0, "mv4.o") in w.of("codelets"))
os.rename(place("store/mv4.o"), place("store/mv2.o"))
sfs.ok("a second one is seen too", sfs.wait_for(lambda: (TO, "mv2.o") in [(m, n) for m, _, n in w.of("codelets")]), w.seen)
os.unlink(place("store/mv3.o"))
os.rename(place("store/mv2.o"), place("store/mvb.o"))
sfs.ok("over another: one is left", names() == ["mvb.o"] and sfs.read("codelets/mvb.o/symbols").find("FUNC GLOBAL") > 0, names())
sfs.ok("over another: the old name goes", sfs.wait_for(lambda: (DELETE, 0, "mv2.o") in w.of("codelets")), w.seen)
w.close()


def readers():
    """Others who list and look all the time: the errors that they must not see."""
    end = os.getppid()
    while os.getppid() == end:
        for n in names() + ["mv0.o", "mv1.o", "mv2.o"]:
            error = sfs.error_of(sfs.read, f"codelets/{n}/info")
            if error not in (0, errno.ENOENT, errno.ENODEV, errno.ESTALE):
                print(f"not ok a reader of {n}: {sfs.name_of(error)}", flush=True)
                return 1
    return 0


def there(before):
    """The names that are left for those who count events."""
    left = set(before)
    for mask, _, which in w.of("codelets"):
        if mask in (TO, CREATE):
            left.add(which)
        elif mask in (FROM, DELETE):
            left.discard(which)
    return left


children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os._exit(readers())
    children.append(pid)
w = Watcher("codelets")
wrong, name = [], "mvb.o"
for k in range(ROUNDS):
    old, new = name, f"mv{k % 3}.o"
    os.rename(place("store", old), place("store", new))
    name = new
    if sfs.error_of(os.stat, place("codelets", old)) != errno.ENOENT or sfs.error_of(os.listdir, place("codelets", old)) != errno.ENOENT:
        wrong.append(("still there", old))
    if sfs.flat(f"codelets/{name}/info")["name"] != name or names() != [name] or sfs.read(f"codelets/{name}/state") != "loaded\n":
        wrong.append((name, names()))
sfs.ok("to and fro: each time it is there, whole, and the old name is not", not wrong, wrong[:5])
sfs.ok("who counts events ends with the same names", sfs.wait_for(lambda: there({"mvb.o"}) == {name}), (there({"mvb.o"}), name))
w.close()
for pid in children:
    os.kill(pid, signal.SIGKILL)
sfs.ok("readers saw nothing strange", all(sfs.ended(pid) == -signal.SIGKILL for pid in children))

w = Watcher("codelets")
for k in range(40):  # moved and removed before anybody has been told, or just then
    sfs.codelet("unsigned long mv(unsigned long n) { return n; }", "mvx")
    if k % 2:
        sfs.wait_for(lambda: "mvx.o" in there({name}))
    os.rename(place("store/mvx.o"), place("store/mvy.o"))
    if k % 3:
        os.rename(place("store/mvy.o"), place("store/mvz.o"))
    os.unlink(place("store/mvz.o" if k % 3 else "store/mvy.o"))
sfs.ok("gone before it is told: nothing stays", names() == [name] and all(
    sfs.error_of(os.stat, place("codelets", n)) == errno.ENOENT for n in ("mvx.o", "mvy.o", "mvz.o")), names())
sfs.codelet("unsigned long mv(unsigned long n) { return n; }", "mvlast")
sfs.ok("and for those who count events", sfs.wait_for(lambda: "mvlast.o" in there({name})) and there({name}) == {name, "mvlast.o"}, there({name}))
w.close()
sfs.ok("status is ok", sfs.read("status") == "ok\n", sfs.read("status"))
sfs.done()
