#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""Hostile names, words and specifications: each is taken or refused in words, and whatever shows them stays text, and JSON."""
import json, os, sys, unicodedata
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import KERNELS, NAME_MAX, PLAIN, STORE, at, outcome, touch

NAMES = [b"x" * n for n in (1, NAME_MAX, NAME_MAX + 1, 255, 256)] + [b"x" * (NAME_MAX - 1) + b"%"] + [
    b"a\nb", b"\n", b"\r", b"a\tb", b"\x01", b"\x7f", b"\x1b[2Jx", b"\xff\xfe", b"\xc3\x28", "\u202eevil".encode(), "é".encode(), "\u2028".encode(),
    b"...", b"-rf", b"--", b"-", b"%s%n%d", b"a\\b", b"a'b", b'a"b', b"a b", b"$(id)", b"`id`", b"a;b", b"a@b", b"@", b"a&b", b"a=b", b"<a>", b"#a", b"[a]",
    b"*", b"?", b"~", b"_", b"+", b"run", b"a..b"]
# A word, and the tag that the run has then; None: it is refused.
WORDS = [(b"tag=" + t, t.decode()) for t in (b'a"b', b"a\\b", b"%s%n%n", b"</script>", b"'a", b"a=b", b"a%20b", b"\\u0000", b"\\ud800", b"{}", b"\\")] + [
    (word, None) for word in (
        b"tag=\x1b[2J", b"tag=\0x", b"tag=\xff", b"tag=a\x7f", b"tag=\xe2\x80\xae", b"tag=", b"tag=" + b"x" * 5000, b"tag=\rx", b"\xff=1", b"%s=%s", b"n=\xff",
        b'n="1"', b"n=1%n", b"codelet=../../etc/passwd", b"codelet=\xff", b'codelet="', b"symbol=\x1b[2J", b'symbol=a"b', b"events=%n,\x1b", b'events="',
        b"tag=a&tag=b", b"a\\", b'"', b"=", b"\x80" * 3000)]
SHOWN = ["error", "errors", "log", "status", "store/error", "kernels/k/error", "kernels/k/result", "kernels/k/result.json", "kernels/k/params", "kernels/k/events"]
SPEC = b"[kernel]\nname = k\nfunction = k\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n"
TEXTS = [b'a "quoted" \\ one', b"\x1b[2J", b"\xff\xfe", b"%s%n", b"\x01", "\u202e\u2028".encode(), "é".encode()]
PLACES = [(b"[kernel]\n", b"summary = "), (b"default = 1\n", b"help = "), (b"default = 1\n", b"unit = "), (b"default = 1\n", b"values = 1,"),
          (b"[call]\n", b"args = u64 "), (b"u64 n\n", b"[metrics]\nmetric.m = "), (b"u64 n\n", b"[require]\n%s = n < 0\n#"), (b"u64 n\n", b"[metrics]\nmetric.%s = n\n#"),
          (b"u64 n\n", b"[let]\n%s = n\n#"), (b"u64 n\n", b"[%s]\n"), (b"u64 n\n", b"[limits]\nimports = "), (b"returns = u64\n", b"namespace = ")]
SPECS = [SPEC.replace(at_, at_ + (key.replace(b"%s", text) if b"%s" in key else key + text) + b"\n", 1) for at_, key in PLACES for text in TEXTS] + [
    SPEC.replace(b"param.n", b"param.\xff"), SPEC.replace(b"function = k", b"function = \x1b[2J"), b"[" * 3000, b"\xff" * 3000,
    SPEC + b"[metrics]\nmetric.m = " + b"(" * 150 + b"\n"]
wrong = []


def look(what):
    """Everything that could show it."""
    for name in SHOWN:
        with open(os.path.join(sfs.MNT, name), "rb") as f:
            data = f.read()
        try:
            text = data.decode()
            if name.endswith("json") and text:
                json.loads(text)
        except ValueError as e:
            wrong.append(f"{name} after {what[:40]}: {e}")
            continue
        odd = [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]
        if odd:
            wrong.append(f"{name} after {what[:40]}: has {odd[:3]}")


def clean(what, count):
    sfs.ok(f"{what} ({count})", count and not wrong, f"{len(wrong)}: {wrong[:4]}")
    wrong.clear()


def run(words):
    fd = os.open(os.path.join(KERNELS, "k", "run"), os.O_RDWR)
    try:
        got = outcome(os.write, fd, words + b" reps=1\n")
        answer = os.pread(fd, 4096, 0).decode()
    finally:
        os.close(fd)
    return got if isinstance(got, str) else "ok", answer


def good(name):
    return 1 <= len(name) <= NAME_MAX and set(name) <= PLAIN and not name.startswith(b".")


with open(sfs.compile_c("unsigned long k(unsigned long n) { return n; }", "k"), "rb") as f:
    CODE = f.read()
with open(at("k.o"), "wb") as f:
    f.write(CODE)
sfs.number_kernel("k")
for name in NAMES:
    kernel, file, usual = os.path.join(KERNELS, "").encode() + name, os.path.join(STORE, "").encode() + name, at("k.o").encode()
    refused = "ENAMETOOLONG" if len(name) > NAME_MAX else "EINVAL"
    for what, wanted, call, *args in (("mkdir", "ok", os.mkdir, kernel), ("rmdir", "ok", os.rmdir, kernel), ("create", "ok", touch, file, os.O_CREAT | os.O_WRONLY),
                                      ("rename to it", "ok", os.rename, usual, file), ("rename from it", "ok", os.rename, file, usual)):
        if name == b"..." and what == "rename from it":
            os.unlink(file)  # staged, and empty: no codelet comes of it
        expected = wanted if good(name) else "ENOENT" if what in ("rmdir", "rename from it") else "ok" if name[:1] == b"." and what == "create" else refused
        got = outcome(call, *args)
        if got != expected and not (name[:1] != b"." and len(name) > 255 and got in ("ENOENT", "ENAMETOOLONG")):
            wrong.append(f"{what} {name}: {got}, not {expected}")
        look(f"{what} {name}")
clean("names", len(NAMES))
sfs.ok("what is there has the names that it had", (sorted(os.listdir(STORE)), "k" in os.listdir(KERNELS)) == (["error", "k.o"], True), os.listdir(STORE))
for word, tag in WORDS:
    got, answer = run(word)
    if (got == "ok") != (tag is not None):
        wrong.append(f"{word[:40]}: {got} {answer[:80]}")
    if tag is not None and (json.loads(sfs.read("kernels/k/result.json")).get("tag"), sfs.flat("kernels/k/result")["tag"]) != (tag, tag):
        wrong.append(f"{word}: shown as {sfs.flat('kernels/k/result')['tag']}")
    look(str(word))
clean("words of a run", len(WORDS))
for spec in SPECS:
    fd = os.open(os.path.join(KERNELS, "k", "spec"), os.O_WRONLY | os.O_TRUNC)
    os.write(fd, spec)
    got = outcome(os.close, fd)
    look(str(spec[-60:]))
    if got == "ok":
        run(b"n=1")
        look("a run of " + str(spec[-60:]))
clean("specifications", len(SPECS))
sfs.done()
