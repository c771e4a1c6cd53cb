#!/bin/sh
# SPDX-License-Identifier: MIT
# no-mount
# The demo works with what is installed, leaves nothing, and cleans up after a step that fails.
top=$(cd "$(dirname "$0")/../.." && pwd)
why=out
. "$top/tests/fs/tools_say.sh"

# A folder of its own: other demonstrations may go on meanwhile.
export TMPDIR=$PWD/demos
mkdir "$TMPDIR"
empty() {
	[ -z "$(ls -A "$TMPDIR")" ] && ! grep -q " $TMPDIR/" /proc/self/mounts
}
"$top/scripts/demo" "$BUILD" >out 2>&1 && grep -q '^status ok' out
say $? "the demo runs a real dot product"
empty
say $? "it leaves nothing"

printf 'no object at all' >bad.o
! SDOT_O=$PWD/bad.o "$top/scripts/demo" "$BUILD" >out 2>&1
say $? "with a file that is no object it fails"
empty
say $? "it leaves nothing then either"
exit $status
