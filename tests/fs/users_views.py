#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""Users who come another way: through namespaces, a chroot, bind mounts, an overlay or a moved mount, with limits of their own, with
a descriptor of another's, or with another uid than when they opened it. Each is judged as who he is outside, and as who opened."""
import os, resource, signal, socket, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import A, B, KERNELS, STORE, as_user, at, content, one, outcome

OWN = os.path.join(KERNELS, "own")
SPEC = "[kernel]\nname = {0}\nfunction = own\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n"
CODE = open(sfs.compile_c("unsigned long own(unsigned long n) { return n + 1; }", "own"), "rb").read()
LARGE = open(sfs.compile_c("char table[20000] = { 1 }; unsigned long own(unsigned long n) { return n + table[n]; }", "large"), "rb").read()
BIND = os.path.join(sfs.TMP, "bind")


def make(name):
    os.mkdir(os.path.join(KERNELS, name))
    with open(os.path.join(KERNELS, name, "spec"), "w") as f:
        f.write(SPEC.format(name))


def put(name, data):
    with open(at(name), "wb") as f:
        f.write(data)


def result(uid, key):
    """Of that user's last run."""
    text = as_user(uid, lambda: open(f"{OWN}/result").read())
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line).get(key)


def child(work):
    """Its outcome in a process of its own, of root's."""
    return sfs.told(lambda: outcome(work))


def shell(words, script):
    """What it says on both streams; words are what starts sh."""
    return subprocess.run([*words, "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False, cwd="/", env=dict(os.environ, M=sfs.MNT)).stdout.split()


def user(uid, *groups):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--groups=" + ",".join(map(str, groups)) if groups else "--clear-groups"]


def run_as_opened(fd, tag):
    os.write(fd, f"n=5 reps=1 tag={tag}\n".encode())
    return "counted" if b"time_ns" in os.pread(fd, 1000, 0) else "nothing"


def namespaces():
    inside = [*user(A), "unshare", "--user", "--map-root-user"]
    got = shell(inside, "id -u; echo n=4 reps=1 tag=inside > $M/kernels/own/run; echo $?; cp $M/store/own.o $M/store/in.o; echo $?")
    sfs.ok("who is root in a namespace of his does what is his", got == ["0", "0", "0"], got)
    sfs.ok("as who he is outside", (result(A, "uid"), result(A, "tag"), os.stat(at("in.o")).st_uid) == (str(A), "inside", A))
    tries = ("cat $M/store/shut.o", "echo n=1 > $M/kernels/own/run", "rm -f $M/store/own.o", "rmdir $M/kernels/own", "echo x > $M/kernels/own/spec",
             "chmod 777 $M/kernels/own", "chown 0:0 $M/store/own.o", "ls $M/kernels/own/runs/*", "umount $M", "umount -l $M",
             "echo > $M/kernels/cblas_sdot/spec")
    inside = [*user(B), "unshare", "--user", "--map-root-user", "--mount"]
    got = shell(inside, "; ".join(f"({t}) > /dev/null 2>&1; echo $?" for t in tries))
    sfs.ok("another can do there what he can outside: nothing", len(got) == len(tries) and "0" not in got, list(zip(tries, got)))
    got = shell(inside, "cat $M/log $M/errors $M/kernels/own/result; ls $M/kernels/own/runs")
    sfs.ok("nor is he told more", got and not [word for word in got if str(A) in word or "inside" in word], got)
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    got = shell([*apart, *user(A)], "echo $$; echo n=6 reps=1 > $M/kernels/own/run; echo $?")
    sfs.ok("a process that has the number of another outside runs its own", got == ["1", "0"] and result(A, "return") == "7", got)
    # The codelet is open to a group that the caller is in, though his process cannot be asked by its number there.
    os.chown(at("own.o"), A, B)
    os.chmod(at("own.o"), 0o640)
    for words in ([], apart):
        got = shell([*words, *user(A + 7, B)], "echo codelet=own.o n=8 reps=1 > $M/kernels/open/run; echo $?")
        sfs.ok("supplementary groups count" + (" there too" if words else ""), got == ["0"], got)
        got = shell([*words, *user(A + 7)], "echo codelet=own.o n=8 reps=1 2> /dev/null > $M/kernels/open/run; echo $?")
        sfs.ok("and who is in none is refused", got[-1] != "0", got)
    os.chmod(at("own.o"), 0o644)


def places():
    def rooted(place, run):
        os.chroot(place)
        os.chdir("/")
        sfs.become(A)
        return run_as_opened(os.open(run, os.O_RDWR), "rooted") + " " + str(len(os.listdir("/..")) > 0)
    sfs.ok("in a chroot to the mount", child(lambda: rooted(sfs.MNT, "/kernels/own/run")) == "counted True" and result(A, "tag") == "rooted")
    sfs.ok("and to a folder of it", child(lambda: rooted(OWN, "/run")) == "counted True")
    os.mkdir(BIND)
    subprocess.run(["mount", "--bind", STORE, BIND], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", BIND], check=True)
    bound = os.path.join(BIND, "own.o")
    sfs.ok("a read only bind mount is read", open(bound, "rb").read() == CODE)
    got = [outcome(os.unlink, bound), outcome(open, bound, "wb"), outcome(os.rename, bound, BIND + "/x.o")]
    sfs.ok("and not written", got == ["EROFS"] * 3, got)
    sfs.ok("the mount itself still is", as_user(A, put, "a.o", one) == "ok" and as_user(A, os.unlink, at("a.o")) == "ok")
    subprocess.run(["umount", BIND], check=True)
    overlay()
    subprocess.run(["mount", "--move", sfs.MNT, BIND], check=True)
    sfs.ok("moved, it is another place's", not os.path.exists(f"{sfs.MNT}/README") and open(f"{BIND}/status").read() == "ok\n")
    with open(f"{BIND}/store/moved.o", "wb") as f:
        f.write(one)
    sfs.ok("and works", os.path.isdir(f"{BIND}/codelets/moved.o"))
    subprocess.run(["mount", "--move", BIND, sfs.MNT], check=True)
    sfs.ok("as it does moved back", sfs.read("status") == "ok\n" and outcome(os.unlink, at("moved.o")) == "ok")


def overlay():
    """The mount is below an overlay: what is done there is done in the overlay, and nothing here."""
    upper = os.path.join(sfs.TMP, "upper")
    os.mkdir(upper)
    subprocess.run(["mount", "-t", "tmpfs", "upper", upper], check=True)
    for name in ("u", "w"):
        os.mkdir(os.path.join(upper, name))
    words = ["mount", "-t", "overlay", "-o", f"lowerdir={sfs.MNT},upperdir={upper}/u,workdir={upper}/w", "overlay", BIND]
    if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        before = sfs.read("kernels/own/activity"), sorted(os.listdir(OWN)), sorted(os.listdir(STORE))
        sfs.ok("an overlay shows it", open(f"{BIND}/store/own.o", "rb").read() == CODE)
        with open(f"{BIND}/kernels/own/run", "w") as f:
            outcome(f.write, "n=1\n")
        for change in (lambda: os.unlink(f"{BIND}/store/own.o"), lambda: os.mkdir(f"{BIND}/kernels/over"), lambda: put_over("new.o")):
            outcome(change)
        after = sfs.read("kernels/own/activity"), sorted(os.listdir(OWN)), sorted(os.listdir(STORE))
        sfs.ok("and changes nothing of it", before == after and not os.path.exists(f"{KERNELS}/over"), (before, after))
        subprocess.run(["umount", BIND], check=True)
    subprocess.run(["umount", upper], check=True)


def put_over(name):
    with open(f"{BIND}/store/{name}", "wb") as f:
        f.write(one)


def limited(kind, most, work):
    def begin():
        sfs.become(A)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(kind, (most, most))
        return work()
    return child(begin)


def limits():
    def upload(name):
        fd = os.open(at(name), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        got = [outcome(os.write, fd, LARGE), outcome(os.write, fd, LARGE[4096:]), outcome(os.ftruncate, fd, 5000), outcome(os.pwrite, fd, b"x", 5000)]
        return str(got + [outcome(os.close, fd)])
    for name in ("own.o", "half.o"):
        got = limited(resource.RLIMIT_FSIZE, 4096, lambda name=name: upload(name))
        sfs.ok(f"half of {name} is written, and refused", got == str([4096, "EFBIG", "EFBIG", "EFBIG", "ENOEXEC"]), got)
    path = os.path.join(sfs.TMP, "large.o")
    got = limited(resource.RLIMIT_FSIZE, 4096, lambda: subprocess.run(["cp", path, at("half.o")], stderr=subprocess.DEVNULL, check=False).returncode)
    sfs.ok("cp fails as well", got != "0", got)
    sfs.ok("none is there, and the old one stays", not os.path.exists(at("half.o")) and content("own.o") == CODE)
    for kind, most in ((resource.RLIMIT_FSIZE, 100), (resource.RLIMIT_AS, 1 << 28), (resource.RLIMIT_NPROC, 1), (resource.RLIMIT_MEMLOCK, 0)):
        got = limited(kind, most, lambda: run_as_opened(os.open(f"{OWN}/run", os.O_RDWR), "limited"))
        sfs.ok(f"a client's limit {kind} is not that of his run", got == "counted", got)


def passed_on():
    """A opens, B writes: what is done is A's, and shown to A."""
    ours, theirs = socket.socketpair()

    def send():
        fds = [os.open(f"{OWN}/{row}", flags) for row, flags in (("run", os.O_RDWR), ("start", os.O_RDWR), ("clone", os.O_RDONLY))]
        socket.send_fds(ours, [b"x"], [*fds, os.open(at("sent.o"), os.O_CREAT | os.O_WRONLY, 0o600)])

    def receive():
        _, (run, start, clone, sent), _, _ = socket.recv_fds(theirs, 10, 10)
        number = int(os.pread(clone, 100, 0))
        return str([run_as_opened(run, "passed"), outcome(os.write, start, b"n=5 reps=1\n"), outcome(os.listdir, f"{OWN}/jobs/{number}"),
                    outcome(os.write, sent, one), outcome(os.close, sent), open(f"{OWN}/result").read()])
    sfs.ok("A sends what he has opened", as_user(A, send) == "ok")
    got = as_user(B, receive)
    sfs.ok("B uses it, and sees of it what the descriptor shows", got == str(["counted", 11, "EACCES", len(one), "ok", ""]), got)
    sfs.ok("the run is A's", sfs.wait_for(lambda: result(A, "uid") == str(A)) and os.stat(at("sent.o")).st_uid == A)
    sfs.ok("nothing of it is left of B", sfs.wait_for(lambda: os.listdir(f"{OWN}/jobs") == []), os.listdir(f"{OWN}/jobs"))
    put("roots.o", CODE)  # what root runs has to be his

    def change(before, after):
        os.setgroups([])
        os.setresuid(before, before, 0)
        fd = os.open(f"{OWN}/run", os.O_RDWR)
        os.setresuid(0, 0, 0)
        os.setresuid(after, after, 0)
        return run_as_opened(fd, "changed")
    for before, after in ((0, B), (A, B), (A, 0)):
        got = child(lambda b=before, a=after: change(b, a))
        sfs.ok(f"opened by {before}, written by {after}", got == "counted" and result(before, "tag") == "changed", got)
        sfs.ok("is a run of who opened", result(before, "uid") == str(before) and result(B, "uid") is None)
    sfs.ok("and who could not open cannot", child(lambda: change(B, 0)) == "EACCES")


sfs.ok("A has a codelet and a kernel", [as_user(A, put, "own.o", CODE), as_user(A, make, "own")] == ["ok", "ok"])
as_user(A, put, "shut.o", one)
os.chmod(at("shut.o"), 0o600)
make("open")
os.chmod(f"{KERNELS}/open/run", 0o666)
namespaces()
places()
limits()
passed_on()
sfs.done()
