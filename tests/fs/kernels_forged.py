#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# alone
# plain-only
"""Codelets that find the record of their own run and write into it are told from those that did their work."""
import errno, os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
runner = os.path.join(os.environ["BUILD"], "bin", "runner")
symbols = subprocess.run(["nm", runner], capture_output=True, text=True, check=True).stdout
place, run_place, gate_place = (next(line.split()[0] for line in symbols.splitlines() if line[19:] == name)
                                for name in ("runner", "runner_run", "runner_gate"))
SOURCE = """
#include "runner.h"
#include "wire.h"
typedef unsigned long u64;
/* From any address in the runner's text back to its ELF header, and from there to its variables. */
static u64 base(const void *ret)
{
	u64 page = (u64)ret & ~4095ul;
	while (*(volatile unsigned *)page != 0x464c457f)
		page -= 4096;
	return page;
}
static struct wire_claim *find(const void *ret) { return ((struct runner *)(base(ret) + PLACE))->claim; }
static u64 ticks(void) { unsigned a, d; __asm__ volatile("rdtsc" : "=a"(a), "=d"(d)); return (u64)d << 32 | a; }
static void spin(u64 n) { u64 end = ticks() + n; while (ticks() < end) ; }
/* Takes n steps of a processor, a nanosecond or so each, whoever else wants it meanwhile. */
static void work(u64 n) { u64 x = n; for (u64 i = 0; i < n; i++) __asm__ volatile("imul %0, %0" : "+r"(x)); }
static void leave(void)
{
	__asm__ volatile("syscall" : : "a"(231L), "D"(0L) : "rcx", "r11", "memory");
}
/* All that an honest run would have left, but for the time. */
static void invent(const void *ret, unsigned samples, unsigned calls)
{
	volatile struct wire_claim *c = find(ret);
	for (unsigned i = 0; i < samples; i++) c->ticks[i] = 40;
	c->samples = samples; c->batch = 1; c->calls = calls; c->end_ticks = ticks(); c->phase = WIRE_DONE;
	c->nonce = ((struct runner_run *)(base(ret) + RUN_PLACE))->plan.nonce;
	leave();
}
#define FORGERY(name) u64 name(u64 n) { volatile struct wire_claim *c = find(__builtin_return_address(0)); (void)c;
#ifdef INFLATES
/* Would make each run that calibrates look dear, if it were part of one: what is subtracted from others then. */
static volatile char touched[1 << 20];
__attribute__((constructor)) static void inflate(void)
{
	u64 page = (u64)__builtin_return_address(0) & ~4095ul;
	while (*(volatile unsigned *)page != 0x464c457f)
		page -= 4096;
	if (!((struct runner *)(page + PLACE))->plan->empty)
		return;
	for (u64 i = 0; i < sizeof(touched); i += 4096)
		touched[i] = 1;
	spin(500000000);
}
#endif
FORGERY(honest) spin(n); return 1; }
FORGERY(shorter) spin(n); for (int i = 0; i < 50; i++) c->ticks[i] = 40; return 1; }
FORGERY(little) work(200000); for (int i = 0; i < 100; i++) c->ticks[i] = 2000; return 1; }
FORGERY(overhead) spin(n); c->overhead_ticks = n / 2; return 1; }
FORGERY(later) spin(n); c->begin_ticks = ticks(); return 1; }
FORGERY(longer) spin(1000); c->begin_ticks = 1; return 1; }
FORGERY(more) spin(n); c->samples = 1000; return 1; }
FORGERY(early) c->samples = 20; c->batch = 1; c->calls = 100; c->phase = WIRE_DONE; leave(); return 1; }
FORGERY(unphased) c->nonce = 12345; leave(); return 1; }
FORGERY(faulted) c->fault_signal = 11; c->fault_address = ~0ul; c->fault_ip = 3; leave(); return 1; }
FORGERY(single) work(n); invent(__builtin_return_address(0), 1, 1); return 1; }
FORGERY(marked) u64 to = base(__builtin_return_address(0)) + GATE_PLACE; work(n); ((void (*)(void))to)();
	invent(__builtin_return_address(0), 20, 24); return 1; }
FORGERY(unmarked) work(n); invent(__builtin_return_address(0), 20, 24); return 1; }
FORGERY(undue) u64 to = base(__builtin_return_address(0)) + GATE_PLACE; work(n); ((void (*)(void))to)();
	invent(__builtin_return_address(0), 1, 1); return 1; }
FORGERY(garbage) spin(1000); for (u64 i = 0; i < sizeof(*c); i++) ((volatile char *)c)[i] = i * 7 + 129; leave(); return 1; }
"""
LITTLE = "n=4000000 reps=1"  # some milliseconds
# On a machine that stalls another of the claims may be the first that does not hold.
CASES = (
    ("shorter", "reps=20", errno.EBADMSG, "killed", "mismatch"), ("later", "reps=20", errno.EBADMSG, "killed", "mismatch"),
    ("overhead", "reps=20", errno.EBADMSG, "killed", "ticks of overhead"),
    ("longer", "reps=20", errno.EBADMSG, "killed", "mismatch"), ("early", "reps=20", errno.ESRCH, "exit", "before it was done"),
    ("little", "reps=20", errno.EBADMSG, "killed", "mismatch"), ("garbage", "reps=20", errno.ESRCH, None, ""),
    ("unphased", "reps=20", errno.ESRCH, "exit", "before it was done"), ("faulted", "reps=20", errno.ESRCH, "signal", "SIGSEGV"),
    ("single", LITTLE, errno.EBADMSG, "killed", "mismatch"),
    ("single", LITTLE + " events=tsc", errno.EBADMSG, "killed", "mismatch"),
    ("little", "reps=20 events=tsc", errno.EBADMSG, "killed", "mismatch"),
    ("undue", LITTLE, errno.EBADMSG, "killed", "not due"), ("unmarked", "n=100000 reps=20", errno.EBADMSG, "killed", "unseen"),
    ("marked", "n=60000000 reps=20", errno.EBADMSG, "killed", "calls before"),
)
LIES_NS = {"little": 100e3, "single": 1e6, "marked": 20e6}  # how much of their time these hide
flags = ["-D_GNU_SOURCE", "-DPLACE=0x" + place, "-DRUN_PLACE=0x" + run_place, "-DGATE_PLACE=0x" + gate_place, "-Wno-unused", "-fno-tree-loop-distribute-patterns"]
flags += ["-I" + os.path.join(TOP, d) for d in ("backends", "backends/jailed", "sandboxfs")]
sfs.codelet(SOURCE, "forged", *flags)
for name in {"honest", "more", *(case[0] for case in CASES)}:
    sfs.number_kernel(name, 10000000)
error, answer = sfs.run("honest", "reps=20")
result = sfs.flat("kernels/honest/result")
sfs.ok("honest work is believed", error == 0 and result.get("integrity") == "ok", f"{sfs.name_of(error)} {answer} {result}")
for name, line, want, status, words in CASES:
    error, answer = sfs.run(name, line)
    result = sfs.flat(f"kernels/{name}/result")
    used = sum(float(result.get(key, 0)) for key in ("user_ns", "system_ns"))
    if not error and name in LIES_NS and min(used, LIES_NS[name]) < float(result.get("integrity_slack_ns", 0)):
        # On a busy machine less can be told from outside: the result says that so much may be wrong.
        sfs.ok(f"{name} {line}: within what the result says may be wrong", True)
        continue
    good = error == want and status in (None, result.get("status")) and words in result.get("cause", "")
    sfs.ok(f"{name} {line}: {errno.errorcode[want]} {status}", good, f"{sfs.name_of(error)} {answer} {result}")
    sfs.ok(f"{name} {line}: no counters from it", not sfs.read(f"kernels/{name}/counters"), sfs.read(f"kernels/{name}/counters"))
error, answer = sfs.run("more", "reps=20")
result = sfs.flat("kernels/more/result")
sfs.ok("a number of samples that it overwrites is the runner's again, or not believed",
       error == errno.EBADMSG or (error == 0 and result.get("samples") == "20"), f"{sfs.name_of(error)} {result}")
inflating = sfs.codelet(SOURCE, "inflating", "-DINFLATES", *flags)
error, answer = sfs.run("honest", f"reps=20 codelet={inflating}")
counters = sfs.flat("kernels/honest/counters")
sfs.ok("init functions inflate nothing that is subtracted", error == 0 and len(counters.get("task-clock", "").split(".")[0]) >= 7, f"{answer} {counters}")
error, answer = sfs.run("shorter", f"reps=20 codelet={inflating}")
sfs.ok("nor what a lie may hide in", error == errno.EBADMSG, f"{sfs.name_of(error)} {answer}")
sfs.ok("violations are counted", sfs.flat("kernels/shorter/activity")["integrity_violations"] == "2")
error, answer = sfs.run("honest", "reps=20")
sfs.ok("the next run is unharmed", error == 0, answer)
sfs.done()
