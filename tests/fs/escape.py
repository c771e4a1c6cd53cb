#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
"""Escapes from a rocker: each attempt fails with the errno that it names, whatever the jobs are called there."""
import copy, os, shlex, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import escapes
import cells
import sfs

HOST_NAME = f"escape-host-{os.getpid()}"  # the same test may run as somebody else beside this one
USER = [] if sfs.ROLE == "root" else ["user=1"]
folder = os.path.join(sfs.TMP, "suite")
os.chmod(sfs.TMP, 0o755)
os.mkdir(folder)
suite = escapes.Suite(folder)
binds = f"{shlex.quote(suite.ro)} /t ro\n{shlex.quote(suite.rw)} /w rw\n"


def attempt(rocker, name, *words):
    """What the attempt says of itself in that rocker."""
    error, answer = cells.command(rocker, " ".join(["/t/attempt", name, *USER, *words]))
    said = answer.split()
    if error or not said:
        return f"{sfs.name_of(error)} {answer} {cells.result(rocker)}"
    return said[-1]


def check(rocker, a, *words, called=""):
    if escapes.ROOT in a and sfs.ROLE != "root":
        return
    got = attempt(rocker, a.name, *words)
    a = called_root(a) if called else a
    want = a.wanted(sfs.ROLE)
    if escapes.ALLOWED in a:
        sfs.ok(f"{a.name}: {a.what}", got == "ESCAPED", got)
    elif escapes.OWN in a and sfs.ROLE != "root":  # his guard has his own id
        sfs.ok(f"{a.name}: {a.what} is {want}, or his own", got in (want, "ESCAPED"), got)
    elif called and sfs.ROLE != "root" and a.name.startswith("guard_"):  # there is nothing of it in /proc
        sfs.ok(f"{a.name}: {a.what} is {want}, or is not there", got in (want, "EACCES"), got)
    elif a.name == "i386":  # a machine may not even have that way in
        sfs.ok(f"{a.name}: {a.what} gets nowhere", got in (want, "SIGSEGV", "ENOSYS"), got)
    else:
        sfs.ok(f"{a.name}: {a.what} is {want}", got == want, got)


def called_root(a):
    """The same attempt of root inside."""
    a = copy.copy(a)
    a.what = f"{a.what}, tried by root inside,"
    return a


def find(name):
    return next(a for a in suite.attempts if a.name == name)


def moved(rocker):
    """The owner of a bind moves the folder in which the attempt stands out of the bind."""
    os.makedirs(f"{suite.rw}/moved/deep")
    job = cells.start(rocker, " ".join(["/t/attempt", "dotdot_moved", "rw=/w", *USER]))
    sfs.wait_for(lambda: os.path.exists(f"{suite.rw}/ready"))
    os.rename(f"{suite.rw}/moved", f"{suite.folder}/moved")
    with open(f"{suite.rw}/go", "w"):
        pass
    ended = cells.job_ended(rocker, job)
    said = sfs.read(f"rockers/{rocker}/jobs/{job}/stdout").split()
    sfs.ok("dotdot_moved: up from a folder moved out of its bind is ENOENT", ended and said[-1:] == ["ENOENT"], said)


def interpreter(rocker):
    """A script whose interpreter is /proc/self/exe: at that moment the one of the guard, which must not suffer by it."""
    path = f"{suite.rw}/script"
    with open(path, "w") as f:
        f.write("#!/proc/self/exe\n")
    os.chmod(path, 0o755)
    error, answer = cells.command(rocker, "/w/script")
    sfs.ok("exe_script: the guard as interpreter says nothing", not answer.strip() or error, answer)
    sfs.ok("exe_script: and the guard lives on", attempt(rocker, "sysrq") == "ENOENT")


def neighbours(rocker):
    """What a second rocker has, seen from the first, and the first with a loopback of its own."""
    with cells.rocker("other", binds=binds, network="loopback") as other:
        job = cells.start(other, "/t/attempt serve_abstract abstract=escape-rocker")
        sfs.ok("the other rocker's abstract socket is there", sfs.wait_for(
            lambda: "listening" in sfs.read(f"rockers/{other}/jobs/{job}/stdout")))
        sfs.ok("abstract_self: which it reaches itself", attempt(other, "abstract_rocker", "abstract=escape-rocker") == "ESCAPED")
        check(rocker, find("abstract_rocker"), "abstract=escape-rocker")
        check(other, find("host_port_lo"), f"port={tcp.getsockname()[1]}")
        sfs.ok("abstract_lo: the host's abstract socket is refused there too",
               attempt(other, "abstract_host", f"abstract={HOST_NAME}") == "ECONNREFUSED")


def same_network():
    """Two rockers without a network may share an empty one; that must not show."""
    with cells.rocker("quiet", binds=binds) as quiet:
        job = cells.start(quiet, "/t/attempt serve_abstract abstract=escape-quiet")
        sfs.wait_for(lambda: "listening" in sfs.read(f"rockers/{quiet}/jobs/{job}/stdout"))
        got = attempt(cell, "abstract_rocker", "abstract=escape-quiet")
        sfs.ok("abstract_quiet: one of a rocker without a network, too", got in ("ECONNREFUSED", "EPERM"), got)


def layers():
    """What lies in a data directory that its owner plays with between two builds."""
    data = os.path.join(sfs.TMP, "data")
    os.mkdir(data)
    with cells.rocker("layered", binds=binds, data_dir=shlex.quote(data), overlays="/etc") as layered:
        check(layered, find("overlay_work"))
    upper = next(iter(n for n in os.listdir(data) if "upperdir" in n), ".upperdir____etc")
    subprocess.run(["rm", "-rf", os.path.join(data, upper)], check=True)
    os.symlink(suite.folder, os.path.join(data, upper))
    os.mkdir(cells.path("layered"))
    error = cells.put("layered", "binds", binds) or cells.put("layered", "data_dir", shlex.quote(data)) or \
        cells.put("layered", "overlays", "/etc")
    if not error:
        error, answer = cells.command("layered", "/t/attempt host_path secret=/etc/secret")
        sfs.ok("layer_link: a layer that is a link is not followed", error and "ESCAPED" not in answer, answer)
    os.rmdir(cells.path("layered"))


def untouched():
    """What the host has is as it was."""
    sfs.ok("the read-only bind is as it was", sorted(os.listdir(suite.ro)) == before, sorted(os.listdir(suite.ro)))
    sfs.ok("nothing reached the host's /etc", not [n for n in os.listdir("/etc") if n.startswith(("whiteout", "marked", "user-"))])


before = sorted(os.listdir(suite.ro))
tcp, unix = escapes.listeners(HOST_NAME)
with cells.rocker("cell", binds=binds, overlays="/etc") as cell:
    words = suite.words(secret=suite.secret, ro="/t", rw="/w", over="/etc", disk=escapes.disk(), pid=os.getpid(),
                        port=tcp.getsockname()[1], abstract=HOST_NAME)
    for each in suite.attempts:
        if escapes.APART not in each or each.name == "i386":
            check(cell, each, *words)
    moved(cell)
    interpreter(cell)
    neighbours(cell)
    same_network()
    text = cells.flat(cell, "activity")
    sfs.ok("activity counts what was refused", int(text["refused_syscalls"]) >= 30, text)
with cells.rocker("called_root", binds=binds, overlays="/etc", uid="0", gid="0") as cell:
    for each in suite.attempts:
        if escapes.APART not in each or each.name == "i386":
            check(cell, each, *words, called="root")
layers()
untouched()
sfs.done()
