#!/bin/sh
# SPDX-License-Identifier: MIT
# no-mount
# The demo works with what is installed, leaves nothing, and cleans up after a step that fails.
top=$(cd "$(dirname "$0")/../.." && pwd)
status=0

report() {
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2: $(tail -n 3 out | tr '\n' '|')"
		status=1
	fi
}

# A folder of its own: other demonstrations may go on meanwhile.
export TMPDIR=$PWD/demos
mkdir "$TMPDIR"
empty() {
	[ -z "$(ls -A "$TMPDIR")" ] && ! grep -q " $TMPDIR/" /proc/self/mounts
}
"$top/scripts/demo" "$BUILD" >out 2>&1 && grep -q '^status ok' out
report $? "the demo runs a real dot product"
empty
report $? "it leaves nothing"

printf 'no object at all' >bad.o
! SDOT_O=$PWD/bad.o "$top/scripts/demo" "$BUILD" >out 2>&1
report $? "with a file that is no object it fails"
empty
report $? "it leaves nothing then either"
exit $status
