#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writers that do not wait themselves, with io_submit(2) and io_uring(7): kill -9 ends them and their runs as it ends others."""
import ctypes, errno, mmap, os, signal, struct, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

LIBC = ctypes.CDLL(None, use_errno=True)
NR_IO_SETUP, NR_IO_GETEVENTS, NR_IO_SUBMIT, NR_URING_SETUP, NR_URING_ENTER = 206, 208, 209, 425, 426
PWRITE, URING_WRITE, ASYNC, GETEVENTS = 1, 23, 16, 1
LOOP = b"reps=1 timeout_ms=40000\n"


def syscall(number, *args):
    got = LIBC.syscall(ctypes.c_long(number), *args)
    if got < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return got


class Aio:
    """One write by io_submit(2)."""

    def __init__(self):
        self.context = ctypes.c_ulong(0)
        syscall(NR_IO_SETUP, ctypes.c_uint(4), ctypes.byref(self.context))

    def begin(self, fd, data):
        self.text = ctypes.create_string_buffer(data, len(data))
        self.block = ctypes.create_string_buffer(struct.pack("<QIiHhIQQqQII", 0, 0, 0, PWRITE, 0, fd, ctypes.addressof(self.text),
                                                             len(data), 0, 0, 0, 0))
        syscall(NR_IO_SUBMIT, self.context, ctypes.c_long(1), ctypes.byref(ctypes.c_void_p(ctypes.addressof(self.block))))

    def end(self):
        event = ctypes.create_string_buffer(32)
        syscall(NR_IO_GETEVENTS, self.context, ctypes.c_long(1), ctypes.c_long(1), event, None)
        return struct.unpack_from("<q", event, 16)[0]


class Uring:
    """One write by io_uring(7), by a thread of the kernel's."""

    def __init__(self):
        params = ctypes.create_string_buffer(120)
        self.fd = syscall(NR_URING_SETUP, ctypes.c_uint(4), params)
        words = struct.unpack("<30I", params.raw)
        self.sq, self.cq = words[10:20], words[20:30]  # offsets: head tail mask entries ...
        self.sq_ring = mmap.mmap(self.fd, self.sq[6] + 4 * words[0], offset=0)
        self.cq_ring = mmap.mmap(self.fd, self.cq[5] + 16 * words[1], offset=0x8000000)
        self.entries = mmap.mmap(self.fd, 64 * words[0], offset=0x10000000)

    def begin(self, fd, data):
        self.text = ctypes.create_string_buffer(data, len(data))
        tail = struct.unpack_from("<I", self.sq_ring, self.sq[1])[0]
        at = tail & struct.unpack_from("<I", self.sq_ring, self.sq[2])[0]
        self.entries[64 * at:64 * at + 64] = struct.pack("<BBHiQQII32x", URING_WRITE, ASYNC, 0, fd, 0,
                                                         ctypes.addressof(self.text), len(data), 0)
        struct.pack_into("<I", self.sq_ring, self.sq[6] + 4 * at, at)
        struct.pack_into("<I", self.sq_ring, self.sq[1], tail + 1)
        syscall(NR_URING_ENTER, self.fd, 1, 0, 0, None, 0)

    def end(self):
        syscall(NR_URING_ENTER, self.fd, 0, 1, GETEVENTS, None, 0)
        head = struct.unpack_from("<I", self.cq_ring, self.cq[0])[0]
        at = head & struct.unpack_from("<I", self.cq_ring, self.cq[2])[0]
        struct.pack_into("<I", self.cq_ring, self.cq[0], head + 1)
        return struct.unpack_from("<i", self.cq_ring, self.cq[5] + 16 * at + 8)[0]


def ask(kind, kernel, text, flags):
    """What a write that way answers."""
    fd = os.open(os.path.join(sfs.MNT, "kernels", kernel, "run"), os.O_RDWR | flags)
    way = kind()
    way.begin(fd, text)
    return way.end()


def killed(kind, flags):
    """How long it takes until the writer of an endless run has gone, and how long until the run has."""
    pid = os.fork()
    if pid == 0:
        ask(kind, "loop", LOOP, flags)
        os._exit(1)
    running = sfs.wait_for(lambda: sfs.read("kernels/loop/state").startswith("running"))
    begin = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    gone = sfs.wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 15)
    took = time.monotonic() - begin
    if not gone:
        os.waitpid(pid, 0)
    return running and gone and sfs.wait_for(lambda: sfs.read("kernels/loop/state").strip() == "idle", 15), took


def there(kind):
    try:
        kind()
    except OSError as e:
        if e.errno in (errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


sfs.codelet("""
unsigned long quick(unsigned long n) { return n; }
unsigned long loop(unsigned long n) { for (;;) __asm__ volatile(""); return n; }
""", "ways")
for name in ("quick", "loop"):
    sfs.number_kernel(name)
for kind in (Aio, Uring):
    what = kind.__name__
    if not there(kind):
        print(f"skip {what}: not on this machine")
        continue
    for flags, how in ((0, ""), (os.O_DIRECT, " with O_DIRECT")):
        got = ask(kind, "quick", b"n=1 reps=1\n", flags)
        sfs.ok(f"{what}{how}: a run", got == 11, got)
        got = ask(kind, "quick", b"frob\n", flags)
        sfs.ok(f"{what}{how}: a refusal", got == -errno.EINVAL, got)
        sfs.ok(f"{what}{how}: kill -9 ends it", *killed(kind, flags))
for name in ("quick", "loop"):
    os.rmdir(os.path.join(sfs.MNT, "kernels", name))
sfs.done()
