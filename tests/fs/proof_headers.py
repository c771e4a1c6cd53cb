#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# deadline: 240
"""Every truncation, and every header byte changed, of a real object: a sentence and an errno, or a run that is contained."""
import os, struct, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SOURCE = """
static int table[4] = { 1, 2, 3, 4 };
extern void *memcpy(void *, const void *, unsigned long);
int answer(void) { int copy[4]; memcpy(copy, table, sizeof(copy)); return copy[0] + copy[3]; }
"""
with open(sfs.compile_c(SOURCE, "real", "-fno-asynchronous-unwind-tables"), "rb") as f:
    REAL = f.read()
PATH = os.path.join(sfs.TMP, "wrong.o")
sfs.kernel("answer", "[kernel]\nname = answer\nfunction = answer\nreturns = i32\n[call]\nargs =\n[limits]\nwall_ms = 300\n")


def attempt(data):
    """What became of these bytes: refused with a sentence, ran, or was ended; anything else is a defect."""
    with open(PATH, "wb") as f:
        f.write(data)
    error = sfs.load(PATH, "wrong.o")
    if error:
        sentence = sfs.read("store/error")
        return "refused" if len(sentence) > 20 else f"no sentence for {sfs.name_of(error)}: {sentence}"
    error, answer = sfs.run("answer", "reps=1 codelet=wrong.o timeout_ms=300")
    if not error:
        return "ran"
    return "ended" if len(answer) > 10 and error else f"no sentence after {sfs.name_of(error)}"


def survey(name, variants):
    counts, bad = {}, []
    for label, data in variants:
        how = attempt(data)
        counts[how] = counts.get(how, 0) + 1
        if how not in ("refused", "ran", "ended"):
            bad.append((label, how))
    print(f"# {name}: {counts}")
    sfs.ok(f"{name}", not bad, bad[:5])
    return counts


def changed(offset, value):
    data = bytearray(REAL)
    data[offset] ^= value
    return f"byte {offset} ^ {value:#x}", bytes(data)


shoff, = struct.unpack_from("<Q", REAL, 40)
shnum, = struct.unpack_from("<H", REAL, 60)
headers = list(range(64)) + list(range(shoff, shoff + 64 * shnum))
sfs.ok("the real one runs", attempt(REAL) == "ran" and sfs.flat("kernels/answer/result")["return"] == "5",
       sfs.read("kernels/answer/result"))
counts = survey("truncations", ((f"{n} bytes", REAL[:n]) for n in sfs.some(range(1, len(REAL), 1 if len(REAL) < 2000 else 3))))
sfs.ok("every truncation is refused", counts.keys() <= {"refused", "ended"}, counts)
# Each byte in one of three ways; tests/unit/elf_lies.c gives each all of its values.
for k, value in enumerate((0xff, 0x01, 0x80)):
    survey(f"header bytes ^ {value:#x}", (changed(offset, value) for offset in sfs.some(headers[k::3])))
sfs.ok("the real one still runs", attempt(REAL) == "ran")
sfs.ok("nothing is wrong with the daemon", sfs.read("status") == "ok\n", sfs.read("status"))
sfs.done()
