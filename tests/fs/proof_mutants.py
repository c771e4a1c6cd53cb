#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Right codelets pass the checks of the shipped kernels; the same ones, wrong in one element, never do."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

TRIES = 3
DOT = """{T} {F}(unsigned long n, const {T} *x, unsigned long incx, const {T} *y, unsigned long incy)
{{ {A} s = 0; for (unsigned long i = {FIRST}; i < {LAST}; i++) s += ({A})x[i * {IX}] * y[i * {IY}]; return s; }}"""
AXPY = """void {F}(unsigned long n, {T} alpha, const {T} *x, unsigned long incx, {T} *y, unsigned long incy)
{{ for (unsigned long i = {FIRST}; i < {LAST}; i++) y[i * {IY}] += alpha * x[i * {IX}]; }}"""
GEMM = """void {F}(unsigned long k, const {T} *alpha, const {T} *a, const {T} *b, const {T} *beta, {T} *c,
	unsigned long rs, unsigned long cs)
{{ for (unsigned long i = 0; i < 8; i++) for (unsigned long j = 0; j < 2; j++) {{
	double s = 0; for (unsigned long p = {FIRST}; p < {LAST}; p++) s += (double)a[p * 8 + i] * b[p * {IX} + j];
	{T} old = *beta != 0 ? *beta * c[i * rs + j * cs] : 0;
	if (!({SKIP})) c[i * rs + j * cs] = old + *alpha * s; }} }}"""
COPY = """void *memcpy(void *d, const void *s, unsigned long n)
{{ unsigned char *t = d; const unsigned char *f = s;
for (unsigned long i = {FIRST}; i < {LAST}; i++) t[i] = f[i{OFF}]; return {RET}; }}"""
SET = """void *memset(void *d, int c, unsigned long n)
{{ unsigned char *t = d; for (unsigned long i = {FIRST}; i < {LAST}; i++) t[i] = c{OFF}; return {RET}; }}"""
CMP = """int memcmp(const void *a, const void *b, unsigned long n)
{{ const unsigned char *p = a, *q = b; for (unsigned long i = {FIRST}; i < {LAST}; i++)
if (p[i] != q[i]) return {SIGN}(p[i] - q[i]); return 0; }}"""
LEN = "unsigned long strlen(const char *s) {{ unsigned long i = 0; while (s[i]) i++; return i{OFF}; }}"
SORT = """void sort_u32(unsigned *a, unsigned long n)
{{ for (unsigned long i = {FIRST}; i < {LAST}; i++) {{ unsigned v = a[i]; unsigned long j = i;
while (j > {LOW} && a[j - 1] > v) {{ a[j] = a[j - 1]; j--; }} a[j] = v; }} {EXTRA} }}"""
TRIAD = """void stream_triad(double *a, const double *b, const double *c, double scalar, unsigned long n)
{{ for (unsigned long i = {FIRST}; i < {LAST}; i++) a[i] = b[i] + scalar * c[i{OFF}]; }}"""

RANGE = [dict(FIRST="1"), dict(LAST="n - 1"), dict(LAST="n / 2 * 2 - 2")]
FLOAT, DOUBLE = dict(T="float", A="double"), dict(T="double", A="long double")
STRIDES = [dict(IX="1"), dict(IY="1")]
GOOD = dict(FIRST="0", LAST="n", IX="incx", IY="incy", SKIP="0", OFF="", RET="d", SIGN="", LOW="0", EXTRA="")
KERNELS = [
    ("sdot", DOT, FLOAT, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("ddot", DOT, DOUBLE, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("saxpy", AXPY, FLOAT, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("daxpy", AXPY, DOUBLE, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("sgemm", GEMM, dict(FLOAT, IX="2", LAST="k"), "rs_c=1 cs_c=8",
     [dict(FIRST="1"), dict(LAST="k - 1"), dict(IX="1"), dict(SKIP="i == 7 && j == 1")]),
    ("dgemm", GEMM, dict(DOUBLE, IX="2", LAST="k"), "rs_c=1 cs_c=8",
     [dict(FIRST="1"), dict(LAST="k - 1"), dict(IX="1"), dict(SKIP="i == 7 && j == 1")]),
    ("memcpy", COPY, {}, "n=5000", RANGE + [dict(RET="t + 1"), dict(FIRST="1", OFF=" - 1"), dict(LAST="n - 1", OFF=" + 1")]),
    ("memset", SET, {}, "n=5000", RANGE + [dict(RET="0"), dict(OFF=" ^ 1")]),
    ("memcmp", CMP, {}, "n=5000", [dict(LAST="n - 1"), dict(SIGN="-")]),
    ("strlen", LEN, {}, "", [dict(OFF=" + 1"), dict(OFF=" - 1")]),
    ("sort_u32", SORT, dict(FIRST="1"), "n=300",
     [dict(LAST="n - 1"), dict(FIRST="2", LOW="1"), dict(EXTRA="a[n / 2] ^= 1;")]),
    ("stream_triad", TRIAD, {}, "n=5000", RANGE + [dict(LAST="n - 1", OFF=" + 1")]),
]


def verdict(kernel, words, reps):
    error, answer = sfs.run(kernel, f"{words} codelet=m.o reps={reps}")
    return sfs.flat(f"kernels/{kernel}/result").get("status", ""), f"{sfs.name_of(error)} {answer}"


for name, source, types, words, mutants in KERNELS:
    base = dict(GOOD, F=name, **types) if "LAST" not in types and "FIRST" not in types else {**GOOD, "F": name, **types}
    sfs.codelet(source.format(**base), "m")
    for reps in (1, 20):
        status, answer = verdict(name, words, reps)
        sfs.ok(f"{name} passes with reps={reps}", status == "ok", f"{status} {answer} {sfs.read(f'kernels/{name}/result')}")
    for mutant in mutants:
        sfs.codelet(source.format(**{**base, **mutant}), "m")
        for reps in (1, 20):
            seen = [verdict(name, f"{words} seed={seed + 1}", reps) for seed in range(TRIES)]
            label = " ".join(f"{k}={v.strip()}" for k, v in mutant.items())
            sfs.ok(f"{name} with {label} fails its check, reps={reps}", all(s == "check" for s, a in seen), seen)
sfs.done()
