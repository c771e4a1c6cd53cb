#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""Codelets that crash, loop, exhaust, overrun, exit or lie end as a line in result and an errno; the next run is unharmed."""
import errno, os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SPEC = """[kernel]
name = {name}
function = {name}
returns = u64
[param.n]
type = u64
default = 1024
[buffer.src]
type = f32
count = n
access = r
init = uniform(-1, 1)
guard = after
[buffer.dst]
type = f32
count = n
access = w
init = zero
guard = {guard}
[call]
args = u64 n, ptr src, ptr dst
"""
HEAD = """
typedef unsigned long u64;
void *malloc(u64);
static u64 end(int status)
{
	long rc;
	__asm__ volatile("syscall" : "=a"(rc) : "a"(231L), "D"((long)status) : "rcx", "r11", "memory");
	return rc;
}
static volatile int seven = 7;
__attribute__((noinline)) u64 deeper(u64 n) { volatile char room[4096]; room[0] = n; return deeper(n + 1) + room[0]; }
u64 deep(u64 n, const float *s, float *d) { return deeper(0); }
"""
LETTERS = {
    "null": "*(volatile int *)0 = 1; return 0;",
    "past": "volatile float x = 0; for (u64 i = 0; i <= n; i++) x += s[i]; return 0;",
    "before": "volatile float x = s[-2000]; return x;",
    "readonly": "((volatile float *)s)[3] = 1; return 0;",
    "text": "*(volatile char *)&text = 0; return 0;",
    "ill": '__asm__ volatile("ud2"); return 0;',
    "fpe": "return n / (seven - 7);",
    "noncanonical": "return *(volatile u64 *)0x8000000000000000ul;",
    "loop": "for (;;) __asm__ volatile(\"\"); return 0;",
    "quit": "return end(0);",
    "quit3": "return end(3);",
    "bomb": "u64 sum = 0; for (;;) { char *p = malloc(1 << 16); if (!p) return sum; p[0] = 1; sum += 1 << 16; }",
    "over": "for (u64 i = 0; i < n; i++) d[i] = 1; ((volatile char *)(d + n))[5] = 1; return 0;",
    "under": "((volatile char *)d)[-3] = 1; return 0;",
    "fine": "for (u64 i = 0; i < n; i++) d[i] = s[i]; return 42;",
}
source = HEAD + "".join(f"u64 {name}(u64 n, const float *s, float *d) {{ {body} }}\n" for name, body in LETTERS.items())
sfs.codelet(source, "letters", "-fno-tree-loop-distribute-patterns")
for name in [*LETTERS, "deep"]:
    sfs.kernel(name, SPEC.format(name=name, guard="none" if name in ("over", "under") else "after"))


def expect(name, want, status, *words, run="reps=1"):
    error, answer = sfs.run(name, run)
    result = sfs.flat(f"kernels/{name}/result")
    cause = result.get("cause", "")
    good = error == want and result.get("status") == status and all(w in cause for w in words)
    sfs.ok(f"{name}: {errno.errorcode.get(want, 'success')}, {status}, {' '.join(words)}", good,
           f"{sfs.name_of(error)} {answer} {result}")
    if want:
        sfs.ok(f"{name}: the open file says why", cause[:30] in answer, answer)
    return result


def fine():
    error, answer = sfs.run("fine")
    sfs.ok("the next run is unharmed", error == 0 and sfs.flat("kernels/fine/result").get("return") == "42", answer)


fine()
expect("null", errno.ESRCH, "signal", "SIGSEGV at null+0x", "null pointer")
expect("past", errno.ESRCH, "signal", "SIGSEGV at past+0x", "buffer src, element +1024 of 1024")
expect("before", errno.ESRCH, "signal", "SIGSEGV")
expect("readonly", errno.ESRCH, "signal", "buffer src, element +3 of 1024", "read-only")
expect("text", errno.ESRCH, "signal", "code at text+0x0")
expect("ill", errno.ESRCH, "signal", "SIGILL at ill+0x")
expect("fpe", errno.ESRCH, "signal", "SIGFPE at fpe+0x")
expect("noncanonical", errno.ESRCH, "signal", "SIGSEGV at noncanonical+0x")
expect("deep", errno.ESRCH, "signal", "stack overflow")
fine()
begin = time.monotonic()
expect("loop", errno.ETIMEDOUT, "timeout", "200 ms", run="reps=1 timeout_ms=200")
sfs.ok("loop ends near its limit", time.monotonic() - begin < 3)
expect("quit", errno.ESRCH, "exit", "exit status 0")
expect("quit3", errno.ESRCH, "exit", "exit status 3")
error, answer = sfs.run("bomb", "reps=1 timeout_ms=5000")
result = sfs.flat("kernels/bomb/result")
sfs.ok("bomb: allocation ends", error == 0 and int(result.get("return", 0)) > 0 or error in (errno.EDQUOT, errno.ESRCH),
       f"{sfs.name_of(error)} {answer} {result}")
fine()
result = expect("over", errno.EBADMSG, "check", "wrote outside of buffer dst: byte +5 after its end")
sfs.ok("over: it is no integrity", result.get("integrity", "ok") != "ok", result)
expect("under", errno.EBADMSG, "check", "wrote outside of buffer dst", "before its begin")
fine()
activity = sfs.flat("kernels/over/activity")
sfs.ok("over: counted", activity["integrity_violations"] == "1" and activity["errors"] == "1", activity)
sfs.done()
