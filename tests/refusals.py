# SPDX-License-Identifier: MIT
"""What tests of refusals share: the closed table of the manual, and the three places where a refusal is told."""
import os
import re

import sfs

MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sandboxfs", "sandboxfs.5")


def closed_table():
    """(what commands answer, what any file system answers): the names of the errnos in sandboxfs(5)."""
    with open(MANUAL) as f:
        section = f.read().split("\n.SH ERRORS\n")[1].split("\n.SH ")[0]
    rows, others = section.split("\n.PP\nBesides, ")
    names = [re.findall(r"\bE[A-Z0-9]+\b", line) for line in re.findall(r"^\.TP\n(\.BR? .*)$", rows, re.M)]
    return {n for row in names for n in row}, set(re.findall(r"\bE[A-Z0-9]+\b", others))


def own_line(path):
    """The reader's own line of an error file: path, errno, sentence; root's is followed by those of others."""
    line = sfs.read(path).split("\n")[0]
    words = re.fullmatch(r"(.*?) (E[A-Z0-9]+) (.*)", line)
    return words.groups() if words else (line, "", "")


def three_places(what, name, path, told=None, beside=None):
    """
    A refusal with that errno has just happened to path: it is in /error for this uid, in the error file beside (None: there
    is none), and was told by the same open file (None: nothing was to be read there).
    """
    where, shown, sentence = own_line("error")
    sfs.ok(f"{what}: /error", (where, shown) == (path, name) and len(sentence) > 5, (where, shown, sentence))
    if beside:
        sfs.ok(f"{what}: error beside", own_line(beside) == (where, shown, sentence), own_line(beside))
    if told is not None:
        sfs.ok(f"{what}: the same open file", told == sentence + "\n", (told, sentence))
    last = [line for line in sfs.read("errors").splitlines() if not line.startswith(" ")][-1]
    sfs.ok(f"{what}: the last of errors", last.endswith(f" {path} {name}"), last)
