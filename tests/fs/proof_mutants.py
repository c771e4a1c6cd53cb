#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
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

DOTV = """void {F}(int cx, int cy, long n, const {T} *x, long incx, const {T} *y, long incy, {T} *rho, void *none)
{{ {A} s = 0; for (long i = {FIRST}; i < {LAST}; i++) s += ({A})x[i * {IX}] * y[i * {IY}]; *rho = s; }}"""
FULL = """void {F}(int order, int ta, int tb, int m, int n, int k, {T} alpha, const {T} *a, int lda, const {T} *b, int ldb,
	{T} beta, {T} *c, int ldc)
{{ for (int i = 0; i < m; i++) for (int j = 0; j < n; j++) {{
	{A} s = 0; for (int p = {FIRST}; p < {LAST}; p++) s += ({A})a[i * lda + p] * b[p * {IX} + j];
	if (!({SKIP})) c[i * ldc + j] = alpha * s; }} }}"""
ADLER = """unsigned long adler32(unsigned long start, const unsigned char *p, unsigned n)
{{ unsigned a = start & 65535, b = start >> 16; for (unsigned i = {FIRST}; i < {LAST}; i++) {{ a = (a + p[i]) % 65521;
b = (b + a) % 65521; }} return (b << 16 | a){OFF}; }}"""
CRC = """unsigned long crc32(unsigned long start, const unsigned char *p, unsigned n)
{{ unsigned c = ~start; for (unsigned i = {FIRST}; i < {LAST}; i++) {{ c ^= p[i];
for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0); }} return (unsigned)~c{OFF}; }}"""
# For 32 bytes and more.
XXH = """typedef unsigned long u64;
#define P1 0x9E3779B185EBCA87ul
#define P2 0xC2B2AE3D27D4EB4Ful
#define P3 0x165667B19E3779F9ul
#define P4 0x85EBCA77C2B2AE63ul
#define P5 0x27D4EB2F165667C5ul
#define ROL(x, r) ((x) << (r) | (x) >> (64 - (r)))
static u64 word(u64 acc, u64 in) {{ acc += in * P2; return ROL(acc, 31) * P1; }}
u64 XXH64(const unsigned char *p, u64 n, u64 seed)
{{ u64 v[4] = {{ seed + P1 + P2, seed + P2, seed, seed - P1 }}, h, i = {FIRST}; n = {LAST};
for (; i + 32 <= n; i += 32) for (int k = 0; k < 4; k++) v[k] = word(v[k], *(const u64 *)(p + i + 8 * k));
h = ROL(v[0], 1) + ROL(v[1], 7) + ROL(v[2], 12) + ROL(v[3], 18);
for (int k = 0; k < 4; k++) h = (h ^ word(0, v[k])) * P1 + P4;
h += n;
for (; i + 8 <= n; i += 8) {{ h ^= word(0, *(const u64 *)(p + i)); h = ROL(h, 27) * P1 + P4; }}
if (i + 4 <= n) {{ h ^= *(const unsigned *)(p + i) * P1; h = ROL(h, 23) * P2 + P3; i += 4; }}
for (; i < n; i++) {{ h ^= p[i] * P5; h = ROL(h, 11) * P1; }}
h = (h ^ h >> 33) * P2; h = (h ^ h >> 29) * P3; return (h ^ h >> 32){OFF}; }}"""

RANGE = [dict(FIRST="1"), dict(LAST="n - 1"), dict(LAST="n / 2 * 2 - 2")]
FLOAT, DOUBLE = dict(T="float", A="double"), dict(T="double", A="long double")
STRIDES = [dict(IX="1"), dict(IY="1")]
FULLS = [dict(FIRST="1"), dict(LAST="k - 1"), dict(IX="1"), dict(SKIP="i == m - 1 && j == n - 1")]
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
    ("qsort_r", SORT.replace("sort_u32", "qsort_r"), dict(FIRST="1"), "n=300",
     [dict(LAST="n - 1"), dict(FIRST="2", LOW="1"), dict(EXTRA="a[n / 2] ^= 1;")]),
    ("stream_triad", TRIAD, {}, "n=5000", RANGE + [dict(LAST="n - 1", OFF=" + 1")]),
    ("cblas_sdot", DOT, FLOAT, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("cblas_ddot", DOT, DOUBLE, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("ddot_k", DOT, DOUBLE, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("bli_sdotv", DOTV, dict(FLOAT, F="bli_sdotv_zen_int"), "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("bli_ddotv", DOTV, dict(DOUBLE, F="bli_ddotv_zen_int"), "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("cblas_saxpy", AXPY, FLOAT, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("cblas_daxpy", AXPY, DOUBLE, "n=1000 incx=2 incy=3", RANGE + STRIDES),
    ("cblas_sgemm", FULL, dict(FLOAT, IX="ldb", LAST="k"), "m=20 n=30 k=40", FULLS),
    ("cblas_dgemm", FULL, dict(DOUBLE, IX="ldb", LAST="k"), "m=20 n=30 k=40", FULLS),
    ("adler32", ADLER, {}, "n=5001", RANGE + [dict(OFF=" ^ 1")]),
    ("crc32", CRC, {}, "n=5001", RANGE + [dict(OFF=" ^ 1")]),
    ("xxh64", XXH, dict(F="XXH64"), "n=5007", RANGE + [dict(OFF=" ^ 1")]),
]


def verdict(kernel, words, reps):
    error, answer = sfs.run(kernel, f"{words} codelet=m.o reps={reps}")
    return sfs.flat(f"kernels/{kernel}/result").get("status", ""), f"{sfs.name_of(error)} {answer}"


checked = {k for k in os.listdir(f"{sfs.MNT}/kernels") if "reference = builtin:" in sfs.read(f"kernels/{k}/spec")}
sfs.ok("every kernel that has a check is here", checked == {row[0] for row in KERNELS}, checked ^ {row[0] for row in KERNELS})
for name, source, types, words, mutants in KERNELS:
    base = {**GOOD, "F": name, **types}
    sfs.codelet(source.format(**base), "m")
    for reps in (1, 20):
        status, answer = verdict(name, words, reps)
        sfs.ok(f"{name} passes with reps={reps}", status == "ok", f"{status} {answer} {sfs.read(f'kernels/{name}/result')}")
    for mutant in sfs.some(mutants):
        sfs.codelet(source.format(**{**base, **mutant}), "m")
        for reps in (1, 20):
            seen = [verdict(name, f"{words} seed={seed + 1}", reps) for seed in range(TRIES)]
            label = " ".join(f"{k}={v.strip()}" for k, v in mutant.items())
            sfs.ok(f"{name} with {label} fails its check, reps={reps}", all(s == "check" for s, a in seen), seen)
sfs.done()
