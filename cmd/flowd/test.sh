#!/bin/sh
# Posts five flows to a fresh server and checks the totals that it answers.
#
#   cmd/flowd/test.sh [URL]        (default http://127.0.0.1:8080)
#
# The server must be fresh: flows add up, so a second run on the same server would find twice the
# totals. The script looks first, and fails if hours 1 to 3 hold anything.
set -eu

url=${1:-http://127.0.0.1:8080}

# hour N prints the rows of hour N, one on each line, sorted: an answer has no promised order.
hour() {
	answer=$(curl -sS "$url/flows?hour=$1") || exit 1
	if [ "$answer" = "[]" ]; then
		echo "[]"
	else
		echo "$answer" | tr -d '[]\n' | sed 's/},{/}|{/g' | tr '|' '\n' | LC_ALL=C sort
	fi
}

# expect WHAT WANT GOT prints what was got, or ends the script where it is not what is wanted.
expect() {
	if [ "$3" != "$2" ]; then
		printf 'test.sh: %s: wrong answer\n got: %s\nwant: %s\n' "$1" "$3" "$2" >&2
		exit 1
	fi
	printf '%s\n%s\n' "$1" "$3"
}

command -v curl >/dev/null || { echo "test.sh: needs curl" >&2; exit 1; }

for n in 1 2 3; do
	rows=$(hour "$n") || exit 1
	if [ "$rows" != "[]" ]; then
		printf 'test.sh: %s is no fresh server; restart it and run again. Hour %s has\n%s\n' "$url" "$n" "$rows" >&2
		exit 1
	fi
done

answer=$(curl -sS "$url/flows" -H 'Content-Type: application/json' --data-binary @- <<'FLOWS'
[
  {"src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 300, "hour": 1},
  {"src_app": "foo", "dest_app": "bar", "vpc_id": "vpc-0", "bytes_tx": 200, "bytes_rx": 600, "hour": 1},
  {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 500, "hour": 1},
  {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-0", "bytes_tx": 100, "bytes_rx": 500, "hour": 2},
  {"src_app": "baz", "dest_app": "qux", "vpc_id": "vpc-1", "bytes_tx": 100, "bytes_rx": 500, "hour": 2}
]
FLOWS
) || exit 1
expect 'POST /flows' '{"accepted":5,"duplicate":false}' "$answer"

expect 'GET /flows?hour=1' '{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":500,"hour":1}
{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":300,"bytes_rx":900,"hour":1}' "$(hour 1)"
expect 'GET /flows?hour=2' '{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":500,"hour":2}
{"src_app":"baz","dest_app":"qux","vpc_id":"vpc-1","bytes_tx":100,"bytes_rx":500,"hour":2}' "$(hour 2)"
expect 'GET /flows?hour=3' '[]' "$(hour 3)"
echo "all as expected"
