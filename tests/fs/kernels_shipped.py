#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""A function of an object file runs as a shipped kernel: counters, result, check, output, choice of the codelet."""
import errno, json, os, struct, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SDOT = """
float sdot(unsigned long n, const float *x, unsigned long incx, const float *y, unsigned long incy)
{ float s = 0; for (unsigned long i = 0; i < n; i++) s += x[i*incx] * y[i*incy]; return s; }
"""
WRONG = SDOT.replace("s = 0;", "s = 3;")
KEPT = SDOT.replace("float s = 0;", "static float s; static int calls; if (calls++ > 10) return s; s = 0;")
SAXPY = """
void saxpy(unsigned long n, float a, const float *x, unsigned long incx, float *y, unsigned long incy)
{ for (unsigned long i = 0; i < n; i++) y[i*incy] += a * x[i*incx]; }
"""
MEMSET = """
void *memset(void *s, int c, unsigned long n) { unsigned char *p = s; while (n--) *p++ = c; return s; }
"""
# As in the reference BLAS: C is scaled before the products come, and A before it is multiplied.
SGEMM = """
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
		 const float *b, int ldb, float beta, float *c, int ldc)
{
	for (int i = 0; i < m; i++) {
		for (int j = 0; j < n; j++)
			c[i*ldc+j] = beta ? beta * c[i*ldc+j] : 0;
		for (int p = 0; p < k; p++)
			for (int j = 0; j < n; j++)
				c[i*ldc+j] += alpha * a[i*lda+p] * b[p*ldb+j];
	}
}
"""


def lines(text):
    return dict(line.split(" ", 1) for line in text.splitlines())


error, answer = sfs.run("sdot", "n=1000")
sfs.ok("no codelet exports the symbol: ENOENT", error == errno.ENOENT, sfs.name_of(error))
sfs.ok("the sentence names the symbol", "sdot" in answer, answer)

sfs.codelet(SDOT, "dot")
error, answer = sfs.run("sdot", "n=1000")
sfs.ok("sdot runs", error == 0, f"{sfs.name_of(error)} {answer}")
counters = lines(answer) if not error else {}
sfs.ok("time was taken", float(counters.get("time_ns", 0)) > 0, answer)
sfs.ok("the file counters says the same", sfs.read("kernels/sdot/counters") == answer)
result = sfs.flat("kernels/sdot/result")
sfs.ok("status ok", result.get("status") == "ok", result)
sfs.ok("the check passed", result.get("check") == "ok", result)
sfs.ok("integrity ok", result.get("integrity") == "ok", result)
sfs.ok("the codelet is named", result.get("codelet") == "dot.o" and len(result.get("codelet_sha256", "")) == 64, result)
sfs.ok("parameters are shown", "n=1000" in result.get("params", ""), result)
sfs.ok("gflops are derived", any(k.startswith("metric.") and "flop" in k for k in result), result)
first = result.get("return")
sfs.ok("the return value is a number", first is not None and abs(float(first)) < 1000, first)
distribution = [line.split() for line in sfs.read("kernels/sdot/distribution").splitlines()]
sfs.ok("distribution has its columns", distribution and all(len(line) == 13 for line in distribution), distribution)
rows = sfs.read("kernels/sdot/samples.csv").splitlines()
sfs.ok("samples.csv has every sample", len(rows) == 1 + int(result.get("samples", -1)), len(rows))
document = json.loads(sfs.read("kernels/sdot/result.json"))
sfs.ok("result.json agrees", document["status"] == "ok" and document["calls"] == int(result["calls"]), document)
sfs.ok("state is idle again", sfs.read("kernels/sdot/state").strip() == "idle")

sfs.run("sdot", "n=1000")
sfs.ok("the same seed gives the same value", sfs.flat("kernels/sdot/result").get("return") == first)
sfs.run("sdot", "n=1000 seed=2")
sfs.ok("another seed gives another value", sfs.flat("kernels/sdot/result").get("return") != first)
error, answer = sfs.run("sdot", "n=1000&incx=2&incy=3&offx=4")
sfs.ok("strides and offsets, as a query string", error == 0 and sfs.flat("kernels/sdot/result").get("check") == "ok", answer)
error, answer = sfs.run("sdot", "n=0")
zero = sfs.flat("kernels/sdot/result")
sfs.ok("a metric that n=0 does not have says why", zero.get("not_computed.metric.gflops") == "flop is 0" and
       "metric.gflops" not in zero, zero)
spec = sfs.read("kernels/sdot/spec").replace("name = sdot", "name = derived") + \
    "[metrics]\nmetric.good = n + 1\nmetric.none = nothing/seconds\nmetric.bad = 1/(n-n)\n"
sfs.kernel("derived", spec)
derived = sfs.run("derived", "n=1000")[0] == 0 and sfs.flat("kernels/derived/result")
sfs.ok("so does one whose event was not counted", derived and derived.get("metric.good") == "1001" and
       derived.get("not_computed.metric.none") == "'nothing' is not known, in column 1 of 'nothing/seconds'" and
       derived.get("not_computed.metric.bad") == "division by zero, in column 2 of '1/(n-n)'", derived)
document = json.loads(sfs.read("kernels/derived/result.json"))
sfs.ok("for programs too", document["metrics"]["metric.good"] == 1001 and
       sorted(document["not_computed"]) == ["metric.bad", "metric.none"], document)
os.rmdir(os.path.join(sfs.MNT, "kernels/derived"))
sfs.ok("n=0", error == 0 and sfs.flat("kernels/sdot/result").get("return") == "0", answer)
error, answer = sfs.run("sdot", "n=100000")
sfs.ok("buffers of 400 kB", error == 0 and sfs.flat("kernels/sdot/result").get("check") == "ok", answer)

sfs.run("sdot", "n=100 reps=1")
result = sfs.flat("kernels/sdot/result")
sfs.ok("reps=1 is one call", result.get("calls") == "1" and result.get("samples") == "1", result)
sfs.ok("and is checked", result.get("check") == "ok", result)
sfs.run("sdot", "n=100 reps=7 warmup=2")
result = sfs.flat("kernels/sdot/result")
sfs.ok("reps=7 is seven samples", result.get("samples") == "7" and result.get("warmup") == "2", result)
sfs.run("sdot", "n=100 tag=blue cache=flush events=tsc,page-faults")
result = sfs.flat("kernels/sdot/result")
sfs.ok("tag, cache and events", result.get("tag") == "blue" and result.get("cache") == "flush", result)
sfs.ok("only those events", list(lines(sfs.read("kernels/sdot/counters"))) == ["tsc", "page-faults"])

sfs.codelet(WRONG, "wrong")
error, answer = sfs.run("sdot", "n=100 codelet=wrong.o")
result = sfs.flat("kernels/sdot/result")
sfs.ok("a wrong result is reported", error == 0 and result.get("status") == "check", result)
sfs.ok("in words", "expected" in result.get("cause", ""), result)
error, answer = sfs.run("sdot", "n=100 codelet=wrong.o check=strict")
sfs.ok("check=strict makes it EBADMSG", error == errno.EBADMSG, f"{sfs.name_of(error)} {answer}")
error, answer = sfs.run("sdot", "n=100 codelet=wrong.o check=off")
sfs.ok("check=off does not look", error == 0 and sfs.flat("kernels/sdot/result").get("status") == "ok", answer)
sfs.codelet(KEPT, "kept")
error, answer = sfs.run("sdot", "n=100 reps=50 codelet=kept.o")
result = sfs.flat("kernels/sdot/result")
sfs.ok("an answer that is kept for the next call fails the check", result.get("status") == "check", result)
os.unlink(os.path.join(sfs.MNT, "store/kept.o"))
sfs.run("sdot", "n=100")
sfs.ok("auto takes the newest", sfs.flat("kernels/sdot/result").get("codelet") == "wrong.o")
sfs.run("sdot", "n=100 codelet=dot.o")
sfs.ok("codelet= wins", sfs.flat("kernels/sdot/result").get("codelet") == "dot.o")

sfs.codelet(SAXPY, "axpy")
error, answer = sfs.run("saxpy", "n=64")
result = sfs.flat("kernels/saxpy/result")
sfs.ok("saxpy accumulates and is checked on fresh buffers", error == 0 and result.get("check") == "ok", answer + str(result))
path = os.path.join(sfs.MNT, "kernels/saxpy/output")
with open(path, "rb") as f:
    data = f.read()
sfs.ok("output holds the 64 floats of y", len(data) == 256 and len(set(struct.unpack("64f", data))) > 32, len(data))
sfs.codelet(MEMSET, "set", "-fno-tree-loop-distribute-patterns")
error, answer = sfs.run("memset", "n=100")
result = sfs.flat("kernels/memset/result")
sfs.ok("memset returns its buffer", error == 0 and result.get("check") == "ok", answer + str(result))

activity = sfs.flat("kernels/sdot/activity")
sfs.ok("activity counts", int(activity["runs"]) >= 10 and int(activity["checks_failed"]) >= 2, activity)
sfs.codelet(SGEMM, "gemm", "-O2", "-ffp-contract=off")
for words in ("alpha=1.1 beta=0.7 k=300 m=700 n=700 seed=5", "alpha=1.3 beta=0 k=40 m=1000 n=1000 seed=4", "beta=0.7 k=500"):
    error, answer = sfs.run("cblas_sgemm", f"{words} reps=1 timeout_ms={int(sfs.patient(10)) * 1000}")
    result = sfs.flat("kernels/cblas_sgemm/result")
    sfs.ok(f"an honest sgemm passes with {words}", error == 0 and result.get("check") == "ok", (answer, result.get("check")))
sfs.codelet(SGEMM.replace("p < k", "p < k - 1"), "gemm", "-O2")
sfs.run("cblas_sgemm", "alpha=1.1 beta=0.7 reps=1")
sfs.ok("one that forgets a product does not", sfs.flat("kernels/cblas_sgemm/result")["check"].startswith("failed"))
sfs.done()
