#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks each guard on purpose and sees that a test notices: guards.py [--list] [WORD...], as root; it takes a while.

The rows are in tests/guards/*.rows, found by their names. Each says what is broken, how, and which line of which test has to
fail then:

    [name-of-the-row]
    notice = --root proof_proc: own user namespace
    @ backends/jail.c
    =	a line that stays
    -	a line that goes
    +	a line that comes

"notice" names a test as tests/run does, then a part of the line "not ok" that is expected; of several, all have to fail.
Where two guards stand one behind the other, a row has two breaks. The lines that stay and go have to be in the file,
together, exactly once: else the row is stale, which is a failure as well, and so is a row that does not compile. The
breaking is done in a copy of the source in a temporary folder, where every test that is named has to pass first.
"""
import argparse
import ctypes
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onetest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
NOTICE = re.compile(r"(--units|--root|--nobody) (\w+): (.+)")
SHOWN = 150  # characters of a line of a test
ENDS_S = 10  # for what a broken build has left to be gone once it is killed


class Row:
    def __init__(self, name):
        self.name, self.notices, self.edits = name, [], []


class Edit:
    """In one file: old has to be there once, as whole lines, and becomes new."""

    def __init__(self, path):
        self.path, self.old, self.new = path, "", ""

    def add(self, mark, line):
        self.old += line + "\n" if mark in "=-" else ""
        self.new += line + "\n" if mark in "=+" else ""

    def applied(self, text):
        """The text with the edit made, or None: stale."""
        found = ("\n" + text).count("\n" + self.old)
        return ("\n" + text).replace("\n" + self.old, "\n" + self.new)[1:] if found == 1 and self.old != self.new else None


def read_line(rows, line):
    """False: it means nothing."""
    if not line or line.startswith("#"):
        return True
    if re.fullmatch(r"\[[\w-]+\]", line):
        rows.append(Row(line[1:-1]))
    elif rows and line.startswith("notice = ") and NOTICE.fullmatch(line[9:]):
        rows[-1].notices.append(NOTICE.fullmatch(line[9:]).groups())
    elif rows and line.startswith("@ "):
        rows[-1].edits.append(Edit(line[2:]))
    elif rows and rows[-1].edits and line[0] in "=-+":
        rows[-1].edits[-1].add(line[0], line[1:])
    else:
        return False
    return True


def read_rows():
    rows = []
    for path in sorted(glob.glob(os.path.join(HERE, "guards", "*.rows"))):
        with open(path) as f:
            for number, line in enumerate(f.read().splitlines(), 1):
                if not read_line(rows, line):
                    sys.exit(f"{path}:{number}: '{line}' is no line of a row")
    names = [row.name for row in rows]
    for row in rows:
        if not row.notices or not row.edits or names.count(row.name) > 1:
            sys.exit(f"row {row.name}: it needs a name of its own, a notice and an edit")
    return rows


class Copy:
    """The source in a folder of its own, built there, and tested by its own tests/run."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sfs-guards-")
        os.chmod(self.folder, 0o755)
        self.saved = {}
        listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if os.path.isfile(os.path.join(TOP, name)):
                os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
                shutil.copy(os.path.join(TOP, name), self.path(name))

    def path(self, name):
        return os.path.join(self.folder, name)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def apply(self, row):
        """What is stale, or ''."""
        for edit in row.edits:
            text = self.read(edit.path) if os.path.exists(self.path(edit.path)) else ""
            broken = edit.applied(text)
            if broken is None:
                return f"stale: what it breaks is not once in {edit.path}"
            self.saved.setdefault(edit.path, text)
            self.write(edit.path, broken)
        return ""

    def undo(self):
        """Written anew, so that make sees a change again."""
        for name, text in self.saved.items():
            self.write(name, text)
        self.saved = {}

    def build(self, tests):
        """The first error, or ''."""
        targets = sorted({f"build/unit/{name}" if kind == "--units" else "all" for kind, name in tests})
        made = subprocess.run(["make", f"-j{os.cpu_count()}", "--no-print-directory", "BUILD=build", *targets], check=False,
                              cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        errors = [x for x in made.stdout.decode(errors="replace").splitlines() if "error" in x.lower() or "***" in x]
        return "" if made.returncode == 0 else "does not build: " + (errors or ["make failed"])[0]

    def test(self, kind, name):
        """(passed, the lines "not ok"). Whatever it leaves behind is ended."""
        words = [PYTHON, self.path("tests/run"), "--build", self.path("build"), kind, f"unit/{name}.c" if kind == "--units" else name]
        with tempfile.TemporaryFile() as out:
            status = run_reaping(words, self.folder, out)
            end_descendants()
            out.seek(0)
            return status == 0, re.findall(r"^    (not ok .*)$", out.read().decode(errors="replace"), re.M)


def run_reaping(words, folder, out):
    """The status of a command. Orphans are waited for at once, as init would: a pid namespace ends only when all in it are."""
    child = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    while (ended := os.wait())[0] != child.pid:
        pass
    child.returncode = os.waitstatus_to_exitcode(ended[1])
    return child.returncode


def end_descendants():
    """Everything that was started here and has not ended: broken builds forget their processes."""
    end = time.monotonic() + ENDS_S
    onetest.reap()
    while (left := onetest.descendants(os.getpid())) and time.monotonic() < end:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
        onetest.reap()


def stale(row):
    """Why it cannot be used as the tree is, or ''."""
    for kind, name, _ in row.notices:
        if not glob.glob(os.path.join(HERE, "unit" if kind == "--units" else "fs", glob.escape(name) + ".*")):
            return f"no test {name}"
    texts = {}
    for edit in row.edits:
        if edit.path not in texts:
            path = os.path.join(TOP, edit.path)
            with open(path if os.path.exists(path) else os.devnull) as f:
                texts[edit.path] = f.read()
        texts[edit.path] = edit.applied(texts[edit.path])
        if texts[edit.path] is None:
            return f"what it breaks is not once in {edit.path}"
    return ""


def list_rows(rows):
    """Names them; true: none is stale."""
    wrong = [f"not ok row {row.name}: {why}" for row in rows if (why := stale(row))]
    print("\n".join([row.name for row in rows] + (wrong or ["ok no row is stale"])))
    return not wrong


def shorten(line):
    return line if len(line) <= SHOWN else line[:SHOWN - 3] + "..."


def judge_notice(ran, kind, name, part):
    """(noticed, a line about it). ran: what the tests have said."""
    passed, lines = ran[kind, name]
    expected = [line for line in lines if part in line]
    if expected:
        return True, f"{name}: {expected[0]}"
    return False, f"{kind} {name}: " + ("it passes" if passed else f"no '{part}' in its {len(lines)} failures: {lines[:1]}")


def judge(copy, row):
    """Breaks, builds, tests. ("noticed", "NOT NOTICED" or "WRONG ROW", a line about it)."""
    tests = dict.fromkeys(notice[:2] for notice in row.notices)
    wrong = copy.apply(row) or copy.build(tests)
    if wrong:
        return "WRONG ROW", wrong
    ran = {test: copy.test(*test) for test in tests}
    answers = [judge_notice(ran, *notice) for notice in row.notices]
    bad = [line for noticed, line in answers if not noticed]
    return ("NOT NOTICED", bad[0]) if bad else ("noticed", answers[0][1])


def pass_unbroken(copy, rows):
    """True: every test that any row names passes as things are."""
    tests = sorted({notice[:2] for row in rows for notice in row.notices})
    wrong = copy.build(tests)
    bad = [wrong] if wrong else []
    for kind, name in tests if not wrong else []:
        passed, lines = copy.test(kind, name)
        if not passed:
            bad.append(f"{kind} {name}: {(lines or ['it is not there'])[0]}")
    for line in bad:
        print(f"UNBROKEN {shorten(line)}", flush=True)
    if not bad:
        print(f"unbroken: all {len(tests)} tests pass", flush=True)
    return not bad


def judge_all(copy, rows):
    counts = {"noticed": 0, "NOT NOTICED": 0, "WRONG ROW": 0}
    for row in rows:
        try:
            verdict, line = judge(copy, row)
        finally:
            copy.undo()
        counts[verdict] += 1
        print(f"{verdict} {row.name}: {shorten(line)}", flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="only name the rows, and say which are stale")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only rows with one of these in their name")
    args = parser.parse_args()
    rows = [row for row in read_rows() if not args.words or any(word in row.name for word in args.words)]
    if args.list:
        return 0 if list_rows(rows) else 1
    if os.getuid() != 0:
        sys.exit("guards.py looks into jails: it has to be root")
    begin = time.monotonic()
    ctypes.CDLL(None).prctl(onetest.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    copy = Copy()
    try:
        if not pass_unbroken(copy, rows):
            return 1
        counts = judge_all(copy, rows)
    finally:
        end_descendants()
        copy.remove()
    print(f"{len(rows)} rows in {time.monotonic() - begin:.0f} s: {counts['noticed']} noticed, "
          f"{counts['NOT NOTICED']} not noticed, {counts['WRONG ROW']} wrong", flush=True)
    return 0 if rows and counts["noticed"] == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
