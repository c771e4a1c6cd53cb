#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Root inside: jobs of uid = 0 are called root and are nobody of that kind, inside and on the host."""
import contextlib, os, shlex, struct, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cells
import sfs
from sfs import ok

ROOT = sfs.ROLE == "root"
OTHER = 20001
BASE, COUNT = 1879048192, 512  # of [jail] by default
SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int told(long rc)
{
	return rc < 0 ? errno : 0;
}

/* What /proc says of us and, since that could be looked at with other eyes, what the calls say. */
static int status(void)
{
	static const char *const keys[] = { "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", NULL };
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];

	while (f && fgets(line, sizeof line, f))
		for (const char *const *key = keys; *key; key++)
			if (!strncmp(line, *key, strlen(*key)) && line[strlen(*key)] == ':')
				fputs(line, stdout);
	printf("ids: %u %u %u %u\nsecurebits: %d\n", getuid(), geteuid(), getgid(), getegid(), prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	return 0;
}

static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	return fd < 0 || write(fd, "x", 1) != 1 ? errno : told(fchmod(fd, 06755));
}

static int owner(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	printf("%u %u\n", st.st_uid, st.st_gid);
	return 0;
}

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? errno : told(write(fd, text, strlen(text)));
}

static int raise_limit(int resource)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_max = limit.rlim_max == RLIM_INFINITY ? 0 : limit.rlim_max + 1;
	return limit.rlim_max ? told(setrlimit(resource, &limit)) : EPERM;
}

/* How many processes there can be at a time. */
static int crowd(void)
{
	int n = 0, pid;

	while (n < 1000 && (pid = fork()) >= 0 && ++n)
		if (!pid)
			pause();
	printf("%d\n", n);
	fflush(stdout);
	kill(-1, SIGKILL);
	return 0;
}

static int attempt(const char *what, const char *arg)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0xff, 0xff, 0xff }, { 0 } };
	unsigned long n = arg ? strtoul(arg, NULL, 10) : 0;
	gid_t group = 0;

	return !strcmp(what, "mount")         ? told(mount("x", "/tmp", "tmpfs", 0, NULL))
	       : !strcmp(what, "umount")      ? told(umount2("/proc", MNT_DETACH))
	       : !strcmp(what, "chroot")      ? told(chroot("/tmp"))
	       : !strcmp(what, "unshare")     ? told(unshare(n))
	       : !strcmp(what, "setns")       ? told(setns(open("/proc/self/ns/user", O_RDONLY), 0))
	       : !strcmp(what, "sethostname") ? told(sethostname("x", 1))
	       : !strcmp(what, "setuid")      ? told(setuid(n))
	       : !strcmp(what, "setgid")      ? told(setgid(n))
	       : !strcmp(what, "setgroups")   ? told(setgroups(1, &group))
	       : !strcmp(what, "capset")      ? told(syscall(SYS_capset, &head, data))
	       : !strcmp(what, "securebits")  ? told(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0))
	       : !strcmp(what, "mknod")       ? told(mknod(arg, S_IFCHR | 0666, 0x103))
	       : !strcmp(what, "chown")       ? told(chown(arg, 1, 1))
	       : !strcmp(what, "chown0")      ? told(chown(arg, 0, 0))
	       : !strcmp(what, "kill")        ? told(kill(n, SIGKILL))
	       : !strcmp(what, "nice")        ? told(setpriority(PRIO_PROCESS, 0, -5))
	       : !strcmp(what, "limit")       ? raise_limit(n)
	       : !strcmp(what, "create")      ? create(arg)
	       : !strcmp(what, "owner")       ? owner(arg)
	       : !strcmp(what, "read")        ? told(open(arg, O_RDONLY))
	       : !strcmp(what, "oom")         ? write_to(arg, "1000")
	       : !strcmp(what, "write")       ? write_to(arg, "x")
					      : EXDEV;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "status"))
		return status();
	if (!strcmp(what, "crowd"))
		return crowd();
	if (!strcmp(what, "wait"))
		return puts("waits"), fflush(stdout), pause(), 0;
	if (!strcmp(what, "exec")) /* the rest is a program with its words */
		return execv(argv[2], argv + 2), perror(argv[2]), 1;
	int err = attempt(what, argc > 2 ? argv[2] : NULL);
	printf("%s\n", err ? strerrorname_np(err) : "done");
	return 0;
}
"""
CAPS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
os.chmod(sfs.TMP, 0o755)
os.umask(0o022)


def folder(name, mode):
    made = os.path.join(sfs.TMP, name)
    os.mkdir(made)
    os.chmod(made, mode)
    return made


def compiled():
    """The tool; as root also as others may have it from root: set-user-ID, with file capabilities."""
    made = folder("t", 0o755)
    subprocess.run(["gcc", "-O1", "-static", "-w", "-include", "grp.h", "-x", "c", "-o", f"{made}/tool", "-"], input=SOURCE.encode(), check=True)
    with open(f"{made}/closed", "w") as f:
        f.write("of the host's own\n")
    os.chmod(f"{made}/closed", 0o600 if ROOT else 0)
    if ROOT:
        for name, mode in (("setuid", 0o6755), ("filecaps", 0o755)):
            subprocess.run(["cp", f"{made}/tool", f"{made}/{name}"], check=True)
            os.chmod(f"{made}/{name}", mode)
        os.setxattr(f"{made}/filecaps", "security.capability", struct.pack("<5I", 0x02000001, 1 << 21, 1 << 21, 0, 0))
    return made


TOOLS, RW = compiled(), folder("w", 0o1777)
BINDS = f"{shlex.quote(TOOLS)} /t ro\n{shlex.quote(RW)} /w rw\n"


def said(name, words):
    error, answer = cells.command(name, f"/t/tool {words}")
    return answer.strip() if not error else f"{sfs.name_of(error)}: {answer.strip()}"


def keyed(text):
    return dict((key.strip(), value.split()) for key, _, value in (line.partition(":") for line in text.splitlines()))


def check_powers(what, name, words):
    facts = keyed(said(name, words))
    ok(f"{what}: is called root", facts.get("ids") == ["0"] * 4 and facts.get("Uid") == facts.get("Gid") == ["0"] * 4, facts)
    ok(f"{what}: without a capability", [int(*facts.get(key, ["1"]), 16) for key in CAPS] == [0] * len(CAPS), facts)
    ok(f"{what}: for good", facts.get("NoNewPrivs") == ["1"] and int(*facts.get("securebits", ["0"])) & 3 == 3, facts)


def of_host(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        facts = {key: value for key, value in keyed(f.read()).items() if key in (*CAPS, "Uid", "Gid")}
    return {int(x) for key in ("Uid", "Gid") for x in facts[key]}, facts


# What root inside tries, and how it ends. A dash: with EPERM or EACCES, whoever refuses it first.
REFUSED = (("mount", "-"), ("umount", "-"), ("chroot", "-"), (f"unshare {0x10000000}", "-"), (f"unshare {0x00020000}", "-"), ("setns", "-"),
           ("sethostname", "-"), ("setuid 1", "EINVAL"), ("setgid 1", "EINVAL"), ("setgroups", "-"), ("capset", "-"), ("securebits", "-"),
           ("mknod /w/null", "-"), ("mknod /tmp/null", "-"), ("kill 1", "-"), (f"kill {os.getpid()}", "ESRCH"), ("nice", "-"), ("limit 7", "-"),
           ("limit 6", "-"), ("read /t/closed", "-"), ("create /t/new", "EROFS"), ("create /new", "-" if ROOT else "EROFS"), ("create /etc/new", "ENOENT"),
           ("read /proc/1/mem", "-"), ("read /proc/1/environ", "-"), ("write /proc/self/uid_map", "-"), ("write /proc/self/loginuid", "EINVAL"))


def check_refused(name, who):
    guard = cells.flat(name, "guard")["pid"]
    for words, wanted in REFUSED:
        if words == "kill 1" and not ROOT:
            continue  # his guard has his own id: the kernel says nothing, and does nothing
        got = said(name, words)
        ok(f"{who}: {words} is refused", got in (("EPERM", "EACCES") if wanted == "-" else (wanted,)), got)
    ok(f"{who}: nor has the guard ended", cells.flat(name, "guard")["pid"] == guard and said(name, "status"))


def check_files(name, who, uid, gid):
    """What it creates is the other id's on the host, what the host's root has is nobody's inside."""
    path = f"file-of-{who}"
    ok(f"{who}: it creates a set-user-ID file", said(name, f"create /w/{path}") == "done", said(name, f"create /w/{path}"))
    st = os.stat(os.path.join(RW, path))
    ok(f"{who}: which is not root's on the host", (st.st_uid, st.st_gid) == (uid, gid), (st.st_uid, st.st_gid, uid, gid))
    ok(f"{who}: it is its own inside", said(name, f"owner /w/{path}") == "0 0\ndone")
    ok(f"{who}: it gives it to nobody", said(name, f"chown /w/{path}") in ("EINVAL", "EPERM"), said(name, f"chown /w/{path}"))
    ok(f"{who}: nor takes another's", not ROOT or said(name, "chown0 /t/tool") in ("EROFS", "EPERM"))
    if ROOT:
        ok(f"{who}: root's files are nobody's", said(name, "owner /t/tool") == "65534 65534\ndone", said(name, "owner /t/tool"))


def check_host_side(name, who, ids):
    job = cells.start(name, "/t/tool wait")
    pid = int(sfs.read(f"rockers/{name}/jobs/{job}/pid"))
    seen, facts = of_host(pid)
    guard, _ = of_host(int(cells.flat(name, "guard")["pid"]))
    ok(f"{who}: on the host it is another", seen == ids and 0 not in seen, (seen, ids))
    ok(f"{who}: without a capability", not any(int(facts[key][0], 16) for key in CAPS), facts)
    ok(f"{who}: nor is the guard of root's", 0 not in guard and (not ROOT or not guard & seen), (guard, seen))
    with contextlib.suppress(OSError):  # where nobody can tell
        pids = cells.procs(name)
        ok(f"{who}: procs shows it", not pids or pid in pids, pids)
    ok(f"{who}: usage counts it", int(cells.flat(name, "usage")["cpu_ns"]) >= 0)
    sfs.write(f"rockers/{name}/jobs/{job}/kill", "KILL\n")
    ok(f"{who}: it is killed", cells.job_ended(name, job) and sfs.read(f"rockers/{name}/jobs/{job}/exit").strip() != "0")


def check_limits(name, who):
    if {"pids.max", "memory.max"} & cells.unlimited:
        return
    n = said(name, "crowd")
    ok(f"{who}: it has no more processes than pids.max says", n.isdigit() and 1 <= int(n) <= 8, n)


def whole(name, who, ids):
    facts = dict(line.split(" = ", 1) for line in sfs.read(f"rockers/{name}/spec").splitlines() if " = " in line)
    ok(f"{who}: the files show it", (facts.get("uid"), facts.get("gid")) == ("0", "0") and sfs.read(f"rockers/{name}/uid").strip() == "0" and
       sfs.read(f"rockers/{name}/gid").strip() == "0", facts)
    check_powers(f"{who}: a job", name, "status")
    check_powers(f"{who}: what it executes", name, "exec /t/tool status")
    for program in ("setuid", "filecaps") if ROOT else ():
        check_powers(f"{who}: {program} of root's", name, f"exec /t/{program} status")
    check_host_side(name, who, ids)
    check_refused(name, who)
    check_files(name, who, min(ids), max(ids))
    check_limits(name, who)


def programs(name):
    """What root inside is wanted for."""
    sfs.ok("busybox id says root", cells.command(name, "/usr/bin/busybox id -u") == (0, "0\n"), cells.command(name, "/usr/bin/busybox id -u"))
    got = cells.command(name, "/usr/bin/busybox id")
    sfs.ok("and so does the whole of it", not got[0] and got[1].startswith("uid=0") and "gid=0" in got[1], got)
    if os.path.exists("/usr/bin/apt-get"):
        got = cells.command(name, "/usr/bin/apt-get --version")
        sfs.ok("apt-get runs", not got[0] and got[1].startswith("apt "), got)
    script = "cd /tmp && mkdir -p a && echo x > a/own && tar cf own.tar a && rm -r a && tar xf own.tar && stat -c %u a/own"
    got = cells.command(name, f"/usr/bin/busybox sh -c '{script}'")
    sfs.ok("tar takes out what was its own", got[1] == "0\n", got)
    got = cells.command(name, "/usr/bin/tar -C /tmp -xf /t/others.tar")
    sfs.ok("and is told of what it cannot give to others", "Cannot change ownership to uid 1" in got[1], got)
    got = cells.command(name, "/usr/bin/tar -C /tmp --no-same-owner -xf /t/others.tar")
    sfs.ok("unless it shall not try", got == (0, ""), got)


def others_tar():
    source = folder("source", 0o755)
    with open(f"{source}/file", "w") as f:
        f.write("x")
    subprocess.run(["tar", "--owner=1", "--group=1", "-C", source, "-cf", f"{TOOLS}/others.tar", "file"], check=True)


def as_other(work):
    def become():
        sfs.become(OTHER)
        try:
            return work()
        except OSError as e:
            return f"{sfs.name_of(e.errno)} {sfs.read('error')}"
    return sfs.told(become)


def of_another():
    """Of another user's rocker it is himself, whoever of them wrote the 0; and no id of somebody else's."""
    made = as_other(lambda: cells.make("his", binds=BINDS, uid="0", gid="0", pids__max="8"))
    ok("another user has his", made == "None", made)
    ok("root sees it", sfs.read("rockers/his/uid") == "0\n")
    whole("his", "another", {OTHER})
    for file in ("uid", "gid"):
        sfs.write(f"rockers/his/{file}", "auto\n")
        sfs.write(f"rockers/his/{file}", "0\n")
    check_host_side("his", "another by root's word", {OTHER})
    sfs.write("rockers/his/gid", "auto\n")
    ok("either id by itself", keyed(said("his", "status")).get("ids") == ["0", "0", str(OTHER), str(OTHER)], said("his", "status"))
    os.rmdir(cells.path("his"))


def of_root():
    for uid in (1, 4711):
        cells.put("mine", "uid", str(uid))
        cells.put("mine", "gid", str(uid + 1))
        ids = keyed(said("mine", "status")).get("ids")
        ok(f"root gives {uid}, which is the same on the host", ids == [str(uid)] * 2 + [str(uid + 1)] * 2, ids)
        check_id = cells.start("mine", "/t/tool wait")
        seen, _ = of_host(int(sfs.read(f"rockers/mine/jobs/{check_id}/pid")))
        ok(f"{uid} there, too", seen == {uid, uid + 1}, seen)
        sfs.write("rockers/mine/kill", "KILL\n")
        cells.job_ended("mine", check_id)
    cells.put("mine", "uid", "0")
    ok("a group of the host's beside it", keyed(said("mine", "status")).get("ids") == ["0", "0", "4712", "4712"], said("mine", "status"))
    cells.put("mine", "gid", "0")
    ok("and back", keyed(said("mine", "status")).get("ids") == ["0"] * 4)


def entered():
    """By root of the host, who then has what he asks for in that user namespace."""
    links = [f"--{kind}={cells.path('mine', 'ns', link)}" for kind, link in
             (("mount", "mnt"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("net", "net"), ("user", "user"))]
    got = subprocess.run(["nsenter", *links, "--setuid=0", "--setgid=0", "/t/tool", "status"], capture_output=True, text=True, check=False)
    ok("root of the host enters it", keyed(got.stdout).get("ids") == ["0"] * 4, (got.stdout, got.stderr))


def kernel():
    sfs.codelet("unsigned long triple(unsigned long n) { return 3 * n; }", "triple")
    sfs.number_kernel("triple")
    got = sfs.run("triple", "codelet=triple.o n=5 rocker=mine")
    ok("a kernel runs in it", got[0] == 0 and sfs.flat("kernels/triple/result")["return"] == "15", got)


def data(host_uid):
    folder_ = folder("data", 0o755)
    with cells.rocker("kept", binds=BINDS, uid="0", gid="0", data_dir=shlex.quote(folder_), overlays="/etc") as name:
        got = [said(name, f"create /{place}") for place in (("etc/f", "data/f") if not ROOT else ("etc/f",))]
        ok("it writes to its data directory", set(got) == {"done"}, got)
        owners = {os.lstat(os.path.join(at, x)).st_uid for at, _, names in os.walk(folder_) for x in names}
        ok("where what it writes is not root's", owners == {host_uid}, owners)


def main():
    others_tar()
    if ROOT:
        cells.make("before", binds=BINDS)
        job = cells.start("before", "/t/tool wait")
        ids, _ = of_host(int(sfs.read(f"rockers/before/jobs/{job}/pid")))
        ok("root's jobs have an id of the jail's", len(ids) == 1 and BASE <= min(ids) < BASE + COUNT, ids)
        os.rmdir(cells.path("before"))
    else:
        ids = {os.getuid(), os.getgid()}
    cells.make("mine", binds=BINDS, uid="0", gid="0", pids__max="8")
    whole("mine", "root" if ROOT else "user", ids)
    kernel()
    data(min(ids) if ROOT else os.getuid())
    with cells.rocker("real", binds=BINDS + "/usr /usr ro\n", uid="0", gid="0") as name:
        programs(name)
    seen = said("mine", "owner /proc/1/oom_score_adj")
    ok("the guard's files in /proc are not its own", seen == ("65534 65534\ndone" if ROOT else "EACCES") and
       said("mine", "oom /proc/1/oom_score_adj") == "EACCES", seen)
    cells.put("mine", "gid", "auto")
    gid = str(max(ids))
    ok("either id is set by itself", keyed(said("mine", "status")).get("ids") == ["0", "0", gid, gid], said("mine", "status"))
    cells.put("mine", "uid", "auto")
    cells.put("mine", "gid", "0")
    ok("the other, too", keyed(said("mine", "status")).get("ids") == [str(min(ids))] * 2 + ["0"] * 2, said("mine", "status"))
    cells.put("mine", "uid", "0")
    ok("and both", keyed(said("mine", "status")).get("ids") == ["0"] * 4, said("mine", "status"))
    if ROOT:
        entered()
        of_root()
        of_another()
    os.rmdir(cells.path("mine"))
    sfs.ok("nothing is wrong", sfs.wait_for(lambda: sfs.read("status") == "ok\n"), sfs.read("status"))


main()
sfs.done()
