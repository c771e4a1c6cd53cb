# SPDX-License-Identifier: MIT
# For the scripts: "say STATUS NAME" is a line of the report; after a failure it tells the end of the file $why.
status=0
say() {
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2: $(tail -n 3 "$why" 2>&1 | tr '\n' '|')"
		status=1
	fi
}
