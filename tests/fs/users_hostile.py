#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
# deadline: 240
"""Two users who try everything on each other's objects, processes, names and limits: each is refused, and neither notices."""
import ctypes, errno, os, signal, struct, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import (A, B, EXCHANGE, KERNELS, LIBC, NOREPLACE, STORE, as_user, at, content, group, libc, one, outcome, put, rename2,
                   touch, two)

REFUSED, HIDDEN = "EPERM|EACCES", "ENOENT|EPERM|EACCES"
LOOP = sfs.compile_c("unsigned long own(unsigned long n) { for (;;) __asm__ volatile(\"\"); return n; }", "loop")
SPEC = ("[kernel]\nname = {0}\nfunction = own\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n")
PID = object()  # stands for a number in a row
# Calls of x86-64 and their arguments. The attributes of perf_event_open(2) are those of the clock of the task.
PERF = (ctypes.c_char * 128).from_buffer_copy(struct.pack("IIQ", 1, 128, 1) + bytes(112))
SIGINFO = (ctypes.c_char * 128).from_buffer_copy(struct.pack("iii", 10, 0, -1) + bytes(116))
PARAM, MASK, PAGES = (ctypes.c_int * 1)(0), (ctypes.c_ulong * 1)(1), (ctypes.c_ulong * 1)(0x400000)
BY_PID = [("perf", 298, PERF, PID, -1, -1, 0), ("scheduler", 144, PID, 3, PARAM), ("I/O priority", 251, 1, PID, 0x4007),
          ("pages moved", 279, PID, 1, PAGES, None, PARAM, 0), ("nodes moved", 256, PID, 64, MASK, MASK), ("kcmp", 312, PID, os.getpid(), 1, 0, 0),
          ("memory written", 311, PID, (ctypes.c_ulong * 2)(ctypes.addressof(PARAM), 4), 1, (ctypes.c_ulong * 2)(0x400000, 4), 1, 0),
          ("a signal with a value", 129, PID, 10, SIGINFO), ("one thread killed", 234, PID, PID, 9), ("robust list", 274, PID, (ctypes.c_ulong * 1)(), (ctypes.c_ulong * 1)())]
BY_PIDFD = [("pidfd signal", 424, 9, None, 0), ("memory advised", 440, (ctypes.c_ulong * 2)(0x400000, 4096), 1, 21, 0)]
PTRACE_ATTACH, PTRACE_SEIZE, NR_PIDFD_OPEN, NR_PIDFD_GETFD = 16, 0x4206, 434, 438


def path(*names):
    return os.path.join(KERNELS, *names)


def make_kernel(name, mode=0o755):
    os.mkdir(path(name), mode)
    write(path(name, "spec"), SPEC.format(name))


def write(name, text):
    fd = os.open(name, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def text(name):
    with open(name, "rb") as f:
        return f.read().decode(errors="replace")


def run_here(name, words=""):
    """Raises what run is refused with."""
    error, _ = sfs.run(name, words)
    if error:
        raise OSError(error, name)


def each(uid, rows):
    """Rows for group(), every call as that user."""
    return [(what, expected, as_user, uid, call, *args) for what, expected, call, *args in rows]


# ---- objects ---------------------------------------------------------------------------------------------------------------


def kernels_of_another():
    """B tries each file of A's kernel in each way, by name and through what A left open to all."""
    group("A has a kernel and a codelet", each(A, [("load", "0", sfs.load, LOOP, "a.o"), ("kernel", "ok", make_kernel, "mine")]))
    before = {row: text(path("mine", row)) for row in ("spec", "codelet", "events", "state", "activity")}
    names = os.listdir(path("mine"))
    rows = [name for name in names if os.path.isfile(path("mine", name))]
    tries = []
    for row in rows:
        f = path("mine", row)
        tries += [(f"write {row}", REFUSED, touch, f, os.O_WRONLY), (f"both {row}", REFUSED, touch, f, os.O_RDWR),
                  (f"chmod {row}", REFUSED, os.chmod, f, 0o666), (f"chown {row}", REFUSED, os.chown, f, B, -1),
                  (f"chgrp {row}", REFUSED, os.chown, f, -1, B), (f"unlink {row}", REFUSED, os.unlink, f),
                  (f"rename {row}", REFUSED + "|EXDEV", os.rename, f, path("mine", "x")),
                  (f"utimens {row}", REFUSED, lambda f=f: os.utime(f, (1, 1))),
                  (f"O_TRUNC {row}", REFUSED, touch, f, os.O_WRONLY | os.O_TRUNC),
                  (f"link {row}", REFUSED + "|EXDEV", os.link, f, at("stolen.o"))]
    tries += [("run by name", "EACCES", run_here, "mine"), ("rmdir", REFUSED, os.rmdir, path("mine")),
        ("make over", "EEXIST", os.mkdir, path("mine")),
              ("rename away", REFUSED, os.rename, path("mine"), path("yours")),
              ("chmod of it", REFUSED, os.chmod, path("mine"), 0o777),
              ("chown of it", REFUSED, os.chown, path("mine"), B, B), ("mkdir in it", REFUSED, os.mkdir, path("mine", "x")),
              ("create in it", REFUSED, touch, path("mine", "x"), os.O_CREAT | os.O_WRONLY),
              ("symlink in it", REFUSED, os.symlink, "spec", path("mine", "x")),
              ("rm -rf", "1", lambda: subprocess.run(["rm", "-rf", path("mine")], stderr=subprocess.DEVNULL,
              check=False).returncode)]
    group("what B tries on A's kernel", each(B, tries))
    sfs.ok("it is as it was", {row: text(path("mine",
        row)) for row in before} == before and sorted(os.listdir(path("mine"))) == sorted(names) and
           os.stat(path("mine")).st_uid == A, os.listdir(path("mine")))
    group("A closes it", each(A, [("chmod", "ok", os.chmod, path("mine"), 0o700)]))
    group("then B sees nothing in it", each(B, [(row, "EACCES", touch, path("mine", row)) for row in rows] +
                                            [("list", "EACCES", os.listdir, path("mine")),
                                            ("stat below", "EACCES", os.stat, path("mine", "spec"))]))
    group("A opens its run to all, not its codelet", each(A, [("directory", "ok", os.chmod, path("mine"), 0o755),
        ("run", "ok", os.chmod, path("mine", "run"), 0o666),
                                                              ("codelet", "ok", os.chmod, at("a.o"), 0o600)]))
    group("B may not run what he may not read", each(B, [("by the kernel", "EACCES|ENOENT", run_here, "mine", "reps=1"),
                                                         ("by name", "EACCES|ENOENT", run_here, "mine", "reps=1 codelet=a.o"),
                                                         ("by a kernel of his", "ok", make_kernel, "his"),
                                                         ("named there", "EACCES|ENOENT", write, path("his", "codelet"), "a.o\n"),
                                                         ("in its words", "EACCES|ENOENT", run_here, "his", "codelet=a.o"),
                                                         ("nor read", "EACCES", content, "a.o"),
                                                         ("gone", "ok", os.rmdir, path("his"))]))


def names_of_another():
    """Names: what one stages or makes is in nobody's way, and nobody takes it."""
    group("A stages, B tries", [("stage", "ok", as_user, A, put, ".part")] + each(B, [
        ("the same name", "ok|EEXIST|EPERM|EACCES", put, ".part", two),
        ("rename onto it", "ENOENT|EPERM|EACCES|EEXIST", os.rename, at(".none"), at(".part")),
        ("commit it", HIDDEN, os.rename, at(".part"), at("b.o")),
        ("exchange", "EINVAL|" + HIDDEN, rename2, ".part", "a.o", EXCHANGE),
        ("over A's codelet", REFUSED, lambda: (put(".b", two), os.rename(at(".b"), at("a.o")))),
        ("beside it", "EEXIST|" + REFUSED, rename2, ".b", "a.o", NOREPLACE),
        ("away", "ok", os.unlink, at(".b"))]))
    sfs.ok("A's staged bytes are A's", as_user(A, lambda: content(".part") == one) == "ok")
    as_user(A, os.unlink, at(".part"))
    group("one name for two", [("A makes it", "ok", as_user, A, make_kernel, "shared"),
        ("B cannot", "EEXIST", as_user, B, os.mkdir, path("shared")),
                               ("A removes it", "ok", as_user, A, os.rmdir, path("shared")),
                               ("B makes it", "ok", as_user, B, make_kernel, "shared"),
                               ("A cannot touch it", REFUSED, as_user, A, write, path("shared", "spec"), "x"),
                               ("nor remove it", REFUSED, as_user, A, os.rmdir, path("shared"))])
    # A held files of the kernel whose name is B's now.
    r, w = os.pipe()
    done = os.pipe()
    as_user(A, make_kernel, "moved")
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(A, A, A)
        os.setresuid(A, A, A)
        fds = [os.open(path("moved", n), f) for n, f in (("run", os.O_RDWR), ("spec", os.O_WRONLY), ("events", os.O_RDWR))]
        folder = os.open(path("moved"), os.O_RDONLY)
        os.write(w, b"x")
        os.read(done[0], 1)
        answers = [outcome(os.write, fd, b"n=1\n") for fd in fds] + [outcome(os.fchmod, fd, 0o666) for fd in fds] + \
            [outcome(os.fchmod, folder, 0o777), outcome(lambda: os.open("spec", os.O_RDONLY, dir_fd=folder))]
        os.write(w, " ".join(set(answers)).encode())
        os._exit(0)
    os.read(r, 1)
    os.rmdir(path("moved"))
    as_user(B, make_kernel, "moved")
    os.write(done[1], b"x")
    os.waitpid(pid, 0)
    answers = set(os.read(r, 4096).decode().split())
    sfs.ok("descriptors of A's former kernel do nothing to B's of that name", answers <= {"ENODEV", "ESTALE", "ENOENT"}, answers)
    st = os.stat(path("moved"))
    sfs.ok("which is B's, as he made it", (st.st_uid, st.st_mode & 0o777) == (B,
        0o755) and text(path("moved", "spec")) == SPEC.format("moved"))
    for name in ("shared", "moved"):
        os.rmdir(path(name))


# ---- processes -------------------------------------------------------------------------------------------------------------


def ours(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def looked_at(name, pid):
    """A try at an entry of /proc: contents are had or refused."""
    if name in ("cwd", "root", "exe"):
        os.readlink(f"/proc/{pid}/{name}")
    elif name in ("fd", "map_files", "ns", "task"):
        os.listdir(f"/proc/{pid}/{name}")
    else:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            if not f.read(64):
                raise OSError(errno.EACCES, "nothing to be read")


def processes_of_another():
    """While A's run burns a core, B does all that one process can do to another; to every process of the daemon too."""
    outcomes = []
    runner = threading.Thread(target=lambda: outcomes.append(as_user(A, run_here, "mine", "reps=1 timeout_ms=60000")))
    runner.start()
    sfs.wait_for(lambda: text(path("mine", "state")).startswith("running"))
    time.sleep(0.2)
    pids = [p for p in sfs.processes() if is_daemons(p)]
    before = set(pids)
    rows = []
    for pid in pids:
        rows += [(f"kill -{s.name} {pid}", "EPERM|ESRCH", os.kill, pid, s) for s in (signal.SIGKILL, signal.SIGSTOP,
            signal.SIGINT, signal.SIGUSR1)]
        rows += [(f"{name} of {pid}", "EACCES|EPERM|ENOENT|ESRCH", looked_at, name, pid) for name in
                 ("mem", "environ", "maps", "fd", "cwd", "root", "exe", "auxv", "syscall", "stack", "io", "map_files", "pagemap",
                 "personality")]
        rows += [(f"ptrace {pid}", "EPERM|ESRCH", ptrace, PTRACE_ATTACH, pid),
            (f"seize {pid}", "EPERM|ESRCH", ptrace, PTRACE_SEIZE, pid),
                 (f"descriptors of {pid}", "EPERM|ESRCH|EACCES", take_descriptor, pid),
                 (f"nice {pid}", "EPERM|EACCES|ESRCH", os.setpriority, os.PRIO_PROCESS, pid, 5),
                 (f"affinity {pid}", "EPERM|ESRCH", os.sched_setaffinity, pid, {0}), (f"limits {pid}", "EPERM|ESRCH", limit, pid),
                 (f"memory of {pid}", "EPERM|ESRCH", read_memory, pid),
                 (f"oom {pid}", "EACCES|EPERM|ENOENT", write, f"/proc/{pid}/oom_score_adj", "1000"),
                 (f"write to {pid}'s memory", "EACCES|EPERM|ENOENT", touch, f"/proc/{pid}/mem", os.O_RDWR),
                 (f"setns {pid}", "EPERM|EACCES|ENOENT|ESRCH", enter, pid)]
        if os.uname().machine != "x86_64":
            continue
        rows += [(f"{name} of {pid}", "EPERM|EACCES|ESRCH|ENOSYS", by_number, number, *[pid if a is PID else a for a in args])
                 for name, number, *args in BY_PID]
        rows += [(f"{name} of {pid}", "EPERM|EACCES|ESRCH|ENOSYS", by_pidfd, number, pid, *args) for name, number, *args in BY_PIDFD]
    sfs.ok("there are processes to try", len(pids) >= 4, pids)
    group("what B tries on processes", each(B, rows))
    group("and A himself on those that run his code", each(A,
        [(f"{w} {pid}", "EPERM|EACCES|ENOENT|ESRCH", call, *args) for pid in pids for w, call, *args in (
        ("kill", os.kill, pid, signal.SIGKILL), ("ptrace", ptrace, PTRACE_ATTACH, pid), ("mem", looked_at, "mem", pid),
        ("fd", take_descriptor, pid))]))
    sfs.ok("all of them are there", before <= set(sfs.processes()), before - set(sfs.processes()))
    sfs.ok("A's run goes on", not outcomes and text(path("mine", "state")).strip() == "running 1", outcomes)
    group("B ends none by the file system either", each(B, [("rmdir", REFUSED, os.rmdir, path("mine")),
        ("rm of the codelet", REFUSED, os.unlink, at("a.o")),
                                                            ("a run that fails", "EACCES|ENOENT", run_here, "mine", "reps=1")]))
    sfs.ok("A's run goes on still", not outcomes and text(path("mine", "state")).strip() == "running 1", outcomes)
    as_user(A, os.rmdir, path("mine"))
    runner.join(20)
    sfs.ok("A ends it", outcomes and outcomes[0] in ("ENODEV", "ECANCELED"), outcomes)


def is_daemons(pid):
    """Of the daemon or of a jail, and not of this test."""
    try:
        return "sandboxfs" in os.path.basename(os.readlink(f"/proc/{pid}/exe")) or len(ours(pid).get("NSpid", "").split()) > 1
    except OSError:
        return False


def ptrace(request, pid):
    libc("ptrace", request, pid, 0, 0)


def by_number(number, *args):
    libc("syscall", number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])


def by_pidfd(number, pid, *args):
    fd = LIBC.syscall(NR_PIDFD_OPEN, pid, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    try:
        by_number(number, fd, *args)
    finally:
        os.close(fd)


def take_descriptor(pid):
    fd = LIBC.syscall(NR_PIDFD_OPEN, pid, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    libc("syscall", NR_PIDFD_GETFD, fd, 0, 0)


def limit(pid):
    libc("prlimit", pid, 7, (ctypes.c_ulong * 2)(1, 1), None)


def read_memory(pid):
    iov = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    libc("process_vm_readv", pid, iov, 1, (ctypes.c_void_p * 2)(0x400000, 8), 1, 0)


def enter(pid):
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    try:
        libc("setns", fd, 0)
    finally:
        os.close(fd)


# ---- limits ----------------------------------------------------------------------------------------------------------------


def setting(section, key):
    lines = text(f"{sfs.MNT}/config").split(f"[{section}]")[1].splitlines()
    return int(next(line.split("=")[1] for line in lines if line.split("=")[0].strip() == key))


def until_refused(work, most):
    """How often it goes and how it ends."""
    for i in range(most + 50):
        try:
            work(i)
        except OSError as e:
            return f"{i} {errno.errorcode[e.errno]}"
    return "no end"


def limits():
    """A takes all that he is given, of each kind, and holds it: B has his own."""
    kernels, staged, opens = setting("kernels", "max"), setting("limits", "staging_max_files"), setting("limits", "opens_max")
    group("A takes all he can have", [
        ("kernels", f"{kernels} EDQUOT", as_user, A, until_refused, lambda i: os.mkdir(path(f"a{i}")), kernels),
        ("staged files", f"{staged} EDQUOT", as_user, A, until_refused, lambda i: touch(at(f".a{i}"), os.O_CREAT | os.O_WRONLY),
        staged)])
    gate, held = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(A, A, A)
        os.setresuid(A, A, A)
        fds = []
        got = until_refused(lambda i: fds.append(os.open(f"{sfs.MNT}/kernels/sdot/params", os.O_RDONLY)), opens)
        os.write(held[1], got.encode())
        os.read(gate[0], 1)
        os._exit(0)
    got = os.read(held[0], 100).decode()
    sfs.ok("and open files", got.endswith("EDQUOT") or got.endswith("EMFILE"), got)
    group("B works as ever", each(B, [
        ("a kernel", "ok", make_kernel, "his"), ("a codelet", "0", sfs.load, LOOP, "b.o"), ("staged", "ok", put, ".b", two),
        ("opens", "ok", touch, path("his", "spec")),
        ("runs", "ETIMEDOUT", run_here, "his", "reps=1 timeout_ms=100"),
        ("is not told of A", "ok", lambda: "a0" not in text(f"{sfs.MNT}/error")),
        ("removes", "ok", os.unlink, at(".b")), ("unloads", "ok", os.unlink, at("b.o")),
        ("and ends", "ok", os.rmdir, path("his"))]))
    group("B cannot make room in A's", each(B, [("his kernel", REFUSED, os.rmdir, path("a0")),
        ("his staged file", HIDDEN, os.unlink, at(".a0"))]))
    os.write(gate[1], b"x")
    os.waitpid(pid, 0)
    group("A gives it back", each(A, [("kernels", "ok", lambda: [os.rmdir(path(f"a{i}")) for i in range(kernels)]),
        ("staged", "ok", lambda: [os.unlink(at(f".a{i}")) for i in range(staged)]),
                                      ("and can make again", "ok", make_kernel, "again"),
                                      ("and remove", "ok", os.rmdir, path("again"))]))


def queues():
    """A has more runs waiting than the machine has cores: B's run is answered in its time."""
    group("both have a kernel", [(f"{u}", "ok", as_user, u, lambda u=u: (sfs.load(LOOP, f"q{u}.o"),
        make_kernel(f"q{u}"))) for u in (A, B)])
    as_user(A, os.chmod, at(f"q{A}.o"), 0o600)
    many = [threading.Thread(target=as_user, args=(A, run_here, f"q{A}", "reps=1 timeout_ms=4000")) for _ in range(12)]
    for t in many:
        t.start()
    sfs.wait_for(lambda: text(path(f"q{A}", "state")).strip() == "running 12")
    begin = time.monotonic()
    got = as_user(B, run_here, f"q{B}", "reps=1 timeout_ms=200")
    took = time.monotonic() - begin
    sfs.ok("B's run is answered while 12 of A's wait", got == "ETIMEDOUT" and took < 20, (got, took))
    as_user(A, os.rmdir, path(f"q{A}"))
    for t in many:
        t.join(60)
    sfs.ok("A's end with their kernel", not any(t.is_alive() for t in many))
    as_user(B, os.rmdir, path(f"q{B}"))


os.chmod(sfs.TMP, 0o755)
kernels_of_another()
names_of_another()
processes_of_another()
limits()
queues()
for name in os.listdir(STORE):
    if name != "error":
        os.unlink(at(name))
sfs.ok("status is ok", sfs.read("status") == "ok\n", sfs.read("status"))
sfs.done()
