#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# deadline: 180
"""Kernels are removed while they are used: by rmdir and rm -rf, by two at once, while files are open, while runs wait."""
import errno, os, shutil, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

KERNELS = os.path.join(sfs.MNT, "kernels")
GONE = (errno.ENODEV, errno.ESTALE)  # ENODEV by what is open, ESTALE where the kernel asks for attributes by number
WAIT_S = 20
sfs.codelet("unsigned long loop(unsigned long n) { for (;;) __asm__ volatile(\"\"); return n; }\n"
            "unsigned long quick(unsigned long n) { return n; }\n", "codes")


def path(*names):
    return os.path.join(KERNELS, *names)


def make(name, function="quick"):
    os.mkdir(path(name))
    with open(path(name, "spec"), "w") as f:
        f.write(f"[kernel]\nname = {name}\nfunction = {function}\nreturns = u64\n"
                "[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n")


def gone(name):
    return not os.path.exists(path(name)) and name not in os.listdir(KERNELS) and sfs.error_of(os.stat,
        path(name, "spec")) == errno.ENOENT


def names_of(errors):
    return sorted({sfs.name_of(e) for e in errors})


WAYS = (("rmdir", lambda name: os.rmdir(path(name))), ("rm -rf",
    lambda name: subprocess.run(["rm", "-rf", path(name)], check=True)),
        ("rmtree", lambda name: shutil.rmtree(path(name))))


def freed():
    for label, remove in WAYS:
        times = []
        for i in range(20):
            make("k")
            begin = time.monotonic()
            remove("k")
            times.append(time.monotonic() - begin)
            if not gone("k"):
                times = []
                break
        sfs.ok(f"{label}: the name is free at once, 20 times", times, os.listdir(KERNELS))
        make("k")
        error, answer = sfs.run("k", "n=7 reps=1")
        sfs.ok(f"{label}: a new one of that name runs", error == 0 and sfs.flat("kernels/k/result")["return"] == "7", answer)
        os.rmdir(path("k"))


def hidden():
    """rm of a control file hides it until the rmdir; it cannot be made again; the others stay as they were."""
    make("k")
    rows = os.listdir(path("k"))
    sfs.run("k", "n=3 reps=1")
    held = os.open(path("k", "result"), os.O_RDONLY)
    wrong = []
    for i, row in enumerate(rows):
        if not os.path.isfile(path("k", row)):
            continue
        os.unlink(path("k", row))
        errors = {call.__name__: sfs.error_of(call, path("k", row)) for call in (os.stat, os.unlink)}
        errors["open"] = sfs.error_of(os.open, path("k", row), os.O_RDONLY)
        errors["create"] = sfs.error_of(os.open, path("k", row), os.O_CREAT | os.O_WRONLY)
        if set(os.listdir(path("k"))) & set(rows[:i + 1]) & {row} or [errors[c] for c in ("stat", "unlink",
            "open")] != [errno.ENOENT] * 3 or \
                errors["create"] == 0:
            wrong.append((row, {c: sfs.name_of(e) for c, e in errors.items()}))
    sfs.ok("rm hides a control file, and none can be made there", not wrong, wrong[:3])
    sfs.ok("what was open before is read still", b"status ok" in os.pread(held, 65536, 0))
    os.close(held)
    sfs.ok("rmdir then removes it", sfs.error_of(os.rmdir, path("k")) == 0 and gone("k"))
    make("k")
    sfs.ok("a new one has all files again", sorted(os.listdir(path("k"))) == sorted(rows))
    os.rmdir(path("k"))


def reading(fd):
    os.pread(fd, 10, 0)


def descriptors():
    """Every file of a kernel held open in each way it can be, then the kernel is removed: what each call answers."""
    make("k")
    sfs.run("k", "n=3 reps=1")
    held = []
    for row in filter(lambda name: os.path.isfile(path("k", name)), os.listdir(path("k"))):
        for flags, call in ((os.O_RDONLY, reading), (os.O_WRONLY, lambda fd: os.write(fd, b"n=1\n")), (os.O_RDWR, reading)):
            try:
                held.append((row, os.open(path("k", row), flags), call))
            except OSError:
                pass
    dirty = os.open(path("k", "spec"), os.O_WRONLY)
    os.write(dirty, b"[kernel]\n")
    folder, at = os.open(path("k"), os.O_RDONLY), os.open(path("k"), os.O_PATH)
    os.rmdir(path("k"))
    answers = {(row, call.__name__): sfs.error_of(call, fd) for row, fd, call in held}
    sfs.ok(f"{len(held)} open descriptors answer ENODEV to read and write",
        len(held) > 15 and set(answers.values()) == {errno.ENODEV},
           {k: sfs.name_of(v) for k, v in answers.items() if v != errno.ENODEV})
    for label, call in (("fstat", os.fstat), ("fchmod", lambda fd: os.fchmod(fd, 0o600)),
        ("fchown", lambda fd: os.fchown(fd, os.getuid(), -1)),
                        ("ftruncate", lambda fd: os.ftruncate(fd, 0)), ("utimens", os.utime)):
        errors = [sfs.error_of(call, fd) for row, fd, c in held if c.__name__ == "<lambda>" or label != "ftruncate"]
        sfs.ok(f"{label} of them says that it is gone", all(e in GONE for e in errors), names_of(errors))
    sfs.ok("close of a specification that came too late says so", sfs.error_of(os.close, dirty) == errno.ENODEV)
    errors = {sfs.error_of(lambda d=d: os.open("spec", os.O_RDONLY, dir_fd=d)) for d in (folder, at) for _ in range(2)}
    sfs.ok("nothing is found below its directory", errors <= {errno.ENOENT, *GONE} and errors, names_of(errors))
    errors = {sfs.error_of(lambda: os.mkdir("x", dir_fd=folder)),
        sfs.error_of(lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=folder))}
    sfs.ok("nor can be made there", errors <= {errno.ENOENT, *GONE}, names_of(errors))
    sfs.ok("listing it ends", sfs.error_of(os.listdir, folder) in (0, errno.ENOENT, *GONE))
    closed = [sfs.error_of(os.close, fd) for _, fd, _ in held]
    sfs.ok("closing them is nobody's trouble", not any(closed), names_of(closed))
    make("k")
    sfs.ok("what takes the name is another", sfs.error_of(os.fstat, folder) in (0, *GONE) and sfs.run("k", "n=9 reps=1")[0] == 0)
    os.close(folder)
    os.close(at)
    os.rmdir(path("k"))


def at_once():
    """Two remove, two make, one writes and one reads: what each hears is so, and it can be removed in the end."""
    heard = {"remove": set(), "make": set(), "write": set(), "read": set()}

    def again(what, call):
        def go():
            for _ in range(60):
                heard[what].add(sfs.error_of(call))
        return go

    def written():
        with open(path("k", "spec"), "w") as f:
            f.write("[kernel]\nname = k\nfunction = quick\n[call]\nargs =\n")

    threads = [threading.Thread(target=again(w, c)) for w, c in (
        ("remove", lambda: os.rmdir(path("k"))), ("remove", lambda: os.rmdir(path("k"))), ("make", lambda: os.mkdir(path("k"))),
        ("make", lambda: os.mkdir(path("k"))), ("write", written), ("read", lambda: sfs.read("kernels/k/spec")))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    allowed = {"remove": {0, errno.ENOENT}, "make": {0, errno.EEXIST}, "write": {0, errno.ENOENT, errno.EINVAL, *GONE},
        "read": {0, errno.ENOENT, *GONE}}
    sfs.ok("two who remove and two who make it at once hear what is so",
        all(heard[w] <= allowed[w] for w in heard) and not any(t.is_alive() for t in threads),
           {w: names_of(e) for w, e in heard.items()})
    shutil.rmtree(path("k"), ignore_errors=True)
    sfs.ok("and it can be removed in the end", gone("k"))
    errors = []
    for i in range(20):
        make("k")
        both = [threading.Thread(target=lambda w=w: errors.append(sfs.error_of(w))) for w in
                (lambda: os.rmdir(path("k")), lambda: subprocess.run(["rm", "-rf", path("k")], check=True,
                stderr=subprocess.DEVNULL))]
        for t in both:
            t.start()
        for t in both:
            t.join(60)
        if not gone("k"):
            errors.append(errno.EEXIST)
            break
    sfs.ok("rmdir beside rm -rf leaves nothing", set(errors) <= {0, errno.ENOENT}, names_of(errors))


def while_running():
    """Whoever waits for a run hears that it was ended, from each way to remove and each way to wait; nobody hangs."""
    for label, remove in WAYS:
        make("k", "loop")
        answers, threads = [], []

        def waits():
            fd = os.open(path("k", "run"), os.O_RDWR)
            answers.append(sfs.error_of(os.write, fd, b"reps=1 timeout_ms=60000\n"))
            os.close(fd)

        threads = [threading.Thread(target=waits, daemon=True) for _ in range(3)]
        shell = subprocess.Popen(["bash", "-c", f"echo reps=1 timeout_ms=60000 >{path('k', 'run')}"], stderr=subprocess.PIPE,
            text=True)
        background = os.open(path("k", "run"), os.O_RDWR | os.O_NONBLOCK)
        os.write(background, b"reps=1 timeout_ms=60000\n")
        for t in threads:
            t.start()
        five = sfs.wait_for(lambda: sfs.read("kernels/k/state").strip() == "running 5")
        begin = time.monotonic()
        remove("k")
        took = time.monotonic() - begin
        free = gone("k")
        for t in threads:
            t.join(WAIT_S)
        try:
            said = shell.communicate(timeout=WAIT_S)[1]
        except subprocess.TimeoutExpired:
            said = "hangs"
            shell.kill()
        sfs.ok(f"{label} does not wait for five runs", five and took < 5 and free, (five, took))
        sfs.ok(f"{label}: who waited hears ENODEV or ECANCELED", not any(t.is_alive() for t in threads) and
               len(answers) == 3 and set(answers) <= {errno.ENODEV, errno.ECANCELED}, names_of(answers))
        sfs.ok(f"{label}: so does the shell", "No such device" in said or "canceled" in said, said)
        sfs.ok(f"{label}: and who did not wait", sfs.error_of(os.pread, background, 100, 0) in (errno.ENODEV, errno.ECANCELED))
        os.close(background)


def many():
    """All kernels that one may have, made and removed: no name is lost, none is left."""
    section = sfs.read("config").split("[kernels]")[1]
    most, made = int(next(line.split("=")[1] for line in section.splitlines() if line.startswith("max "))), 0
    for i in range(most + 1):
        error = sfs.error_of(os.mkdir, path(f"m{i}"))
        if error:
            break
        made += 1
    sfs.ok("the limit of kernels is EDQUOT", error == errno.EDQUOT and made == most, (sfs.name_of(error), made, most))
    os.rmdir(path("m0"))
    sfs.ok("one that is removed makes room", sfs.error_of(os.mkdir, path("again")) == 0)
    os.rmdir(path("again"))
    r = subprocess.run(["bash", "-c", f"rm -rf {KERNELS}/m[0-9]*"], capture_output=True, text=True, check=False)
    sfs.ok("rm -rf of all of them",
        r.returncode == 0 and not [n for n in os.listdir(KERNELS) if n.startswith("m") and n[1:].isdigit()], r.stderr[:200])


before = len(sfs.processes())
freed()
hidden()
descriptors()
at_once()
while_running()
many()
os.unlink(os.path.join(sfs.MNT, "store/codes.o"))
sfs.ok("no process is left of it", sfs.wait_for(lambda: len(sfs.processes()) <= before), (before, len(sfs.processes())))
sfs.done()
