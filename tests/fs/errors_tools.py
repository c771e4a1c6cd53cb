#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""Which tool shows which refusal: its exit status, what it prints, and that /error has the sentence whatever the tool says."""
import errno, os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import refusals, sfs

RUN = "kernels/cblas_sdot/run"
EINVAL, ENOEXEC = os.strerror(errno.EINVAL), os.strerror(errno.ENOEXEC)


def tool(command):
    """(exit status, what it wrote to standard error) of a command line of bash in the mount."""
    done = subprocess.run(["bash", "-c", command], cwd=sfs.MNT, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "LC_ALL": "C", "TMP": sfs.TMP})
    return done.returncode, done.stderr.strip()


def expect(what, command, says, path, name):
    status, text = tool(command)
    if says is None:
        sfs.ok(f"{what} shows nothing", status == 0 and text == "", (status, text))
    else:
        sfs.ok(f"{what} shows it", status != 0 and says in text, (status, text))
    refusals.three_places(what, name, path)


with open(os.path.join(sfs.TMP, "text.o"), "w") as f:
    f.write("#!/bin/sh\n")
# write(2) is refused: every tool that looks at its results shows it.
expect("bash's echo", f"echo n=frob > {RUN}", EINVAL, RUN, "EINVAL")
expect("bash's printf", f"printf 'n=frob\\n' > {RUN}", EINVAL, RUN, "EINVAL")
expect("/bin/echo", f"/bin/echo n=frob > {RUN}", EINVAL, RUN, "EINVAL")
expect("dd", f"echo n=frob | dd of={RUN} conv=notrunc status=none", EINVAL, RUN, "EINVAL")
expect("tee", f"echo n=frob | tee {RUN}", EINVAL, RUN, "EINVAL")
expect("cat", f"echo n=frob | cat > {RUN}", EINVAL, RUN, "EINVAL")
expect("cp", f"echo n=frob > $TMP/words; cp $TMP/words {RUN}", EINVAL, RUN, "EINVAL")
expect("python", f"python3 -c \"with open('{RUN}', 'w') as f: f.write('n=frob')\"", EINVAL, RUN, "EINVAL")

# close(2) is refused: what closes its output itself and looks shows it, a redirection does not.
BAD = "$TMP/text.o"
expect("cp at close", f"cp {BAD} store/cp.o", ENOEXEC, "store/cp.o", "ENOEXEC")
expect("dd at close", f"dd if={BAD} of=store/dd.o status=none", ENOEXEC, "store/dd.o", "ENOEXEC")
expect("tee at close", f"tee store/tee.o < {BAD} > /dev/null", ENOEXEC, "store/tee.o", "ENOEXEC")
expect("cat at close", f"cat {BAD} > store/cat.o", ENOEXEC, "store/cat.o", "ENOEXEC")
expect("/bin/echo at close", "/bin/echo text > store/echo.o", ENOEXEC, "store/echo.o", "ENOEXEC")
expect("python at close", "python3 -c \"f = open('store/python.o', 'wb'); f.write(b'text'); f.close()\"", ENOEXEC, "store/python.o",
       "ENOEXEC")
expect("mv from elsewhere", f"cp {BAD} $TMP/mv.o; mv $TMP/mv.o store/mv.o", ENOEXEC, "store/mv.o", "ENOEXEC")
expect("install", f"install -m 644 {BAD} store/install.o", ENOEXEC, "store/install.o", "ENOEXEC")
expect("bash's echo at close", "echo text > store/bash.o", None, "store/bash.o", "ENOEXEC")
left = sorted(name for name in os.listdir(os.path.join(sfs.MNT, "store")) if name != "error")
sfs.ok("none of them left a name", left == [], left)

# Names and directories.
expect("mkdir", "mkdir 'kernels/a b'", EINVAL, "kernels/a b", "EINVAL")
expect("rmdir", "rmdir kernels/cblas_sdot", os.strerror(errno.EPERM), "kernels/cblas_sdot", "EPERM")
expect("ln", "ln -s x kernels/link", os.strerror(errno.EPERM), "kernels/link", "EPERM")
sfs.codelet("int one(void) { return 1; }", "one")
# The one tool that has an idea of its own what EINVAL means.
expect("mv to a bad name", "mv store/one.o 'store/a b'", "subdirectory of itself", "store/one.o", "EINVAL")
# rm -rf empties before it removes.
status, text = tool("rm -rf kernels/cblas_sdot")
sfs.ok("rm -rf shows it", status != 0 and os.strerror(errno.EPERM) in text, (status, text[:200]))
sfs.ok("and /error says why", refusals.own_line("error")[1] == "EPERM", sfs.read("error"))
sfs.ok("nothing of it is gone", os.path.exists(os.path.join(sfs.MNT, "kernels/cblas_sdot/spec")))

# The sentence by the same open file, as the manual says it.
status, text = tool(f"exec 3<>{RUN}; echo n=frob >&3 2>/dev/null || cat <&3 >&2; exit 1")
sfs.ok("bash reads the sentence from the same open file", "frob" in text and text in sfs.read("error"), text)
sfs.done()
