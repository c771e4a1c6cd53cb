#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""/errors: the last refusals of the reader, each with the command, a caret under the bad word, and the sentence."""
import errno, os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:uid \d+ )?(.*) (E[A-Z0-9]+)$")
OWN = os.getuid()


def entries(text=None):
    """(path, errno's name, the indented lines) of each refusal, the last one last."""
    found = []
    for line in (sfs.read("errors") if text is None else text).splitlines():
        head = HEAD.match(line)
        if head:
            found.append((head.group(1), head.group(2), []))
        else:
            found[-1][2].append(line)
    return found


def marked(lines):
    """What the caret points at."""
    caret = re.search(r"\^~*", lines[1])
    return lines[0][caret.start():caret.end()]


def expect(what, path, text, name, word):
    """A command is refused, and the last entry says so."""
    got = sfs.error_of(sfs.write, path, text)
    where, shown, lines = entries()[-1]
    sfs.ok(f"{what}: errno and entry", got == getattr(errno, name) and (where, shown) == (path, name), (got, where, shown, lines))
    if word is None:
        sfs.ok(f"{what}: no caret", len(lines) == 2 and not re.match(r" *\^~*$", lines[0]), lines)
    else:
        sfs.ok(f"{what}: the caret", len(lines) == 3 and marked(lines) == word, lines)
    sfs.ok(f"{what}: the sentence is that of error", lines[-1].strip() in sfs.read("error"), lines)
    return lines


RUN = "kernels/cblas_sdot/run"
sfs.ok("there is nothing at first", sfs.read("errors") == "", sfs.read("errors"))
expect("no number", RUN, "n=10 incx=abc incy=1\n", "EINVAL", "abc")
expect("no key=value", RUN, "n=10 frob incy=1\n", "EINVAL", "frob")
expect("no such parameter", RUN, "n=10&frob=12&incy=1\n", "EINVAL", "frob=12")
expect("out of range", RUN, "reps=99999999 n=10\n", "ERANGE", "99999999")
expect("a choice", RUN, "cache=warm\n", "EINVAL", "warm")
expect("a choice that is not possible", RUN, "n=2 cache=l3\n", "EOPNOTSUPP", "l3")
expect("an event", RUN, "events=tsc,no-such-event,time_ns\n", "EINVAL", "no-such-event")
expect("an event twice", RUN, "events=tsc,time_ns,tsc n=2\n", "EINVAL", "tsc")
expect("a codelet", RUN, "n=10 codelet=nobodys.o\n", "ENOENT", "nobodys.o")
expect("a symbol", RUN, "symbol=no_such_symbol\n", "ENOENT", "no_such_symbol")
expect("given twice", RUN, "n=10 incx=1 n=12\n", "EINVAL", "n=12")
expect("a missing value", RUN, "tag= n=10\n", "EINVAL", " ")
lines = expect("several lines", RUN, "n=12 check=maybe\nn=1\n", "EINVAL", "maybe")
sfs.ok("only the bad line is shown", lines[0].strip() == "n=12 check=maybe" and lines[2].startswith("    line 1: "), lines)
lines = expect("bytes that are not printable", RUN, "tag=a\x1b[31m n=1\n", "EINVAL", "\\x1B")
sfs.ok("they are escaped", lines[0] == "    tag=a\\x1B[31m n=1", lines)
expect("a long word", RUN, "n=1 x=" + "a" * 300 + " n=2\n", "EINVAL", "x=" + "a" * 114)
lines = expect("a long command, cut around the word", RUN, "n=1 " * 100 + "\n", "E2BIG", "n=1")
sfs.ok("what was cut is marked", lines[0].startswith("    ... ") and lines[0].endswith(" ..."), lines)
lines = expect("a cut line", RUN, "n=10 reps=x\nreps=1", "EINVAL", "x")

os.mkdir(os.path.join(sfs.MNT, "kernels/spelt"))
spec = "[kernel]\nname = spelt\nfunction = spelt\nreturns = u64\n[call]\nargs = u64 1\nfrob = 12\n"
fd = os.open(os.path.join(sfs.MNT, "kernels/spelt/spec"), os.O_WRONLY)
os.write(fd, spec.encode())
sfs.ok("a specification is refused at close", sfs.error_of(os.close, fd) == errno.EINVAL)
where, name, lines = entries()[-1]
sfs.ok("its bad line is shown", where == "kernels/spelt/spec" and marked(lines) == "frob = 12" and "line 7" in lines[2], lines)
expect("the codelet of a kernel", "kernels/spelt/codelet", "nobodys.o\n", "ENOENT", "nobodys.o")
expect("the events of a kernel", "kernels/spelt/events", "tsc,frob\n", "EINVAL", "frob")
expect("a run without a specification", "kernels/spelt/run", "n=1\n", "EINVAL", None)
got = sfs.error_of(os.mkdir, os.path.join(sfs.MNT, "kernels/a b"))
sfs.ok("a mkdir has no command", got == errno.EINVAL and entries()[-1][:2] == ("kernels/a b", "EINVAL") and len(entries()[-1][2]) == 1,
       entries()[-1])
sfs.ok("a NUL byte", sfs.error_of(sfs.write, RUN, "n=1\0\n") == errno.EINVAL)
sfs.ok("is escaped too", entries()[-1][2][0] == "    n=1\\x00", entries()[-1])

for i in range(80):
    sfs.error_of(sfs.write, RUN, f"n={i}x\n")
last = entries()
sfs.ok("64 are kept", len(last) == 64, len(last))
sfs.ok("in the order in which they came", [e[2][0].strip() for e in last] == [f"n={i}x" for i in range(16, 80)], last[0])
sfs.ok("a success does not add to them", sfs.error_of(sfs.write, "kernels/spelt/codelet", "auto\n") == 0 and entries() == last)
sfs.done()
