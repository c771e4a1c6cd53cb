#!/bin/sh
# SPDX-License-Identifier: MIT
# no-mount
# root-only
# plain-only
# Installing puts program, pages and unit where they belong; uninstalling takes every file away again.
top=$(cd "$(dirname "$0")/../.." && pwd)
why=out
. "$top/tests/fs/tools_say.sh"

to="BUILD=$BUILD PREFIX=/usr DESTDIR=$PWD/root"
# With other flags than it was built with all of it would be built again.
! grep -q -e -Werror "$BUILD/flags" || to="$to WERROR=1"
make -C "$top" --no-print-directory $to install >out 2>&1
say $? "make install"
(cd root && find . -type f | sort) >found
printf '%s\n' ./usr/bin/sandboxfs ./usr/include/rocker.h ./usr/lib/librocker_client.a ./usr/lib/librocker_client.so.1 \
	./usr/lib/pkgconfig/rocker_client.pc ./usr/lib/systemd/system/sandboxfs.service ./usr/share/man/man3/rocker.3 \
	./usr/share/man/man5/sandboxfs.5 ./usr/share/man/man8/sandboxfs.8 >wanted
diff found wanted >out 2>&1
say $? "every file has its place"
grep -q '^ExecStart=/usr/bin/sandboxfs ' root/usr/lib/systemd/system/sandboxfs.service
say $? "the unit starts what was installed"
PKG_CONFIG_PATH=root/usr/lib/pkgconfig pkg-config --libs rocker_client >found && grep -q -e -lrocker_client found &&
	[ "$(readlink root/usr/lib/librocker_client.so)" = librocker_client.so.1 ]
say $? "the client library can be found by pkg-config and by its linker name"
make -C "$top" --no-print-directory $to uninstall >out 2>&1 && [ -z "$(find root ! -type d)" ]
say $? "make uninstall leaves no file"
exit $status
