#!/bin/bash
# SPDX-License-Identifier: MIT
# root-only
# no-mount
# Where fusermount3 cannot unmount, as without /etc/mtab, a user's daemon leaves no mount behind, nor a dead one of another's in its way.
place=$(mktemp -d) || exit 1
top=$(cd "$(dirname "$0")/../.." && pwd)
trap 'rm -rf "$place"' EXIT
mkdir "$place/etc" "$place/home" "$place/home/mnt"
chmod 755 "$place"
chown -R 65534:65534 "$place/home"
cat >"$place/user" <<'END'
why=log
. "$1/tests/fs/tools_say.sh"
begin() {
	"$BUILD/bin/sandboxfs" -f --state state mnt </dev/null >log 2>&1 &
	for _ in $(seq 100); do
		[ -e mnt/README ] && return 0
		sleep 0.05
	done
	return 1
}
begin
say $? "a user's daemon mounts"
! fusermount3 -u mnt 2>/dev/null && [ -e mnt/README ]
say $? "fusermount3 cannot unmount it here"
kill $!
wait $!
say $? "SIGTERM ends it well"
! grep -q " $PWD/mnt " /proc/self/mounts
say $? "and takes the mount away"
begin
kill -9 $!
wait $! 2>/dev/null
! ls mnt 2>/dev/null && grep -q " $PWD/mnt " /proc/self/mounts
say $? "one that is killed leaves a dead mount"
begin
say $? "which the next one takes away"
kill $!
wait $!
exit $status
END
unshare --mount --propagation private bash -c '
	mount -t tmpfs tmpfs "$1/etc" && cp -a /etc/. "$1/etc/" && rm -f "$1/etc/mtab" && mount --bind "$1/etc" /etc &&
		cd "$1/home" && exec "$2/tests/as-role" nobody "$2" "$3" bash "$1/user" "$2"' - "$place" "$top" "$BUILD"
