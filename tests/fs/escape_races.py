#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# concurrent
"""A user who swaps a folder for a link while it is bound or overlaid: only his own rights count."""
import os, shlex, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import escapes
import cells
import sfs

USER, ROUNDS = 20003, 25
os.chmod(sfs.TMP, 0o755)
folder = os.path.join(sfs.TMP, "suite")
os.mkdir(folder)
suite = escapes.Suite(folder)
hidden = os.path.join(sfs.TMP, "hidden")
os.mkdir(hidden, 0o700)
with open(f"{hidden}/secret", "w") as f:
    f.write(escapes.SECRET)
os.chmod(f"{hidden}/secret", 0o644)
own = os.path.join(sfs.TMP, "own")
os.mkdir(own)
os.mkdir(f"{own}/folder")
os.symlink(hidden, f"{own}/link")
for path in (own, f"{own}/folder"):
    os.chown(path, USER, USER)
flipping = True


def flip():
    """The name "place" is a folder of the user's, a link to what is not his, and back."""
    os.rename(f"{own}/folder", f"{own}/place")
    while flipping:
        os.rename(f"{own}/place", f"{own}/folder")
        os.symlink(hidden, f"{own}/place")
        os.unlink(f"{own}/place")
        os.rename(f"{own}/folder", f"{own}/place")


def rounds():
    """How often the secret was read; as the user."""
    seen = refused = 0
    for i in range(ROUNDS):
        try:
            with cells.rocker(f"race{i}", binds=f"{shlex.quote(suite.ro)} /t ro\n{shlex.quote(own)}/place /b ro\n") as name:
                error, answer = cells.command(name, "/t/attempt host_path secret=/b/secret")
        except OSError as e:
            refused += 1
            if os.path.exists(cells.path(f"race{i}")):
                os.rmdir(cells.path(f"race{i}"))
            error, answer = e.errno, ""
        seen += "ESCAPED" in answer
        refused += bool(error)
    return f"{seen} {refused}"


def as_user(work):
    def become_first():
        sfs.become(USER)
        return work()
    return sfs.told(become_first)


def straight():
    """No race: a link to what is not his, and the path itself."""
    answers = []
    for i, path in enumerate((f"{own}/link", hidden, "/root")):
        name = f"straight{i}"
        os.mkdir(cells.path(name))
        error = cells.put(name, "binds", f"{shlex.quote(suite.ro)} /t ro\n{shlex.quote(path)} /b ro\n")
        if not error:
            error, answer = cells.command(name, "/t/attempt host_path secret=/b/secret")
            answers.append("ESCAPED" in answer)
        os.rmdir(cells.path(name))
    return answers


told = as_user(straight)
sfs.ok("a bind of what is not his shows nothing of it", "True" not in told and told.startswith("["), told)
flipper = threading.Thread(target=flip)
flipper.start()
got = as_user(rounds).split()
flipping = False
flipper.join()
sfs.ok("a race never shows what is not his", got[:1] == ["0"], got)
print(f"# of {ROUNDS} rounds {got[1:]} were refused")
sfs.done()
