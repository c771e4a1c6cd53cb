#!/bin/bash
# SPDX-License-Identifier: MIT
# concurrent
# Every tool that brings or takes files loads and unloads codelets: cp dd install mv rsync cat tee python, rm, chmod.
why=$MNT/store/error
. "$(dirname "$0")/tools_say.sh"
work=$(mktemp -d) && cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
for n in 1 2; do
	printf 'int answer%d(int x) { return x + %d; }\n' $n $n | gcc -O1 -x c -c -o $n.o -
done

# Loaded: the same bytes, a directory that tells the same hash, and the symbol.
is() {
	cmp -s "$1" "$MNT/store/$2" && grep -qx "sha256 $(sha256sum <"$1" | cut -c1-64)" "$MNT/codelets/$2/info" &&
		grep -q "answer" "$MNT/codelets/$2/symbols" && [ "$(cat "$MNT/codelets/$2/state")" = loaded ] &&
		[ "$(stat -c %s "$MNT/store/$2")" = "$(stat -c %s "$1")" ]
}
each() {
	local what=$1 to=$2
	shift 2
	"$@" 2>err && is 1.o "$to"
	say $? "$what loads"
}
each cp cp.o cp 1.o "$MNT/store/cp.o"
each "cp -p" cpp.o cp -p 1.o "$MNT/store/cpp.o"
each dd dd.o dd status=none if=1.o of="$MNT/store/dd.o" bs=100
each "dd conv=fsync" ddf.o dd status=none if=1.o of="$MNT/store/ddf.o" conv=fsync
each install install.o install -m 0600 1.o "$MNT/store/install.o"
cp 1.o moved.o
each mv mv.o mv moved.o "$MNT/store/mv.o"
each rsync rsync.o rsync 1.o "$MNT/store/rsync.o"
each "cat >" cat.o sh -c "cat 1.o >'$MNT/store/cat.o'"
each tee tee.o sh -c "tee '$MNT/store/tee.o' <1.o >/dev/null"
each "python, mode x" pyx.o python3 -c "open('$MNT/store/pyx.o', 'xb').write(open('1.o', 'rb').read())"
each python py.o python3 -c "import shutil; shutil.copy('1.o', '$MNT/store/py.o')"
[ "$(stat -c %a "$MNT/store/install.o")" = 600 ] && [ "$(stat -c %a "$MNT/codelets/install.o")" = 500 ]
say $? "modes are kept, and followed by the codelet's directory"

for how in "cp 2.o" "rsync -I 2.o" "install 2.o"; do
	$how "$MNT/store/cp.o" 2>err && is 2.o cp.o
	say $? "${how%% *} over a name replaces"
	cp 1.o "$MNT/store/cp.o"
done
dd status=none if=2.o of="$MNT/store/cp.o" conv=notrunc && is 2.o cp.o
say $? "dd over a name without truncation replaces"

mv "$MNT/store/cp.o" "$MNT/store/renamed.o" && is 2.o renamed.o && [ ! -e "$MNT/store/cp.o" ] && [ ! -e "$MNT/codelets/cp.o" ]
say $? "mv renames"
mv "$MNT/store/renamed.o" "$MNT/store/dd.o" && is 2.o dd.o && [ ! -e "$MNT/codelets/renamed.o" ]
say $? "mv over another replaces it"
chmod 0640 "$MNT/store/dd.o" && [ "$(stat -c %a "$MNT/codelets/dd.o")" = 550 ]
say $? "chmod is followed"
mkdir "$work/back" && rsync -a "$MNT/store/" "$work/back/" && cmp -s back/mv.o 1.o && cmp -s back/dd.o 2.o
say $? "rsync brings all of it back"
tar -C "$MNT" -cf all.tar store && tar -xOf all.tar store/dd.o | cmp -s - 2.o
say $? "tar too"
rm "$MNT/store/dd.o" && [ ! -e "$MNT/codelets/dd.o" ] && [ ! -e "$MNT/store/dd.o" ]
say $? "rm unloads"
rm "$MNT"/store/*.o && [ -z "$(ls "$MNT/codelets")" ] && [ "$(ls "$MNT/store")" = error ]
say $? "rm of all leaves nothing"
[ -z "$(ls -A "$STATE/store/names" 2>/dev/null)" ]
say $? "nothing is left on disk"
mkdir "$MNT/store/set" 2>err
[ $? = 1 ] && grep -q "codelet sets" "$MNT/store/error"
say $? "mkdir says what is not possible yet"
# The kernel tells of the last close after close(2) has returned.
gone() {
	for _ in $(seq 100); do
		[ -e "$1" ] || return 0
		sleep 0.05
	done
	return 1
}
: >"$MNT/store/empty.o" && gone "$MNT/store/empty.o"
say $? "an empty new file is dropped"
touch "$MNT/store/new.o" && [ ! -e "$MNT/store/new.o" ] && cp 1.o "$MNT/store/new.o" && is 1.o new.o
say $? "touch makes nothing, and is in nobody's way"
exit $status
