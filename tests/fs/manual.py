#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""Every file of the mount and every key of the configuration is in the manual, and every default as it is."""
import os, re, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sandboxfs")


def page(section):
    with open(os.path.join(PAGES, f"sandboxfs.{section}")) as f:
        return f.read()


def entries(text):
    """The names that a page has an entry for: bold words right after .TP."""
    return set(re.findall(r"^\.TP\n\.B[RI]? \"?([\w.]+)", text, re.M))


def names():
    """Of every file below the mount; what users bring into the store is named by them."""
    found = set()
    for folder, below, files in os.walk(sfs.MNT):
        if os.path.relpath(folder, sfs.MNT) != "store":
            found |= set(files)
    return found


sfs.codelet("void call0(void) {}", "call0")
os.mkdir(os.path.join(sfs.MNT, "rockers/one"))
files = entries(page(5))
missing = sorted(names() - files)
sfs.ok("the mount has files", len(names()) > 20, names())
sfs.ok("every file is in sandboxfs(5)", not missing, missing)

section, wrong, count = "", [], 0
for line in sfs.read("config").splitlines():
    head, pair = re.match(r"\[(\w+)\]$", line), re.match(r"(\w+) = ?(.*)$", line)
    section = head.group(1) if head else section
    if pair:
        count += 1
        part = page(8).split(f".SS [{section}]\n")[-1].split("\n.SS ")[0].split("\n.SH ")[0]
        default = re.search(rf'^\.BR {pair.group(1)} " = (.*)"$', part, re.M)
        if not default or (pair.group(1) != "state_dir" and default.group(1) != pair.group(2)):
            wrong.append(f"[{section}] {line}: {default and default.group(1)}")
sfs.ok("the configuration has keys", count > 10, count)
sfs.ok("every key and its default is in sandboxfs(8)", not wrong, wrong)

for section in (5, 8):
    path = os.path.join(PAGES, f"sandboxfs.{section}")
    out = subprocess.run(["groff", "-man", "-Tutf8", "-wmac", "-z", path], capture_output=True, text=True, check=False)
    sfs.ok(f"sandboxfs({section}) is good roff", out.returncode == 0 and not out.stderr, out.stderr)
sfs.done()
