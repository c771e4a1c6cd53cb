#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""Bad words and bad specifications are refused with an errno, a sentence that quotes them, and nothing run."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SDOT = """
float sdot(unsigned long n, const float *x, unsigned long incx, const float *y, unsigned long incy)
{ float s = 0; for (unsigned long i = 0; i < n; i++) s += x[i*incx] * y[i*incy]; return s; }
"""
MISSING = "int not_there(int); int needy(int n) { return not_there(n); }"
SPEC = """[kernel]
name = {name}
function = needy
returns = i32
[call]
args = i32 1
"""
sfs.codelet(SDOT, "dot")
sfs.ok("sdot can run", sfs.run("sdot")[0] == 0, sfs.read("kernels/sdot/error"))
before = sfs.flat("kernels/sdot/activity")["runs"]
CASES = (
    ("bogus=1", errno.EINVAL, "bogus"), ("n=-1", None, "n"), ("n=12abc", errno.EINVAL, "12abc"),
    ("offx=64", errno.ERANGE, "offx"), ("incx=0", errno.ERANGE, "incx"), ("n", errno.EINVAL, "n"),
    ("n=1 n=2", errno.EINVAL, "n"), ("n=99999999999999", None, ""), ("reps=0", errno.ERANGE, "reps"),
    ("reps=99999999", errno.ERANGE, "reps"), ("timeout_ms=0", errno.ERANGE, "timeout_ms"),
    ("cpu=4096", errno.ERANGE, "cpu"), ("cache=cold", errno.EINVAL, "cold"), ("cache=l2", errno.EOPNOTSUPP, "l2"),
    ("check=maybe", errno.EINVAL, "maybe"), ("rocker=a", errno.ENOENT, "rocker"),
    ("events=nonsense", errno.EINVAL, "nonsense"), ("events=tsc,tsc", errno.EINVAL, "tsc"),
    ("codelet=nothere.o", errno.ENOENT, "nothere.o"), ("symbol=missing_symbol", errno.ENOENT, "missing_symbol"),
    ("symbol=missing_symbol codelet=dot.o", errno.ENOENT, "missing_symbol"),
)
for words, want, quoted in CASES:
    error, answer = sfs.run("sdot", words)
    good = (error == want if want else error != 0) and quoted in answer and len(answer) > 8
    sfs.ok(f"'{words}' is {errno.errorcode.get(want, 'refused')}", good, f"{sfs.name_of(error)} {answer}")
    sfs.ok(f"'{words}': the file error says so", quoted in sfs.read("kernels/sdot/error"), sfs.read("kernels/sdot/error"))

sfs.codelet(MISSING, "needy")
sfs.kernel("needy", SPEC.format(name="needy"))
error, answer = sfs.run("needy")
sfs.ok("a missing import is ENOEXEC and named", error == errno.ENOEXEC and "not_there" in answer, f"{sfs.name_of(error)} {answer}")


def write_spec(name, text):
    fd = os.open(os.path.join(sfs.MNT, "kernels", name, "spec"), os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text.encode())
    except OSError as e:
        os.close(fd)
        return e.errno
    try:
        os.close(fd)
    except OSError as e:
        return e.errno
    return 0


os.mkdir(os.path.join(sfs.MNT, "kernels/mine"))
sfs.ok("a new kernel is empty", sfs.read("kernels/mine/state").strip() == "empty")
error, answer = sfs.run("mine")
sfs.ok("an empty kernel does not run", error == errno.EINVAL and "specification" in answer, answer)
sfs.ok("a specification without sense is refused", write_spec("mine", "[kernel]\nname = mine\nbogus = 1\n") == errno.EINVAL)
sfs.ok("with its line", "line 3" in sfs.read("kernels/mine/error") and "bogus" in sfs.read("kernels/mine/error"),
       sfs.read("kernels/mine/error"))
sfs.ok("and nothing changed", sfs.read("kernels/mine/state").strip() == "empty" and sfs.read("kernels/mine/spec") == "")
sfs.ok("another name in it is refused", write_spec("mine", SPEC.format(name="other")) == errno.EINVAL)
sfs.ok("a good one is taken", write_spec("mine", SPEC.format(name="mine")) == 0, sfs.read("kernels/mine/error"))
sfs.ok("and shown as it was", sfs.read("kernels/mine/spec") == SPEC.format(name="mine"))
error = sfs.error_of(sfs.write, "kernels/mine/counters", "1\n")
sfs.ok("what is only read is not opened for writing", error in (errno.EPERM, errno.EACCES), error)
sfs.ok("and error says so", "mine/counters" in sfs.read("kernels/mine/error") and "mine/counters" in sfs.read("error"),
       sfs.read("kernels/mine/error"))
sfs.ok("the kernel is idle", sfs.read("kernels/mine/state").strip() == "idle")
sfs.write("kernels/mine/codelet", "dot.o\n")
sfs.ok("codelet takes a name", sfs.read("kernels/mine/codelet") == "dot.o\n")
error = sfs.error_of(sfs.write, "kernels/mine/codelet", "nothere.o\n")
sfs.ok("codelet refuses what is not there", error == errno.ENOENT, error)
text = sfs.read("kernels/mine/events")
sfs.write("kernels/mine/events", text)
sfs.ok("events takes what it shows", sfs.read("kernels/mine/events") == text, text)
sfs.write("kernels/mine/events", "tsc,page-faults\n")
sfs.ok("events takes a list", [line.split()[0] for line in sfs.read("kernels/mine/events").splitlines()] == ["tsc", "page-faults"])
os.rmdir(os.path.join(sfs.MNT, "kernels/mine"))
sfs.ok("rmdir removes it", "mine" not in os.listdir(os.path.join(sfs.MNT, "kernels")))
error = sfs.error_of(os.rmdir, os.path.join(sfs.MNT, "kernels/sdot"))
sfs.ok("a shipped kernel stays", error in (errno.EPERM, errno.EACCES), error)
error = sfs.error_of(os.mkdir, os.path.join(sfs.MNT, "kernels/sdot"))
sfs.ok("its name is taken", error == errno.EEXIST, error)
error = sfs.error_of(os.mkdir, os.path.join(sfs.MNT, "kernels/no name"))
sfs.ok("/error has why a mkdir was refused: kernels/ has no error of its own", error == errno.EINVAL and
       sfs.read("error").startswith("kernels/no name EINVAL 'no name' is no name") and
       "error" not in os.listdir(os.path.join(sfs.MNT, "kernels")), sfs.read("error"))
sfs.ok("no refused command ran", sfs.flat("kernels/sdot/activity")["runs"] == before or
       int(sfs.flat("kernels/sdot/activity")["runs"]) == int(before) + 1, (before, sfs.read("kernels/sdot/activity")))
sfs.done()
