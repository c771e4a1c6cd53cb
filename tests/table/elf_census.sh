#!/bin/sh
# SPDX-License-Identifier: MIT
# Inspects and links every object of Debian's static libraries: at least 99 % are accepted and, imports permitting, link.
# no-mount
# plain-only
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! ${CC:-cc} -std=gnu17 -O2 -D_GNU_SOURCE -I "$top/sandboxfs" -I "$top/backends" -o "$work/census" \
	"$top/tests/table/elf_census.c" "$top"/backends/elf_*.c -lelf 2>"$work/log"; then
	echo "not ok census: it does not build: $(head -n 1 "$work/log")"
	exit 1
fi

failed=0
for archive in libz.a liblz4.a libxxhash.a libgslcblas.a libzstd.a libblis.a musl/libc.a; do
	path=/usr/lib/x86_64-linux-gnu/$archive
	[ "$archive" != musl/libc.a ] || path=/usr/lib/x86_64-linux-musl/libc.a
	if [ ! -e "$path" ]; then
		echo "skip $archive: it is not installed"
		continue
	fi
	"$work/census" "$path" >"$work/out"
	cat "$work/out"
	row=$(grep ' objects ' "$work/out" | tail -n 1)
	objects=$(echo "$row" | awk '{ print $3 }')
	accepted=$(echo "$row" | awk '{ print $5 }')
	refused=$(echo "$row" | awk '{ print $11 }')
	if [ "${objects:-0}" -gt 0 ] && [ $((accepted * 100)) -ge $((objects * 99)) ] &&
		[ $((refused * 100)) -le "$objects" ]; then
		echo "ok $archive"
	else
		echo "not ok $archive: $row"
		failed=1
	fi
done
exit $failed
