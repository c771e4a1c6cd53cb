#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# deadline: 240
"""The tools that people use, on files of every kind: they read what read(2) gives, and write it whole or are refused."""
import mmap, os, shutil, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

MNT, TMP = sfs.MNT, sfs.TMP
STORE, KERNEL = os.path.join(MNT, "store"), os.path.join(MNT, "kernels/tool")
SPEC = "[kernel]\nname = tool\nfunction = tool\nreturns = u64\n[param.n]\ntype = u64\ndefault = {}\n[call]\nargs = u64 n\n"
# vi is the small one or the large one, as its package was installed.
VI = next((p for p in ("vim.tiny", "vim", "vi") if shutil.which(p)), "vim.tiny")
OUT = os.path.join(TMP, "out")
# What the reading itself counts up.
COUNTED = {"stats"}


def sh(words, timeout=60):
    """(exit status, standard output, standard error) of a line of the shell; a tool that hangs is status 'hangs'."""
    try:
        r = subprocess.run(["bash", "-c", words], capture_output=True, timeout=timeout, check=False, cwd=TMP,
                           env=dict(os.environ, HOME=TMP, LC_ALL="C", TERM="dumb"), stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return "hangs", b"", b""
    return r.returncode, r.stdout, r.stderr


def plain(path):
    """All bytes of a file, by read(2) alone."""
    fd = os.open(os.path.join(MNT, path), os.O_RDONLY)
    out, piece = b"", os.read(fd, 65536)
    while piece:
        out += piece
        piece = os.read(fd, 65536)
    os.close(fd)
    return out


def tell(result):
    return f"{result[0]} {result[1][:100]!r} {result[2][-200:]!r}"


# ---- reading ---------------------------------------------------------------------------------------------------------------

# Each writes to standard output what it read of $f; $o is a place for a copy.
READERS = (
    ("cat", 'cat "$f"'), ("busybox cat", 'busybox cat "$f"'), ("cp", 'cp "$f" "$o"; cat "$o"'),
    ("busybox cp", 'busybox cp "$f" "$o"; cat "$o"'), ("cp -a", 'cp -a "$f" "$o"; cat "$o"'),
    ("cp --sparse", 'cp --sparse=always "$f" "$o"; cat "$o"'), ("install", 'install -m 644 "$f" "$o"; cat "$o"'),
    ("rsync", 'rsync "$f" "$o"; cat "$o"'), ("rsync -a", 'rsync -a "$f" "$o"; cat "$o"'),
    ("tar", 'tar -cf - -C "${f%/*}" "${f##*/}" | tar -xOf -'), ("tee", 'tee "$o" <"$f" >/dev/null; cat "$o"'),
    ("dd bs=1", 'dd if="$f" bs=1 status=none'), ("dd", 'dd if="$f" bs=1M status=none'), ("tail -c +1", 'tail -c +1 "$f"'),
    ("head", 'head -c 1000000000 "$f"'), ("xxd", 'xxd -p "$f" | xxd -p -r'), ("gzip", 'gzip -c "$f" | gzip -dc'),
    ("busybox tar", 'busybox tar -cf - -C "${f%/*}" "${f##*/}" 2>/dev/null | tar -xOf -'),
)
TEXT_READERS = (("sed", 'sed p -n "$f"'), ("awk", 'awk "{print}" "$f"'), ("grep", 'grep "" "$f"'), ("mapfile",
                'mapfile -t a <"$f"; printf "%s\\n" "${a[@]}"'),
                ("while read", 'while IFS= read -r l; do printf "%s\\n" "$l"; done <"$f"'))
# Nothing but yes or no. -1 is where GNU head asks for the size and believes it.
JUDGES = (
    ("wc -c", 'test "$(wc -c <"$f")" = "$(wc -c <"$w")"'), ("cmp", 'cmp "$f" "$w"'), ("diff", 'diff -q "$f" "$w"'),
    ("head -c -1", 'head -c -1 "$f" | cmp - <(head -c -1 <"$w" )'), ("tail -c 5", 'tail -c 5 "$f" | cmp - <(tail -c 5 "$w")'),
    ("sha256sum", 'test "$(sha256sum <"$f")" = "$(sha256sum <"$w")"'),
    ("stat", 'test "$(stat -c %s "$f")" = "$(stat -c %s "$w")"'),
)
# One program for all files: pairs of a file and what it holds.
NODE = (("readFileSync", "fs.readFileSync(f)"), ("copyFileSync", f"(fs.copyFileSync(f, '{OUT}'), fs.readFileSync('{OUT}'))"))
NODE_LOOP = """const fs = require("fs"), files = process.argv.slice(1);
for (let f, w; [f, w] = files.splice(0, 2), f; fs.rmSync("%s", { force: true }))
	if (!%s.equals(fs.readFileSync(w))) { console.error(f); process.exitCode = 1; }
"""


def by_mmap(path):
    """Privately: the kernel maps no direct_io file shared."""
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        return mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).read() if size else b""


def by_sendfile(path):
    with open(path, "rb") as f, open(OUT, "wb+") as out:
        while os.sendfile(out.fileno(), f.fileno(), None, 1 << 20):
            pass
        out.seek(0)
        return out.read()


def by_copy(function):
    def copy(path):
        function(path, OUT)
        with open(OUT, "rb") as f:
            return f.read()
    return copy


def by_lines(path):
    with open(path, "rb") as f:
        return b"".join(f)


PYTHON = (("mmap", by_mmap), ("sendfile", by_sendfile), ("shutil.copy", by_copy(shutil.copy)), ("lines", by_lines),
          ("shutil.copyfile", by_copy(shutil.copyfile)), ("shutil.copy2", by_copy(shutil.copy2)))


def remove_out():
    if os.path.exists(OUT):
        os.unlink(OUT)


def of_each(words, paths, wanted):
    """(exit status, standard output, standard error) of a line of the shell for each of the files."""
    lines = [f"f='{MNT}/{path}' o='{OUT}' w='{wanted[path]}'; rm -f \"$o\"; ({words}) >\"$w.out\" 2>\"$w.err\"; echo $?" for path in paths]
    said = sh("\n".join(["set -o pipefail", *lines]))[1].split()
    for path, status in zip(paths, said + ["hangs"] * (len(paths) - len(said))):
        texts = []
        for name in (".out", ".err") if status != "hangs" else ():
            with open(wanted[path] + name, "rb") as f:
                texts.append(f.read())
        yield int(status) if texts else status, *(texts or (b"", b""))


def reading(paths):
    """For each tool: does it give of each file what read(2) gives of it?"""
    wanted = {}
    for i, path in enumerate(paths):
        wanted[path] = os.path.join(TMP, f"want{i}")
        with open(wanted[path], "wb") as f:
            f.write(plain(path))
    text = [p for p in paths if plain(p) and b"\0" not in plain(p)]
    for tools, which in ((READERS, paths), (TEXT_READERS, text), (JUDGES, paths)):
        for name, words in tools:
            bad = [(path, tell(result)) for path, result in zip(which, of_each(words, which, wanted))
                   if result[0] != 0 or (tools is not JUDGES and result[1] != plain(path))]
            sfs.ok(f"{name} reads {len(which)} files as they are", not bad, bad[:3])
    pairs = " ".join(f"'{MNT}/{path}' '{wanted[path]}'" for path in paths)
    for name, got in NODE:
        remove_out()
        result = sh(f"cat >loop.js <<'END'\n{NODE_LOOP % (OUT, got)}END\nnode -e \"$(cat loop.js)\" {pairs}")
        sfs.ok(f"node {name} reads {len(paths)} files as they are", result[0] == 0, tell(result))
    for name, read in PYTHON:
        bad = [path for path in paths if remove_out() or read(os.path.join(MNT, path)) != plain(path)]
        sfs.ok(f"Python's {name} too", not bad, bad[:3])


def following():
    """tail -f ends when it is killed, whatever it was doing."""
    for path in ("kernels/tool/result", "error", "store/one.o"):
        tail = subprocess.Popen(["tail", "-c", "+1", "-f", os.path.join(MNT, path)], stdout=subprocess.PIPE)
        got, want = b"", plain(path)
        while len(got) < len(want):
            piece = os.read(tail.stdout.fileno(), 65536)
            if not piece:
                break
            got += piece
        alive = tail.poll() is None
        tail.send_signal(signal.SIGTERM)
        try:
            ended = tail.wait(10) == -signal.SIGTERM
        except subprocess.TimeoutExpired:
            ended = False
            tail.kill()
        sfs.ok(f"tail -f {path} shows it, stays, and ends when killed", got == want and alive and ended,
            (len(got), len(want), alive, ended))


# ---- the whole mount -------------------------------------------------------------------------------------------------------


def everything():
    """All names with kind, mode, owner, size, and what each readable file holds."""
    seen = {}
    for folder, _, files in os.walk(MNT):
        for path in [folder] + [os.path.join(folder, name) for name in files]:
            name, st = os.path.relpath(path, MNT), os.lstat(path)
            # Opening clone makes a job, for as long as it is open: that is what it is for.
            private = os.path.basename(name) in ("clone", "jobs")
            held = plain(name) if path != folder and name not in COUNTED and not private and os.access(path, os.R_OK) else b""
            seen[name] = (st.st_mode, st.st_uid, 0 if private else st.st_size, 0 if private else st.st_mtime_ns, held)
    return seen


SWEEPS = (
    ("grep -r", "grep -r 'no such word' '{m}'", (1, 2)), ("grep -rc", "grep -rc . '{m}' >/dev/null", (0, 1, 2)),
    ("find", "find '{m}' -ls >/dev/null", (0,)), ("find -exec",
    "find '{m}/kernels/tool' -type f -perm -004 -exec cat {{}} + >/dev/null", (0,)),
    ("du", "du -a '{m}' >/dev/null", (0,)), ("du --apparent-size", "du -s --apparent-size '{m}' >/dev/null", (0,)),
    ("ls -lR", "ls -lRa '{m}' >/dev/null", (0,)), ("tar",
    # tar's own reading of clone makes a job and ends it, so that jobs may change while tar looks at it.
    "tar -cf all.tar -C '{m}' --exclude=tool/jobs kernels/tool codelets config store", (0, 2)),
    ("rsync", "rsync -a '{m}/kernels/tool' '{m}/codelets' back/", (0, 23)),
    ("cp -a", "cp -a '{m}/codelets' '{m}/events' copy/", (0, 1)),
    ("updatedb's stat", "find '{m}' -printf '%s %m %T@\\n' >/dev/null", (0,)),
)


def sweeping():
    os.makedirs(os.path.join(TMP, "back"))
    os.makedirs(os.path.join(TMP, "copy"))
    everything()
    before = everything()
    for name, words, statuses in SWEEPS:
        result = sh(words.format(m=MNT), 120)
        after = everything()
        changed = [p for p in {*before, *after} if before.get(p) != after.get(p) and p not in COUNTED]
        sfs.ok(f"{name} over the mount ends and alters nothing", result[0] in statuses and not changed,
            (changed[:5], tell(result)))


# ---- the store -------------------------------------------------------------------------------------------------------------


def loaded(name, source):
    path = os.path.join(STORE, name)
    with open(source, "rb") as f:
        return os.path.exists(path) and plain("store/" + name) == f.read() and name in os.listdir(os.path.join(MNT, "codelets"))


def moving(one, two):
    def step(name, words, true):
        result = sh(words)
        sfs.ok(name, result[0] == 0 and true(), tell(result))
    for n, source in (("one", one), ("two", two)):
        shutil.copy(source, os.path.join(TMP, f"{n}.mv"))
    step("mv from another file system loads", f"mv one.mv '{STORE}/m.o'",
        lambda: loaded("m.o", one) and not os.path.exists(f"{TMP}/one.mv"))
    step("mv from another file system over a name replaces", f"mv two.mv '{STORE}/m.o'", lambda: loaded("m.o", two))
    step("mv within the store", f"mv '{STORE}/m.o' '{STORE}/n.o'",
        lambda: loaded("n.o", two) and not os.path.exists(f"{STORE}/m.o"))
    step("mv -n leaves what is there", f"mv -n '{STORE}/n.o' '{STORE}/one.o'",
        lambda: loaded("n.o", two) and loaded("one.o", one))
    step("mv -f", f"mv -f '{STORE}/n.o' '{STORE}/m.o'", lambda: loaded("m.o", two))
    step("mv out of the store unloads", f"mv '{STORE}/m.o' back.o",
        lambda: open(f"{TMP}/back.o", "rb").read() == open(two, "rb").read()
         and "m.o" not in os.listdir(f"{MNT}/codelets"))
    for name, words, text in (("ln", f"ln '{STORE}/one.o' '{STORE}/hard.o'", b"not permitted"),
                              ("ln -s", f"ln -s one.o '{STORE}/soft.o'", b"not permitted"),
                              ("ln across", f"ln '{STORE}/one.o' hard.o", b"cross-device"),
                              ("mkfifo", f"mkfifo '{STORE}/fifo'", b"not permitted"),
                              ("mknod", f"mknod '{STORE}/null' p", b"not permitted")):
        result = sh(words)
        sfs.ok(f"{name} is refused in words", result[0] == 1 and text in result[2] and sorted(os.listdir(STORE)) == ["error",
            "one.o"],
               f"{tell(result)} {os.listdir(STORE)}")
    os.makedirs(os.path.join(TMP, "set"))
    for n, source in (("a", one), ("b", two), ("c", one)):
        shutil.copy(source, os.path.join(TMP, "set", f"{n}.o"))
    step("rsync -a of a folder loads all", f"rsync -a --omit-dir-times --no-perms set/ '{STORE}/'",
         lambda: loaded("a.o", one) and loaded("b.o", two) and loaded("c.o", one))
    step("rsync again finds nothing to do", f"rsync -ain --omit-dir-times --no-perms set/ '{STORE}/' | tee said; test ! -s said",
        lambda: True)
    step("rsync out of the store", f"rsync -a '{STORE}/' out-of-store/",
        lambda: plain("store/b.o") == open(f"{TMP}/out-of-store/b.o", "rb").read())
    step("rm of some", f"rm '{STORE}'/[abc].o", lambda: os.listdir(STORE) and not loaded("b.o", two))
    step("tar into the store", f"tar -cf in.tar -C set . && tar -xf in.tar -C '{STORE}' --no-overwrite-dir ./a.o ./b.o",
         lambda: loaded("a.o", one) and loaded("b.o", two))
    step("cp -a into the store", f"cp -a set/c.o '{STORE}/'", lambda: loaded("c.o", one))
    step("cp of several", f"cp set/a.o set/b.o '{STORE}/'", lambda: loaded("a.o", one) and loaded("b.o", two))
    step("busybox cp", f"busybox cp set/b.o '{STORE}/bb.o'", lambda: loaded("bb.o", two))
    step("node copyFileSync loads", f"node -e 'require(\"fs\").copyFileSync(\"set/a.o\", \"{STORE}/node.o\")'",
        lambda: loaded("node.o", one))
    step("node writeFileSync loads",
        "node -e 'const fs = require(\"fs\"); fs.writeFileSync(\"{0}/node.o\", fs.readFileSync(\"set/b.o\"))'"
         .format(STORE), lambda: loaded("node.o", two))
    step("tee to two names", f"tee '{STORE}/t1.o' '{STORE}/t2.o' <set/a.o >/dev/null",
        lambda: loaded("t1.o", one) and loaded("t2.o", one))
    step("dd bs=1", f"dd if=set/a.o of='{STORE}/slow.o' bs=1 count=100000 status=none", lambda: loaded("slow.o", one))
    for name in os.listdir(STORE):
        if name not in ("error", "one.o"):
            os.unlink(os.path.join(STORE, name))


# ---- specifications and commands -------------------------------------------------------------------------------------------


def editing():
    """Whatever writes a file writes a specification; what wants to replace the file by another is refused, and it stays."""
    with open(os.path.join(TMP, "new"), "w") as f:
        f.write(SPEC.format(2))
    vi = f"{VI} -u NONE -es -c '%s/^default.*/default = {{}}/' -c wq '{KERNEL}/spec'"
    writers = (
        ("cp", f"cp new '{KERNEL}/spec'", 2), ("ed", f"printf '/^default/s/2/3/\\nw\\nq\\n' | ed -s '{KERNEL}/spec'", 3),
        ("vi", vi.format(4), 4), ("cat >", f"cat new >'{KERNEL}/spec'", 2), ("vi again", vi.format(5), 5),
        ("tee", f"tee '{KERNEL}/spec' <new >/dev/null", 2), ("busybox vi's way", f"sed 's/= 2/= 6/' new >'{KERNEL}/spec'", 6),
        ("dd bs=7", f"dd if=new of='{KERNEL}/spec' bs=7 status=none", 2),
        ("python", f"python3 -c 'open(\"{KERNEL}/spec\", \"w\").write(open(\"new\").read().replace(\"= 2\", \"= 7\"))'", 7),
        ("node", f"node -e 'const fs = require(\"fs\"); fs.writeFileSync(\"{KERNEL}/spec\", fs.readFileSync(\"new\"))'", 2),
        ("rsync --inplace", f"sed 's/= 2/= 8/' new >newer; rsync -I --inplace newer '{KERNEL}/spec'", 8),
        ("busybox cp", f"busybox cp new '{KERNEL}/spec'", 2), ("perl", f"perl -e 'open(F, \">\", \"{KERNEL}/spec\") or die; "
         "open(G, \"newer\"); print F <G>; close(F) or die'", 8),
    )
    for name, words, number in writers:
        result = sh(words)
        text = sfs.read("kernels/tool/spec")
        error, _ = sfs.run("tool", "reps=1")
        sfs.ok(f"{name} writes a specification", result[0] == 0 and text == SPEC.format(number) and not error and
               sfs.flat("kernels/tool/result")["return"] == str(number),
               f"{tell(result)} {text!r} {error} {sfs.read('kernels/tool/error')}")
    before, names = sfs.read("kernels/tool/spec"), os.listdir(KERNEL)
    for name, words in (("sed -i", f"sed -i 's/= 8/= 9/' '{KERNEL}/spec'"), ("rsync", f"rsync -I new '{KERNEL}/spec'"),
                        ("mv onto it", f"cp new moved; mv moved '{STORE}/../kernels/tool/x'"),
                        ("touch of another name", f"touch '{KERNEL}/note'"), ("mkdir below", f"mkdir '{KERNEL}/below'")):
        result = sh(words)
        sfs.ok(f"{name} is refused, and nothing has changed", result[0] not in (0, "hangs") and result[2] and
               sfs.read("kernels/tool/spec") == before and os.listdir(KERNEL) == names, f"{tell(result)} {os.listdir(KERNEL)}")
    result = sh(f"sed 's/u64/wrong/' new >bad; cp bad '{KERNEL}/spec'")
    sfs.ok("cp of a bad one says so by its status", result[0] == 1 and b"Invalid argument" in result[2] and
           "wrong" in sfs.read("kernels/tool/error") and sfs.read("kernels/tool/spec") == before, tell(result))


def runs():
    return int(sfs.flat("kernels/tool/activity")["runs"])


def commanding():
    """One write is one command: what tools make of it in pieces is refused, never half run."""
    table = (
        ("echo", f"echo n=3 reps=1 >'{KERNEL}/run'", 0, 1), ("printf without a newline", f"printf 'n=3 reps=1' >'{KERNEL}/run'",
        0, 1),
        ("echo >>", f"echo n=3 reps=1 >>'{KERNEL}/run'", 0, 1),
        ("dd", f"echo n=3 reps=1 | dd of='{KERNEL}/run' status=none", 0, 1),
        ("dd conv=notrunc", f"echo n=3 reps=1 | dd of='{KERNEL}/run' conv=notrunc status=none", 0, 1),
        ("tee", f"echo n=3 reps=1 | tee '{KERNEL}/run' >/dev/null", 0, 1),
        ("cp", f"echo n=3 reps=1 >cmd; cp cmd '{KERNEL}/run'", 0, 1),
        ("cat", f"cat cmd >'{KERNEL}/run'", 0, 1), ("three lines", f"cat cmd cmd cmd | tee '{KERNEL}/run' >/dev/null", 0, 3),
        ("python", f"python3 -c 'open(\"{KERNEL}/run\", \"w\").write(\"n=3 reps=1\\n\")'", 0, 1),
        ("node", f"node -e 'require(\"fs\").writeFileSync(\"{KERNEL}/run\", \"n=3 reps=1\\n\")'", 0, 1),
        ("awk", f"awk 'BEGIN {{ print \"n=3 reps=1\" > \"{KERNEL}/run\" }}'", 0, 1),
        ("sed w", f"sed -n 'w {KERNEL}/run' cmd", 0, 1), ("busybox echo", f"busybox sh -c \"echo n=3 reps=1 >'{KERNEL}/run'\"", 0,
        1),
        ("dd bs=1", f"echo n=3 reps=1 | dd of='{KERNEL}/run' bs=1 status=none", 1, 0),
        ("dd bs=5", f"echo n=3 reps=1 | dd of='{KERNEL}/run' bs=5 status=none", 1, 0),
        ("a line that is cut", f"printf 'n=3 reps=1\\nn=4 re' >'{KERNEL}/run'", 1, 1),
        ("truncate", f"truncate -s 0 '{KERNEL}/run'", 0, 0), ("touch", f"touch '{KERNEL}/run'", 0, 0),
        (": >", f": >'{KERNEL}/run'", 0, 0),
        ("a NUL byte", f"printf 'n=3\\0\\n' >'{KERNEL}/run'", 1, 0),
        ("/dev/zero", f"dd if=/dev/zero of='{KERNEL}/run' bs=1M count=1", 1, 0),
    )
    for name, words, status, ran in table:
        before = runs()
        result = sh(words)
        sfs.ok(f"{name} to run: {'refused' if status else 'taken'}, {ran} runs",
            result[0] == status and runs() - before == ran and
               (not status or result[2]), f"{tell(result)} {runs() - before} runs, {sfs.read('kernels/tool/error')}")
    sh(f"echo n=3 reps=1 | dd of='{KERNEL}/run' bs=1 status=none")
    sfs.ok("dd bs=1 is told which word was refused",
        " EINVAL " in sfs.read("kernels/tool/error") and "'n'" in sfs.read("kernels/tool/error"),
           sfs.read("kernels/tool/error"))
    before = runs()
    result = sh(f"exec 3<>'{KERNEL}/run'; echo n=4 reps=1 events=tsc >&3 && cat <&3; echo bogus=1 >&3 2>/dev/null || cat <&3")
    sfs.ok("a shell reads the answer on the same descriptor", result[1].startswith(b"tsc ") and b"'bogus'" in result[1] and
           runs() == before + 1, tell(result))


def looking():
    result = sh(f"ls -l --time-style=+%s '{KERNEL}'")
    lines = [line.split() for line in result[1].decode().splitlines()[1:]]
    owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    sfs.ok("ls -l tells the owner", len(lines) == len(os.listdir(KERNEL)) and all(x[2] == owner for x in lines), lines)
    now = time.time()
    sfs.ok("and times of today", all(now - 600 < int(x[5]) <= now + 1 for x in lines), (now, lines))
    for typed, want in (("kernels/sd", {"kernels/sdot"}), ("kernels/tool/res",
        {"kernels/tool/result", "kernels/tool/result.json"}),
                        ("codelets/on", {"codelets/one.o"}), ("store/o", {"store/one.o"}), ("ver", {"version"})):
        got = set(sh(f"cd '{MNT}' && compgen -f {typed}")[1].decode().split())
        sfs.ok(f"the shell completes {typed}", got == want, got)
    got = sh(f"cd '{MNT}/kernels' && echo s*t && [ -d sdot ] && [ -r sdot/spec ] && [ ! -e sdot/nothing ]")
    sfs.ok("and expands patterns", got[1].split() == [b"sdot"] and got[0] == 0, tell(got))


def removing():
    names = os.listdir(f"{MNT}/kernels/sdot")
    result = sh(f"rm -rf '{MNT}/kernels/sdot'")
    sfs.ok("rm -rf of a shipped kernel takes nothing", result[0] == 1 and os.listdir(f"{MNT}/kernels/sdot") == names and
           sfs.read("kernels/sdot/spec"), tell(result))
    for way in ("rm -rf", "rm -r", "rmdir", "busybox rm -rf", "find '{}' -delete; true", "python"):
        if not os.path.isdir(KERNEL):
            sfs.kernel("tool", SPEC.format(1))
        words = {"python": f"python3 -c 'import shutil; shutil.rmtree(\"{KERNEL}\")'"}.get(way, f"{way} '{KERNEL}'")
        if way.startswith("find"):
            words = way.format(KERNEL)
        result = sh(words)
        sfs.ok(f"{way.split(' {')[0]} removes a kernel", result[0] == 0 and not os.path.exists(KERNEL) and
               "tool" not in os.listdir(f"{MNT}/kernels"), tell(result))


source = "unsigned long tool(unsigned long n) { return n; }\n"
one, two = sfs.compile_c(source, "one"), sfs.compile_c(source + "int table[5000] = { 1 };", "two")
sfs.load(one)
sfs.kernel("tool", SPEC.format(1))
sfs.ok("it runs", sfs.run("tool", "n=5 reps=3")[0] == 0, sfs.read("error"))
reading(sfs.some(("README", "version", "config", "machine", "status", "error", "store/one.o", "store/error", "codelets/one.o/info",
         "codelets/one.o/symbols", "codelets/one.o/spec", "kernels/tool/spec", "kernels/tool/result", "kernels/tool/result.json",
         "kernels/tool/samples.csv", "kernels/tool/activity", "kernels/tool/events", "kernels/sdot/spec", "kernels/sdot/output",
         "events/available")))
following()
sweeping()
moving(one, two)
editing()
commanding()
looking()
removing()
sfs.done()
