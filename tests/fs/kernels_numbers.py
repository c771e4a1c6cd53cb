#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# no-mount
"""Numbers of runs and jobs never come again: not after an orderly end, a kill -9, a damaged counter; nor do more than a block of them."""
import atexit, os, signal, subprocess, sys, tempfile

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-numbers-")
mnt, state = os.path.join(top, "mnt"), os.path.join(top, "state")
os.mkdir(mnt)
os.chmod(top, 0o755)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import onetest, sfs

BLOCK = 1024
COUNTER = os.path.join(state, "kernels/.number")


def answers():
    try:
        return os.path.exists(os.path.join(mnt, "kernels"))
    except OSError:
        return False


def start():
    daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--state", state, mnt])
    atexit.register(daemon.terminate)
    sfs.ok("it is there", sfs.wait_for(answers))
    return daemon


def stop(daemon):
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(20)


def run():
    error, answer = sfs.run("one", "reps=1")
    if error:
        raise OSError(error, answer)
    return int(sfs.flat("kernels/one/result")["run"])


def clone():
    fd = os.open(os.path.join(mnt, "kernels/one/clone"), os.O_RDONLY)
    number = int(os.read(fd, 100))
    os.close(fd)
    return number


daemon = start()
sfs.codelet("unsigned long one(unsigned long n) { return n; }", "one")
sfs.number_kernel("one")
first = run()
sfs.ok("the first is 1", first == 1, first)
sfs.ok("then 2, of a job", clone() == 2)
sfs.ok("the block is reserved before it is used", int(open(COUNTER, encoding="ascii").read()) > BLOCK)
sfs.ok("it ends well", stop(daemon) == 0)
daemon = start()
third = run()
sfs.ok("after an orderly end it goes on without a gap", third == 3, third)
sfs.ok("runs before are not there", os.listdir(os.path.join(mnt, "kernels/one/runs")) == ["3"])
last = third
for _ in range(BLOCK + BLOCK // 4):
    number = clone()
    if number != last + 1:
        break
    last = number
sfs.ok("more than a block, without a gap", last == third + BLOCK + BLOCK // 4, last)
sfs.ok("the next is reserved in time", sfs.wait_for(lambda: int(open(COUNTER, encoding="ascii").read()) > last), last)
children = [p for p in onetest.descendants(daemon.pid)]
for p in [daemon.pid, *children]:
    try:
        os.kill(p, signal.SIGKILL)
    except ProcessLookupError:
        pass
daemon.wait()
subprocess.run(["umount", "-l", mnt] if os.getuid() == 0 else ["fusermount3", "-uz", mnt], check=False)
daemon = start()
number = run()
sfs.ok("after kill -9 of everything none comes again", last < number <= last + 2 * BLOCK, (last, number))
stop(daemon)
for text in ("rubbish\n", "", "0\n", "-5\n", "99999999999999999999999\n"):
    with open(COUNTER, "w", encoding="ascii") as f:
        f.write(text)
    daemon = start()
    sfs.ok(f"damaged to '{text.strip()[:9]}', they go on far beyond", run() > 10 ** 9)
    stop(daemon)
daemon = start()
os.unlink(COUNTER)
os.mkdir(COUNTER)
last = run()
for _ in range(BLOCK + 10):
    last = clone()
sfs.ok("one that cannot be written is reported in status", sfs.wait_for(lambda: "run numbers" in sfs.read("status") or "come again" in sfs.read("status")),
       sfs.read("status"))
sfs.ok("and they go on", clone() == last + 1)
stop(daemon)
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
