#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
"""Real programs live in a rocker: a shell with busybox, Python with its library, sqlite3, nginx, gcc."""
import os, shlex, shutil, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import cells
import sfs

ROOT = sfs.ROLE == "root"
USR = "/usr /usr ro\n"
MUCH = {"memory__max": "512M", "pids__max": "64", "time__max_ms": "60000"}
os.chmod(sfs.TMP, 0o755)


def say(name, error, answer, rocker):
    return f"{name} {sfs.name_of(error)} {answer[-600:]} {cells.result(rocker)}"


def expect(what, rocker, line, wanted):
    error, answer = cells.command(rocker, line)
    return sfs.ok(what, not error and wanted in answer, say(line[:60], error, answer, rocker))


def folder(name, mode=0o755):
    path = os.path.join(sfs.TMP, name)
    os.mkdir(path)
    os.chmod(path, mode)
    return path


def written(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


SCRIPT = """#!/bin/busybox sh
set -e
cd /tmp
mkdir -p tree/a/b
i=0
while [ $i -lt 50 ]; do echo "line $i" > tree/a/b/f$i; i=$((i + 1)); done
find tree -type f | xargs cat | sort | uniq | wc -l
tar cf - tree | gzip | gunzip | tar tf - | grep -c f4
(sleep 0 & wait; echo waited)
echo "$(id -u) $(cat /proc/self/comm)" | sed 's/cat/done/'
"""


def busybox():
    tree = folder("bin")
    shutil.copy(shutil.which("busybox"), f"{tree}/busybox")
    for name in ("find", "xargs", "sort", "uniq", "wc", "tar", "gzip", "gunzip", "grep", "sleep", "id", "cat", "sed", "mkdir"):
        os.symlink("busybox", f"{tree}/{name}")
    written(f"{tree}/script", SCRIPT, 0o755)
    with cells.rocker("busy", binds=f"{shlex.quote(tree)} /bin ro\n") as name:
        error, answer = cells.command(name, "/bin/script")
        words = answer.split()
        sfs.ok("busybox: a shell script", not error and words[:3] == ["50", "11", "waited"] and words[-1] == "done",
               say("script", error, answer, name))
        expect("busybox: a pipeline of the shell's", name, "/bin/busybox sh -c 'echo a b c | tr a-z A-Z; exit 3'", "A B C")
        sfs.ok("busybox: its exit status", cells.result(name).get("exit_code") == "3", cells.result(name))


PYTHON = """
import hashlib, json, multiprocessing, os, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, zlib
def square(n):
    return n * n
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "f"), "w") as f:
            json.dump({"a": [1, 2, 3]}, f)
        assert json.load(open(os.path.join(d, "f")))["a"][2] == 3
    assert hashlib.sha256(zlib.decompress(zlib.compress(b"x" * 100000))).hexdigest()[:4]
    t = threading.Thread(target=square, args=(2,)); t.start(); t.join()
    with multiprocessing.Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    assert subprocess.run([sys.executable, "-c", "print(41 + 1)"], capture_output=True, text=True).stdout == "42\\n"
    a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
    db = sqlite3.connect(":memory:"); db.execute("create table t(x)"); db.execute("insert into t values (7)")
    print("python lives", sys.version_info[0], db.execute("select x from t").fetchone()[0])
"""


def python_image():
    """The interpreter and its library as a squashfs; the machine's own C libraries are bound beside it."""
    program = os.path.realpath("/usr/bin/python3")
    tree = folder("python")
    os.mkdir(f"{tree}/bin")
    shutil.copy(program, f"{tree}/bin/python3")
    library = "/lib/" + os.path.basename(program)
    shutil.copytree("/usr" + library, tree + library, ignore_dangling_symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "test", "idlelib", "lib2to3", "*.a"))
    written(f"{tree}/check.py", PYTHON)
    image = os.path.join(sfs.TMP, "python.squashfs")
    subprocess.run(["mksquashfs", tree, image, "-noappend", "-quiet", "-comp", "gzip", "-Xcompression-level", "1",
                    "-all-root"], check=True, stdout=subprocess.DEVNULL)
    return image


def libraries():
    """Binds with which a program finds its loader and its libraries."""
    places = {os.path.realpath(p): p for p in ("/lib64", "/lib/x86_64-linux-gnu") if os.path.isdir(p)}
    return "".join(f"{real} {shown} ro\n" for real, shown in places.items())


def python():
    if not shutil.which("mksquashfs"):
        print("skip python: mksquashfs is not here")
        return
    image = python_image()
    if not (ROOT or os.path.exists("/usr/bin/squashfuse_ll")):
        print("skip python_image: squashfuse, which reads it for an ordinary user, is not here")
        return
    with cells.rocker("python", package=image, exec_dir="/opt/python", binds=libraries(), **MUCH) as name:
        expect("python: from a squashfs, with its library, threads and processes", name,
               "/opt/python/bin/python3 /opt/python/check.py", "python lives 3 7")
        expect("python: the library is that of the image", name,
               "/opt/python/bin/python3 -c 'import os, json; print(json.__file__)'", "/opt/python/lib/python3")


def python_bound():
    scripts = folder("scripts")
    written(f"{scripts}/check.py", PYTHON)
    with cells.rocker("bound", binds=USR + f"{shlex.quote(scripts)} /scripts ro\n", **MUCH) as name:
        expect("python: with its standard library, threads and processes", name, "/usr/bin/python3 /scripts/check.py",
               "python lives 3 7")


def sqlite():
    data = folder("data", 0o1777)
    with cells.rocker("sql", binds=USR, data_dir=data, **MUCH) as name:
        work = "create table t(a, b); insert into t values (1, 2), (3, 4); pragma journal_mode=wal; " \
               "insert into t select a + 10, b from t; select sum(a) from t;"
        expect("sqlite3: a database on data_dir", name, f"/usr/bin/sqlite3 /data/test.db '{work}'", "28")
        expect("sqlite3: which is there for the next job", name, "/usr/bin/sqlite3 /data/test.db 'select count(*) from t'", "4")
    kept = [n for n in os.listdir(data) if n.startswith("test.db")]
    sfs.ok("sqlite3: and stays when the rocker is removed", "test.db" in kept, os.listdir(data))


NGINX = """
daemon off; master_process on; worker_processes 2; pid /tmp/nginx.pid; error_log stderr;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 127.0.0.1:8080; root /site; }
}
"""
FETCH = """
import time, urllib.request
for i in range(100):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8080/index.html", timeout=5).read().decode())
        break
    except OSError as e:
        last = e
        time.sleep(0.1)
else:
    print("no answer", last)
"""


def nginx():
    if not os.path.exists("/usr/sbin/nginx"):
        print("skip nginx: it is not here")
        return
    site = folder("site")
    written(f"{site}/nginx.conf", NGINX)
    written(f"{site}/index.html", "served from a rocker\n")
    written(f"{site}/fetch.py", FETCH)
    with cells.rocker("web", binds=USR + f"{shlex.quote(site)} /site ro\n", network="loopback", **MUCH) as name:
        job = cells.start(name, "/usr/sbin/nginx -p /tmp -e stderr -c /site/nginx.conf")
        good = expect("nginx: serves on the rocker's loopback", name, "/usr/bin/python3 /site/fetch.py", "served from a rocker")
        if os.path.exists("/usr/bin/curl"):
            expect("nginx: curl reads it", name, "/usr/bin/curl -s http://127.0.0.1:8080/index.html", "served from a rocker")
        sfs.ok("nginx: it runs on", cells.state(name) == "running", cells.state(name))
        if not good:
            print(sfs.read(f"rockers/{name}/jobs/{job}/stderr")[-2000:])


HELLO = '#include <stdio.h>\nint main(void) { printf("compiled %d\\\\n", 6 * 7); return 5; }\n'


def gcc():
    source = folder("source")
    written(f"{source}/hello.c", HELLO.replace("\\\\n", "\\n"))
    with cells.rocker("cc", binds=USR + f"{shlex.quote(source)} /source ro\n", **MUCH) as name:
        expect("gcc: is there", name, "/usr/bin/gcc --version", "Free Software Foundation")
        # What it calls it looks for in PATH, and an environment is empty until somebody fills it: of the next job on,
        # though nothing is built anew for that.
        spec = sfs.read(f"rockers/{name}/spec") + "env = PATH=/usr/bin:/bin\n"
        sfs.write(f"rockers/{name}/spec", spec)
        expect("gcc: compiles and links", name, "/usr/bin/gcc -O2 -Wall -o /tmp/hello /source/hello.c", "")
        result = cells.result(name)
        sfs.ok("gcc: and says so", result.get("status") == "ok" and result.get("exit_code") == "0", f"{result} " +
               sfs.read(f"rockers/{name}/output")[-800:])
        expect("gcc: what it made runs", name, "/tmp/hello", "compiled 42")
        sfs.ok("gcc: with its own exit status", cells.result(name).get("exit_code") == "5", cells.result(name))


for part in (busybox, python, python_bound, sqlite, nginx, gcc):
    try:
        part()
    except (OSError, ValueError) as e:
        sfs.ok(part.__name__, False, repr(e))
sfs.done()
