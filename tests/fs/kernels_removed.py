#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""rmdir of a kernel ends its runs, and its writers are told; rm of a codelet takes its jail; what cannot be had is refused."""
import errno, os, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

sfs.codelet("void spin(void) { for (;;) __asm__ volatile(\"\"); }\nvoid stop(void) {}", "spin")
SPEC = "[kernel]\nname = spin\nfunction = spin\nreturns = void\n[call]\nargs =\n"
sfs.kernel("spin", SPEC)
outcome = []
begun = time.monotonic()


def waiting():
    try:
        outcome.append(sfs.run("spin", "reps=1 timeout_ms=8000 codelet=spin.o")[0])
    except OSError as e:  # the answer cannot be read from what is gone
        outcome.append(e.errno)


threads = [threading.Thread(target=waiting) for i in range(3)]
for t in threads:
    t.start()
while sfs.read("kernels/spin/state").split()[0] != "running" and time.monotonic() < begun + 5:
    time.sleep(0.01)
time.sleep(0.3)
os.rmdir(os.path.join(sfs.MNT, "kernels/spin"))
for t in threads:
    t.join()
took = time.monotonic() - begun
sfs.ok("its runs end with it", took < 4, f"{took} s")
sfs.ok("their writers hear ENODEV", outcome == [errno.ENODEV] * 3, [sfs.name_of(e) for e in outcome])
sfs.kernel("spin", SPEC.replace("function = spin", "function = stop"))
error, answer = sfs.run("spin", "codelet=spin.o reps=1")
sfs.ok("the name can be used again", error == 0, f"{sfs.name_of(error)} {answer}")
os.rmdir(os.path.join(sfs.MNT, "kernels/spin"))

for words, want in (("[measure]\nprocesses = 3\n", errno.EOPNOTSUPP), ("[limits]\ntsc = deny\n", errno.EOPNOTSUPP),
                    ("[measure]\ncpu = 4000\n", errno.ERANGE), ("[limits]\nmemory_bytes = 1 << 20\nstack_bytes = 1 << 20\n", errno.ERANGE)):
    sfs.kernel("spin", SPEC.replace("function = spin", "function = stop") + words)
    error, answer = sfs.run("spin", "codelet=spin.o reps=1")
    key = words.split("\n")[-2].split(" ")[0]
    sfs.ok(f"{key} is refused in words", error == want and key in answer, f"{sfs.name_of(error)} {answer}")
    os.rmdir(os.path.join(sfs.MNT, "kernels/spin"))
sfs.kernel("spin", SPEC.replace("function = spin", "function = stop") + "[limits]\nmemory_bytes = 1 << 20\n")
error, answer = sfs.run("spin", "codelet=spin.o")
sfs.ok("the least memory is enough for a run", error == 0, f"{sfs.name_of(error)} {answer}")
os.rmdir(os.path.join(sfs.MNT, "kernels/spin"))

# A codelet that is removed while it runs takes its jail along when the run ends.
sfs.codelet("void late(void) { for (;;) __asm__ volatile(\"\"); }", "late")
sfs.kernel("late", SPEC.replace("spin", "late"))
before = len(sfs.processes())
late = threading.Thread(target=lambda: outcome.append(sfs.run("late", "reps=1 timeout_ms=1000 codelet=late.o")[0]))
late.start()
during = before
while during == before and late.is_alive():
    time.sleep(0.01)
    during = len(sfs.processes())
os.unlink(os.path.join(sfs.MNT, "store/late.o"))
late.join()
end = time.monotonic() + 5
while len(sfs.processes()) != before and time.monotonic() < end:
    time.sleep(0.01)
sfs.ok("a codelet removed during its run leaves no jail", outcome[-1] == errno.ETIMEDOUT and len(sfs.processes()) == before < during,
       f"{sfs.name_of(outcome[-1])}, {before} processes before, {during} during, {len(sfs.processes())} after")
sfs.done()
