#!/bin/bash
# SPDX-License-Identifier: MIT
# no-mount
# plain-only
# The runner of the tests: a name may have its folder before it, and one that no test has is said and is a failure.
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
why=$out
. "$top/tests/fs/tools_say.sh"
run() {
	"$top/tests/run" --build "$BUILD" "$@" >"$out" 2>&1
}
run --units parse_words && grep -q "unit/parse_words" "$out"
say $? "a name finds its test"
run --units unit/parse_w && grep -q "unit/parse_words" "$out"
say $? "so does one with its folder"
for name in no_such_test fs/parse_words unit/demo; do
	run --units "$name"
	[ $? = 1 ] && grep -qx "no test of those asked for has '$name' in its name" "$out" && ! grep -q " ok " "$out"
	say $? "$name is no test of a program"
done
run --units parse_words no_such_test
[ $? = 1 ] && grep -q "'no_such_test'" "$out" && ! grep -q " ok " "$out"
say $? "nothing runs where one name of two is wrong"
exit $status
