#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""A codelet that brings a specification makes its kernel, and takes it away; what is no relocatable object is refused by run."""
import errno, os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SPEC = "[kernel]\\nname = {name}\\nfunction = f\\nreturns = i32\\nsummary = {summary}\\n[call]\\nargs = i32 1\\n"
SOURCE = """
__attribute__((section(".sandboxfs"), used)) static const char spec[] = "{spec}";
int f(int x) {{ return x + {n}; }}
"""


def source(name, n, summary="none", more=""):
    return SOURCE.format(spec=SPEC.format(name=name, summary=summary) + more, n=n)


def kernels():
    return os.listdir(os.path.join(sfs.MNT, "kernels"))


def returned(name):
    error, answer = sfs.run(name, "reps=1")
    return sfs.flat(f"kernels/{name}/result").get("return") if not error else answer


sfs.codelet(source("inborn", 1), "inborn")
sfs.ok("the kernel is there when close(2) returns", "inborn" in kernels(), kernels())
sfs.ok("it runs its own codelet", returned("inborn") == "2", returned("inborn"))
sfs.ok("codelet names it", sfs.read("kernels/inborn/codelet") == "inborn.o\n", sfs.read("kernels/inborn/codelet"))
sfs.codelet(source("inborn", 10, "second"), "inborn")
sfs.ok("a new version brings a new specification", "second" in sfs.read("kernels/inborn/spec"))
sfs.ok("and its function", returned("inborn") == "11", returned("inborn"))
error = sfs.error_of(sfs.codelet, source("sdot", 1), "thief")
sfs.ok("a name that is taken refuses the load", error == errno.EEXIST, error)
sfs.ok("and the codelet is not there", "thief.o" not in os.listdir(os.path.join(sfs.MNT, "store")))
error = sfs.error_of(sfs.codelet, source("broken", 1, more="bogus = 1\\n"), "broken")
sfs.ok("a bad specification refuses the load", error == errno.EINVAL and "broken" not in kernels(), error)
error = sfs.error_of(os.rmdir, os.path.join(sfs.MNT, "kernels/inborn"))
sfs.ok("it goes only with its codelet", error == errno.EPERM, error)
sfs.write("kernels/inborn/codelet", "auto\n")
sfs.codelet(source("inborn", 10, "third"), "inborn")
sfs.ok("whatever codelet it is told to use, its own renews it", "third" in sfs.read("kernels/inborn/spec"))
files = os.listdir(os.path.join(sfs.MNT, "kernels/inborn"))
status = subprocess.run(["rm", "-rf", os.path.join(sfs.MNT, "kernels/inborn")], stderr=subprocess.DEVNULL).returncode
sfs.ok("rm -rf of it is refused", status != 0)
sfs.ok("and leaves its files", os.listdir(os.path.join(sfs.MNT, "kernels/inborn")) == files)
if sfs.ROLE == "root":
    subprocess.run(["rm", "-rf", os.path.join(sfs.MNT, "kernels/sdot")], stderr=subprocess.DEVNULL)
    sfs.ok("so does rm -rf of a shipped one", os.listdir(os.path.join(sfs.MNT, "kernels/sdot")) == files)
os.chmod(os.path.join(sfs.MNT, "store/inborn.o"), 0o600)
sfs.ok("another mode of the codelet leaves it alone", returned("inborn") == "11", returned("inborn"))
if sfs.ROLE == "root":
    os.chown(os.path.join(sfs.MNT, "store/inborn.o"), 20001, 20001)
    sfs.ok("another owner of the codelet is its owner", os.stat(os.path.join(sfs.MNT, "kernels/inborn")).st_uid == 20001)
os.unlink(os.path.join(sfs.MNT, "store/inborn.o"))
sfs.ok("with its codelet it goes", "inborn" not in kernels(), kernels())

program = os.path.join(sfs.TMP, "program")
shared = os.path.join(sfs.TMP, "shared.so")
text = "int sdot(void) { return 1; } int main(void) { return sdot(); }"
subprocess.run(["gcc", "-x", "c", "-o", program, "-"], input=text.encode(), check=True)
subprocess.run(["gcc", "-x", "c", "-shared", "-fPIC", "-o", shared, "-"], input=text.encode(), check=True)
for path, word in ((program, "object"), (shared, "shared object")):
    name = os.path.basename(path)
    sfs.ok(f"{name} loads", sfs.load(path) == 0, sfs.read("error"))
    error, answer = sfs.run("sdot", f"codelet={name}")
    sfs.ok(f"{name} is no codelet of a kernel: ENOEXEC", error == errno.ENOEXEC and word in answer and name in answer,
           f"{sfs.name_of(error)} {answer}")
sfs.done()
