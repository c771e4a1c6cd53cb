#!/bin/bash
# SPDX-License-Identifier: MIT
# no-mount
# concurrent
# Uploads that are left open take descriptors of the daemon's; it has more than it was started with, and keeps some for others.
status=0
place=$(mktemp -d) || exit 1
chmod 755 "$place"
mkdir "$place/mnt"
store=$place/mnt/store
say() {
	if [ "$1" = 0 ]; then echo "ok $2"; else echo "not ok $2: $(tail -n 3 "$place/said" | tr '\n' '|')"; status=1; fi
}
start() { # limits
	timeout 15 bash -c "ulimit $1; exec \"\$0\" --state \"\$1/state\" \"\$1/mnt\"" "$BUILD/bin/sandboxfs" "$place" >"$place/said" 2>&1
}
unmount() {
	for _ in $(seq 100); do
		fusermount3 -u "$place/mnt" 2>/dev/null || umount "$place/mnt" 2>/dev/null
		mountpoint -q "$place/mnt" || break
		sleep 0.05
	done
	for _ in $(seq 200); do
		(exec 9<"$place/state/store" && flock -n 9) 2>/dev/null && return 0
		sleep 0.05
	done
}
hold() { # how many: opens that succeeded are left open
	fds=()
	for i in $(seq "$1"); do
		{ exec {fd}>"$store/held$i.o"; } 2>>"$place/said" || break
		fds+=("$fd")
	done
}
let_go() {
	for fd in "${fds[@]}"; do exec {fd}>&-; done 2>/dev/null
}
trap 'let_go; unmount; rm -rf "$place"' EXIT
echo 'int call0(void) { return 0; }' | gcc -x c -c -o "$place/call0.o" - || exit 1

start '-Sn 128'
say $? "it starts with few descriptors"
hold 200
[ "${#fds[@]}" = 200 ]
say $? "200 uploads can be open"
cp "$place/call0.o" "$store/one.o" 2>>"$place/said"
say $? "and another one can be loaded"
echo reps=1 2>>"$place/said" >"$place/mnt/kernels/call0/run"
say $? "and run"
let_go
unmount
start '-n 256'
say $? "it starts where no more can be had"
hold 200
[ "${#fds[@]}" -ge 16 ] && [ "${#fds[@]}" -lt 128 ]
say $? "then a user may not open so many: ${#fds[@]}"
let_go
cp "$place/call0.o" "$store/two.o" 2>>"$place/said"
say $? "and loading goes on"
exit $status
