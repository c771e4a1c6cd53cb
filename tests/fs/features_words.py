#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/features: words that are sorted, in the manual, and agree with what /machine has found."""
import os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

words = sfs.read("features").split("\n")
sfs.ok("one word a line", words.pop() == "" and all(re.fullmatch("[a-z0-9_]+", w) for w in words), words)
sfs.ok("sorted, each once", words == sorted(set(words)), words)
machine = sfs.flat("machine")
facts = {
    "jails": machine["jails"] == "yes",
    "privileged_launcher": machine["launcher"] == "root",
    "cgroup_v1": machine["cgroup"].startswith("v1 "),
    "cgroup_v2": machine["cgroup"].startswith("v2 "),
    "user_namespaces": "user" in machine["namespaces"].split(),
    "pid_namespaces": "pid" in machine["namespaces"].split(),
    "network_namespaces": "net" in machine["namespaces"].split(),
    "landlock": int(machine["landlock_abi"]) > 0,
    **{key: machine[key] == "yes"
       for key in ("rockers", "seccomp_notify", "pidfd_getfd", "perf_software", "perf_hardware", "perf_kernel")},
    "other_users": sfs.ROLE == "root",
}
for word, there in facts.items():
    sfs.ok(f"{word} is there when it is", (word in words) == there, (words, machine))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sandboxfs", "sandboxfs.5")) as f:
    page = f.read().split("\n.B features\n")[1].split("\n.RE\n")[0]
sfs.ok("each word is in the manual", all(re.search(rf"\b{w}\b", page) for w in words), [w for w in words if w not in page])
sfs.done()
