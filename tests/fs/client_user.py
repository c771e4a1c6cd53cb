#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# nobody-only
# plain-only
"""librocker_client in the hands of who is not root: sandboxfs is his own, and still gives him no namespaces to enter."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "backends", "client")
os.environ["SANDBOXFS_MOUNT"] = sfs.MNT


def path(name):
    return os.path.join(sfs.TMP, name)


def rockers():
    return [name for name in os.listdir(os.path.join(sfs.MNT, "rockers")) if name.startswith("lib-")]


def scenario(name, word="", package="app.squashfs"):
    command = [path("codes"), name, "", path(package), path("opt"), path("data"), str(os.getuid()), word]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = dict((line.split(" ", 1) + [""])[:2] for line in done.stdout.splitlines())
    sfs.ok(f"{name}: nothing is left of it", (said.get("descriptors"), said.get("children")) == ("0", "0"), done.stdout + done.stderr)
    return said


def told(err, name, **more):
    said = scenario(name, **more)
    sfs.ok(f"who is not root is told {err} of {name}, with a sentence", said.get("err") == str(err) and said.get("sentence"), said)


def main():
    if not shutil.which("mksquashfs"):
        print("skip client_user: no mksquashfs to make an image with")
        return 0
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-pthread", "-I", CLIENT, "-o", path("codes"),
                    os.path.join(HERE, "client_codes.c"), os.path.join(os.environ["BUILD"], "librocker_client.a")], check=True)
    os.mkdir(path("app.d"))
    subprocess.run(["mksquashfs", path("app.d"), path("app.squashfs"), "-noappend", "-quiet", "-no-progress"], check=True, capture_output=True)
    said = scenario("enter")
    # Without squashfuse he has no image either.
    sfs.ok("who is not root enters nothing", said.get("err") in ("7", "8") and said.get("sentence"), said)
    told(7, "enter", package="missing.squashfs")
    told(1, "few_descriptors")
    told(2, "no_function")
    told(3, "elsewhere", word="mnt")
    told(5, "elsewhere", word=sfs.TMP)
    told(10, "name_of_nobody")
    sfs.ok("and leaves no rocker", sfs.wait_for(lambda: not rockers()), rockers())
    return sfs.done()


if __name__ == "__main__":
    sys.exit(main())
