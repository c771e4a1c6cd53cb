#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
"""Packages that the kernel must not read are served by squashfuse in a jail: what is in them, and what they cannot do."""
import contextlib, os, random, shlex, shutil, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import cells
import sfs

ROOT, USER = sfs.ROLE == "root", 1000
PROGRAM = "squashfuse_ll"
LIES = 12  # images of which bytes are wrong
os.chmod(sfs.TMP, 0o755)


def path(name):
    return os.path.join(sfs.TMP, name)


def made(name, tree):
    """An image that is no root's: of the user 1000, or of who runs this."""
    subprocess.run(["mksquashfs", tree, path(name), "-noappend", "-quiet", "-no-progress", "-all-root"], check=True,
                   stdout=subprocess.DEVNULL)
    if ROOT:
        os.chown(path(name), USER, USER)
    os.chmod(path(name), 0o644)
    return path(name)


def tree():
    top = path("tree")
    os.mkdir(top)
    shutil.copy(shutil.which("busybox"), f"{top}/busybox")
    for i in range(40):
        with open(f"{top}/f{i}", "wb") as f:
            f.write(random.Random(i).randbytes(100000))
    with open(f"{top}/words", "w") as f:
        f.write("served\n")
    with open(f"{top}/closed", "w") as f:
        f.write("nobody's\n")
    os.chmod(f"{top}/closed", 0o600)
    return top


def package(image, **files):
    return cells.rocker("image", package=image, exec_dir="/opt/app", **files)


def servers():
    """Every process of this daemon's that serves an image."""
    found = []
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == PROGRAM:
                    found.append(pid)
        except OSError:
            pass
    return found


def those(what):
    """The servers that there are: /proc may be read while what it shows is on the move."""
    found = []

    def look():
        found[:] = servers()
        return found
    sfs.ok(f"{what}: there is a server", sfs.wait_for(look))
    return found


def sh(name, line):
    return cells.command(name, "/opt/app/busybox sh -c " + shlex.quote(line))


def why(error, answer):
    return f"{sfs.name_of(error)} {answer[-300:]} {sfs.read('error')[-300:]}"


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}


def serves(image):
    with package(image) as name:
        error, answer = sh(name, "cat /opt/app/words; /opt/app/busybox md5sum /opt/app/f7 | /opt/app/busybox cut -c1-32")
        wanted = subprocess.run(["md5sum", path("tree/f7")], capture_output=True, text=True, check=True).stdout[:32]
        sfs.ok("a package of no root's is read", not error and answer.split()[:2] == ["served", wanted], why(error, answer))
        error, answer = sh(name, "echo x > /opt/app/new")
        sfs.ok("and not written", "Read-only" in sfs.read(f"rockers/{name}/output") + answer, why(error, answer))
        error, answer = sh(name, "/opt/app/busybox cat /opt/app/closed")
        sfs.ok("its modes are kept", "denied" in sfs.read(f"rockers/{name}/output") + answer, why(error, answer))
        jailed()
    sfs.ok("its server goes with the rocker", sfs.wait_for(lambda: not servers()), servers())


def jailed():
    """How the server of the one rocker stands."""
    pids = servers()
    if not sfs.ok("there is one server", len(pids) == 1, pids):
        return
    told = status(pids[0])
    uids = set(told["Uid"].split())
    good = len(uids) == 1 and not uids & {"0", str(USER)} if ROOT else uids == {str(os.getuid())}
    sfs.ok("server: an id that is nobody's", good, uids)
    sfs.ok("server: no capabilities", all(int(told[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapBnd", "CapAmb")), told)
    sfs.ok("server: no new privileges, a filter", told["NoNewPrivs"] == "1" and told["Seccomp"] == "2", told)
    own = [os.readlink(f"/proc/{pids[0]}/ns/{n}") != os.readlink(f"/proc/self/ns/{n}")
           for n in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")]
    sfs.ok("server: namespaces of its own", all(own), own)
    seen = sorted(os.listdir(f"/proc/{pids[0]}/root"))
    sfs.ok("server: sees its program and libraries", set(seen) <= {"usr", "lib", "lib64", "etc", "proc"} and
           os.listdir(f"/proc/{pids[0]}/root/etc") in (["ld.so.cache"], []), seen)
    with open(f"/proc/{pids[0]}/mounts") as f:
        writable = [line for line in f if "ro" not in line.split()[3].split(",") and line.split()[2] != "proc"]
    sfs.ok("server: can write nowhere", not writable, writable)
    with open(f"/proc/{pids[0]}/oom_score_adj") as f:
        sfs.ok("server: goes first", f.read().strip() == "1000")
    if ROOT:
        with open(f"/proc/{pids[0]}/cgroup") as f:
            sfs.ok("server: is limited with its rocker", "sandboxfs-" in f.read())


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def removed(what, name):
    """It is removed at once, whoever does not answer, and its server and jobs are gone."""
    begin = time.monotonic()
    os.rmdir(cells.path(name))
    took = time.monotonic() - begin
    print(f"{what}: removed in {1000 * took:.1f} ms")
    sfs.ok(f"{what}: the rocker is removed at once", took < 2, f"{took:.3f} s")
    gone = sfs.wait_for(lambda: not servers() and not [p for p in sfs.processes() if comm(p) == "busybox"])
    sfs.ok(f"{what}: nothing of it is left", gone, servers())


def killed(image):
    cells.make("image", package=image, exec_dir="/opt/app", binds=shlex.quote(folder) + " /b ro\n")
    sh("image", "cat /opt/app/words")
    for pid in those("killed"):
        os.kill(pid, signal.SIGKILL)
    sfs.ok("killed: the server ends", sfs.wait_for(lambda: not servers()), servers())
    error, answer = cells.command("image", "/b/busybox cat /opt/app/f3")
    told = answer + sfs.read("rockers/image/output")
    sfs.ok("killed: who asks it is told", "endpoint is not connected" in told, why(error, answer))
    removed("killed", "image")


def stopped(image):
    """A server that does not answer: its rocker waits, and nobody else."""
    cells.make("image", package=image, exec_dir="/opt/app", binds=shlex.quote(folder) + " /b ro\n")
    sh("image", "cat /opt/app/words")
    for pid in those("stopped"):
        os.kill(pid, signal.SIGSTOP)
    job = cells.start("image", "/b/busybox cat /opt/app/f5 /opt/app/f6")
    time.sleep(0.3)  # for it to ask
    sfs.ok("stopped: its rocker's job waits", not cells.job_ended("image", job, 0.2))
    cells.make("other", binds=shlex.quote(folder) + " /b ro\n")
    error, answer = cells.command("other", "/b/busybox cat /b/words")
    sfs.ok("stopped: another rocker works", not error and "served" in answer, why(error, answer))
    error, answer = cells.command("image", "/b/busybox cat /b/words")
    sfs.ok("stopped: what does not ask it works", not error and "served" in answer, why(error, answer))
    os.rmdir(cells.path("other"))
    removed("stopped", "image")


def frozen(image):
    with package(image) as name:
        sh(name, "cat /opt/app/words")
        if cells.put(name, "freeze", "1"):
            print("skip frozen: this machine freezes nothing")
            return
    sfs.ok("frozen: the server ends with the rocker", sfs.wait_for(lambda: not servers()), servers())


def shared(image):
    """Two rockers with one image have a server each."""
    with package(image), cells.rocker("second", package=image, exec_dir="/opt/app") as second:
        for name in ("image", second):
            error, answer = sh(name, "cat /opt/app/words")
            sfs.ok(f"shared: {name} reads it", not error and "served" in answer, why(error, answer))
        sfs.ok("shared: by servers of their own", len(servers()) == 2, servers())


def refused(what, image, error_wanted, words, **files):
    with package(image, **files) as name:
        error, answer = cells.command(name, "/opt/app/busybox true")
        if sfs.name_of(error) == "ETIMEDOUT" and sfs.patient(1) > 1:
            print(f"skip {what}: this machine is too slow for squashfuse to say so within the launcher's deadline")
            return
        sfs.ok(f"{what} is refused", sfs.name_of(error) in error_wanted and words in answer, why(error, answer))
    sfs.ok(f"{what}: no server is left", sfs.wait_for(lambda: not servers()), servers())


def not_served(image):
    with open(image, "rb") as f:
        data = f.read()
    no_image = path("no.squashfs")
    with open(no_image, "wb") as f:
        f.write(data[:4] + b"\xff" * 4092)
    if ROOT:
        os.chown(no_image, USER, USER)
    os.chmod(no_image, 0o644)
    refused("what squashfuse cannot read", no_image, ("EIO",), "squashfuse cannot read the image")
    if shutil.which("mkfs.erofs"):
        erofs = path("app.erofs")
        subprocess.run(["mkfs.erofs", erofs, folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if ROOT:
            os.chown(erofs, USER, USER)
        with cells.rocker("image") as name:
            error = cells.put(name, "package", erofs)
            answer = sfs.read(f"rockers/{name}/error")
            sfs.ok("an erofs image of no root's is refused", sfs.name_of(error) in ("EOPNOTSUPP", "ENOTSUP") and
                   "erofs image" in answer, why(error, answer))


def lies(image):
    """Wrong bytes anywhere: the job may fail, the rocker may not be built; nobody waits, nothing is left, the daemon lives."""
    with open(image, "rb") as f:
        data = bytearray(f.read())
    end = len(data)
    for i in range(LIES if os.environ["BUILD"].endswith("build") else 3):
        chance, wrong = random.Random(1000 + i), bytearray(data)
        # Inodes, directories and tables are at the end, the offsets of these in the first 96 bytes.
        for _ in range(1 + i % 4 * 20):
            at = chance.randrange(4, 96) if i % 3 == 0 else chance.randrange(end - min(end, 4096), end)
            wrong[at] = chance.randrange(256)
        lie = path("lie.squashfs")
        with open(lie, "wb") as f:
            f.write(wrong)
        if ROOT:
            os.chown(lie, USER, USER)
        os.chmod(lie, 0o644)
        try:
            cells.make("lie", package=lie, exec_dir="/opt/app", binds=shlex.quote(folder) + " /b ro\n", time__max_ms="5000")
            cells.command("lie", "/b/busybox sh -c '/b/busybox find /opt/app | /b/busybox xargs /b/busybox cat > /dev/null'")
        except OSError:
            pass
        os.rmdir(cells.path("lie"))
    sfs.ok("lying images: nothing is left", sfs.wait_for(lambda: not servers()), servers())
    serves_still(image, "lying images")


def serves_still(image, what):
    with package(image) as name:
        error, answer = sh(name, "cat /opt/app/words")
        sfs.ok(f"{what}: the next one is served", not error and "served" in answer, why(error, answer))


def daemon_killed(image, name):
    """With the daemon or the launcher its servers end, stopped ones too."""
    cells.make("image", package=image, exec_dir="/opt/app")
    sh("image", "cat /opt/app/words")
    old = servers()
    sfs.ok(f"the {name} is killed: there was a server", len(old) == 1, old)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    for pid in sfs.processes():
        if comm(pid) == name:
            with contextlib.suppress(ProcessLookupError):  # what it has forked has its name, and ends with it
                os.kill(pid, signal.SIGKILL)
    sfs.ok(f"the {name} is killed: its servers end", sfs.wait_for(lambda: not set(old) & set(servers()), 60), servers())
    sfs.ok(f"the {name} is killed: the mount answers again", sfs.wait_for(answers, 60))
    sfs.ok(f"the {name} is killed: its rocker goes", sfs.wait_for(gone, 60))


def answers():
    try:
        return bool(sfs.read("version")) and os.listdir(cells.ROCKERS) is not None
    except OSError:
        return False


def gone():
    try:
        if "image" in os.listdir(cells.ROCKERS):
            os.rmdir(cells.path("image"))
        return "image" not in os.listdir(cells.ROCKERS)
    except OSError:
        return False


if not (shutil.which("mksquashfs") and os.path.exists("/usr/bin/" + PROGRAM) and shutil.which("busybox")):
    print("skip images: mksquashfs, squashfuse or busybox is not here")
    sfs.done()
folder = tree()
served = made("app.squashfs", folder)
sfs.ok("machine says that squashfuse is here", "squashfuse" in sfs.flat("machine")["rocker_images"].split(), sfs.flat("machine"))
for part in (serves, killed, stopped, frozen, shared, not_served, lies):
    try:
        part(served)
    except (OSError, ValueError) as e:
        sfs.ok(part.__name__, False, repr(e))
for victim in ("daemon", "launcher"):
    daemon_killed(served, victim)
serves_still(served, "after all")
sfs.done()
