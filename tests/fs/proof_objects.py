#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""Objects that nobody here wrote, from Debian's static libraries, run through kernels and give right results."""
import os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

LIB = "/usr/lib/x86_64-linux-gnu"
MUSL = "/usr/lib/x86_64-linux-musl/libc.a"
OBJECTS = [  # archive, member, kernel, words
    (f"{LIB}/libgslcblas.a", "ddot.o", "cblas_ddot", "n=5000 incx=2 incy=3"),
    (f"{LIB}/libgslcblas.a", "sdot.o", "cblas_sdot", "n=5000 incx=2 incy=3"),
    (f"{LIB}/libgslcblas.a", "saxpy.o", "cblas_saxpy", "n=5000 incx=2 incy=3"),
    (f"{LIB}/libgslcblas.a", "dgemm.o", "cblas_dgemm", ""),
    (f"{LIB}/libblis.a", "bli_dotv_zen_int.o", "bli_ddotv", "n=5000"),
    (f"{LIB}/libopenblas.a", "ddot_k_HASWELL.o", "ddot_k", "n=5000 symbol=ddot_k_HASWELL"),
    (MUSL, "memcpy.lo", "memcpy", "n=5000 offdst=3"),
    (MUSL, "memset.lo", "memset", "n=5000"),
    (MUSL, "memcmp.lo", "memcmp", "n=5000"),
    (MUSL, "strlen.lo", "strlen", ""),
    (MUSL, "qsort.lo", "qsort_r", "n=500"),
    (f"{LIB}/libxxhash.a", "xxhash.o", "xxh64", "n=5000"),
    (f"{LIB}/libz.a", "crc32.o", "crc32", ""),
    (f"{LIB}/libz.a", "adler32.o", "adler32", ""),
]
print(f"# {'object':24} {'accepted':9} {'linked':7} {'missing':8} {'ran':4} right")
for archive, member, kernel, words in OBJECTS:
    path = os.path.join(sfs.TMP, member)
    with open(path, "wb") as out:
        subprocess.run(["ar", "p", archive, member], stdout=out, check=True)
    error = sfs.load(path, member)
    missing = status = linked = "-"
    why = sfs.read("error") if error else ""
    if not error:
        imports = sfs.read(f"codelets/{member}/imports").splitlines()
        missing = sum(line.endswith(" missing") for line in imports)
        error, answer = sfs.run(kernel, f"{words} codelet={member}")
        result = sfs.flat(f"kernels/{kernel}/result") if error == 0 else {}
        linked, status = error == 0 or "import" not in answer, result.get("status", "")
        why = f"{sfs.name_of(error)} {answer} {result}"
    ran, right = error == 0, status == "ok"
    print(f"# {member:24} {str(missing != '-'):9} {str(linked):7} {str(missing):8} {str(ran):4} {right}")
    sfs.ok(f"{member} runs as {kernel} and is right", right, why)
sfs.done()
