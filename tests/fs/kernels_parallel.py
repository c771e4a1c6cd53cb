#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# alone
"""Eight writers of one kernel each get their own answer, and run beside each other where there are cores for it."""
import concurrent.futures, os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

WRITERS, ROUNDS, BUSY_MS = 8, 6, 100
CORES = len(os.sched_getaffinity(0))

# A call computes for as long as it is told, in steps of a kind that no compiler folds.
sfs.codelet("""unsigned long churn(unsigned long n) {
    unsigned long x = n;
    for (unsigned long i = 0; i < n; i++) { x = x * 6364136223846793005UL + 1442695040888963407UL; __asm__ volatile("" : "+r"(x)); }
    return x; }
unsigned long f(unsigned long n) { return n * 3 + 1; }
""", "parallel")
for name in ("churn", "f"):
    sfs.number_kernel(name)


def measured(name, words):
    """A machine that others load may make honest samples look false: once more, then."""
    for _ in range(5):
        error, text = sfs.run(name, words)
        if not error or "mismatch" not in text:
            break
    return error, text


def answer(k):
    """What went wrong with this writer's runs; each is told apart by its tag among the runs."""
    wrong = []
    for i in range(ROUNDS):
        n = k * 1000 + i
        error, text = measured("f", f"n={n} reps={i + 1} events=tsc tag=w{n}")
        found = [r for r in os.listdir(os.path.join(sfs.MNT, "kernels/f/runs")) if tagged(r, f"w{n}", str(n * 3 + 1))]
        if error or "tsc" not in text or len(found) != 1:
            wrong.append(f"{sfs.name_of(error)} {text} {len(found)}")
    return wrong


def tagged(run, tag, value):
    result = sfs.flat(f"kernels/f/runs/{run}/result")
    return result.get("tag") == tag and result.get("return") == value


with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
    wrong = list(pool.map(answer, range(WRITERS)))
sfs.ok("eight writers each get their own", not any(wrong), wrong)

steps = 1 << 20
error, text = sfs.run("churn", f"n={steps} reps=1")
while not error and float(sfs.flat("kernels/churn/result")["time_ns_per_call"]) < BUSY_MS * 1e6:
    steps *= 2
    error, text = measured("churn", f"n={steps} reps=1 timeout_ms=60000")
sfs.ok("a run is of a length that can be measured", not error, f"{sfs.name_of(error)} {text}")


def churn(_):
    return measured("churn", f"n={steps} reps=1 timeout_ms=60000")[0]


def all_at_once():
    """Seconds that eight of them take together, errors."""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        errors = [e for e in pool.map(churn, range(WRITERS)) if e]
    return time.monotonic() - begin, errors


_, errors = all_at_once()  # makes the templates
sfs.ok("eight at once end well", not errors, errors)
begin = time.monotonic()
churn(0)
one = time.monotonic() - begin
took, errors = min(all_at_once() for _ in range(3))
sfs.ok("and again", not errors, errors)
print(f"# {WRITERS} runs of {one * 1e3:.0f} ms took {took * 1e3:.0f} ms together on {CORES} cores", flush=True)
if CORES > 2:
    beside = min(CORES, WRITERS)
    sfs.ok("beside each other as far as there are cores", took < one * WRITERS / (beside / 2) + 0.2, f"{took:.3f} s, one {one:.3f} s")
else:
    print("skip beside each other as far as there are cores: two cores", flush=True)
sfs.done()
