#!/bin/bash
# SPDX-License-Identifier: MIT
# no-mount
# concurrent
# In the background nothing of the caller's stays open: a pipe ends as soon as the mount answers. Whose state it may be.
place=$(mktemp -d) || exit 1
chmod 755 "$place"
mkdir "$place/mnt"
why=$place/said
. "$(dirname "$0")/tools_say.sh"
unmount() {
	for _ in $(seq 100); do
		fusermount3 -u "$place/mnt" 2>/dev/null || umount "$place/mnt" 2>/dev/null
		mountpoint -q "$place/mnt" || break
		sleep 0.05
	done
}
# The supervisor ends after the unmounting, and only then is the state free for the next one.
ended() {
	for _ in $(seq 200); do
		(exec 9<"$1/store" && flock -n 9) 2>/dev/null && return 0
		sleep 0.05
	done
	return 1
}
trap 'unmount; rm -rf "$place"' EXIT
sandboxfs=$BUILD/bin/sandboxfs

timeout 15 bash -c '"$0" --state "$1/state" "$1/mnt" 2>&1 | cat' "$sandboxfs" "$place" >"$place/said" && [ -e "$place/mnt/README" ]
say $? "a pipe of the output ends when the mount answers"
unmount
ended "$place/state"
say $? "an unmounted daemon ends"

timeout 15 bash -c 'x=$("$0" --state "$1/state" "$1/mnt" 2>&1); r=$?; echo "$x"; exit $r' "$sandboxfs" "$place" >"$place/said" &&
	[ -e "$place/mnt/README" ]
say $? "so does a command substitution"
unmount
ended "$place/state"

timeout 15 bash -c 'sleep 0.2 | "$0" --state "$1/state" "$1/mnt"' "$sandboxfs" "$place" >"$place/said" 2>&1 && [ -e "$place/mnt/README" ]
say $? "so does a pipe of the input"
unmount
ended "$place/state"

mkdir "$place/empty"
timeout 15 "$sandboxfs" --state "$place/empty" "$place/mnt" >"$place/said" 2>&1 && [ -e "$place/mnt/README" ]
say $? "an empty directory of the caller's becomes the state"
mkdir "$place/other"
! timeout 15 "$sandboxfs" --state "$place/empty" "$place/other" >"$place/said" 2>&1 && grep -q "is in use" "$place/said" &&
	! grep -q "hangs" "$place/said" && ! mountpoint -q "$place/other"
say $? "a state in use is refused, and nothing of that daemon waits for a mount that never answers"
unmount
ended "$place/empty"

if [ "$ROLE" = root ]; then
	mkdir "$place/full" && echo precious >"$place/full/file"
	! timeout 15 "$sandboxfs" --state "$place/full" "$place/mnt" >"$place/said" 2>&1 && [ "$(stat -c %u "$place/full")" = 0 ] &&
		! mountpoint -q "$place/mnt"
	say $? "root's directory with something in it does not"
	mkdir "$place/his" && chown 65534:65534 "$place/his"
	! timeout 15 "$sandboxfs" --state "$place/his" "$place/mnt" >"$place/said" 2>&1 && [ "$(stat -c %u "$place/his")" = 65534 ] &&
		! mountpoint -q "$place/mnt"
	say $? "nor does another user's"
fi
exit $status
