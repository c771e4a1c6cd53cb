#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""A codelet that the policy refuses: EKEYREJECTED from close(2), with a sentence in the places where it is told."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import refusals, sfs

got = sfs.load(sfs.compile_c("int one(void) { return 1; }", "one"), "one.o")
sfs.ok("a hash that is not listed", got == errno.EKEYREJECTED, sfs.name_of(got))
refusals.three_places("EKEYREJECTED", "EKEYREJECTED", "store/one.o", None, "store/error")
sfs.ok("nothing is there", not os.path.exists(os.path.join(sfs.MNT, "store/one.o")))
sfs.done()
