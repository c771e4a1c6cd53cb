#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""The session with which README begins is typed as it stands there: each command does what the page says."""
import os, re, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs


def commands(text):
    """The command lines of the session, lines that go on joined."""
    found = []
    for line in text.splitlines():
        if line.startswith("  $ "):
            found.append(line[4:])
        elif line.startswith("  > "):
            found[-1] += "\n" + line[4:]
    return found


text = sfs.read("README")
session = text.split("\n\n")[1]
typed = commands(session)
lines = text[:text.index(session) + len(session)].count("\n") + 1
sfs.ok("it fits a screen", 15 <= lines <= 25 and max(len(line) for line in session.splitlines()) <= 100, lines)
sfs.ok("it has commands", len(typed) > 12, typed)
script = "".join(f"{c.replace('/tmp/', sfs.TMP + '/')}\necho '=== '{i} $?\n" for i, c in enumerate(typed))
shell = subprocess.run(["bash", "-c", script], cwd=sfs.MNT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100,
                       check=False)
parts = re.split(r"^=== (\d+) (\d+)\n", shell.stdout, flags=re.M)
outputs, status = parts[0::3], parts[2::3]
sfs.ok("each was typed", len(status) == len(typed), shell.stdout[-500:])
answers = {}
for command, output, code in zip(typed, outputs, status):
    refused = "# refused" in command
    sfs.ok(f"{command.split('#')[0].strip()[:60]!r}", (code != "0") == refused, output)
    answers[command.split("#")[0].strip()] = output
for command, word in (("cat codelets/dot.o/symbols", "cblas_sdot"), ("cat kernels/cblas_sdot/params", "incx"), ("ls kernels", "cblas_sdot"),
                      ("cat kernels/cblas_sdot/counters", "time_ns"), ("cat kernels/cblas_sdot/result", "check ok"),
                      ("cat error", "EINVAL incx is 'far'"), ("cat errors", "    n=1000 incx=far\n                ^~~\n"),
                      ("cat <&3", "time_ns"), ("tail -n 7 log", "unload dot.o")):
    sfs.ok(f"{command} shows {word!r}", word in answers.get(command, ""), answers.get(command))
sfs.ok("nothing is left", not os.path.exists(os.path.join(sfs.MNT, "store/dot.o")) and not os.path.exists(os.path.join(sfs.MNT, "kernels/mine")))
rows = text.split("What each file is:\n\n")[1]
sfs.ok("the rows follow", "/errors  (0444)" in rows and "/kernels/NAME/run" in rows, rows[:200])
sfs.done()
