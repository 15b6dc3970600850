#!/usr/bin/env bash
# kcat, which has the librdkafka of its release (2.0 in Debian 12, 1.6 in Debian 11): what old clients do. KAFKA=host:port.
set -euo pipefail
topic="kcat-$RANDOM-$$"
ask() { timeout 30 kcat -b "$KAFKA" -X log_level=0 "$@"; }
# An offset by time, asked again if librdkafka 1.6 looks for the partition's leader in the moment in which it learns of it: of
# forty queries of a new client some ten end with "Local: Unknown partition", behind an answer that has the partition.
by_time() {
    local try
    for try in $(seq 20); do
        "$@" >"$found" 2>&1 || true
        grep -q 'Unknown partition' "$found" || break
    done
    cat "$found"
}
found=$(mktemp)
trap 'rm -f "$found"' EXIT
same() { [ "$2" = "$3" ] || { echo "$1: got '$2', wanted '$3'"; exit 1; }; }

ask -L -J | grep -q '"brokers"'
for codec in none gzip snappy lz4 zstd; do
    seq 100 | ask -P -t "$topic-$codec" -p 0 -z "$codec" -X topic.request.required.acks=all
    same "$codec" "$(ask -C -t "$topic-$codec" -p 0 -o beginning -e -q | md5sum)" "$(seq 100 | md5sum)"
done
printf 'k1:v1\nk2:\n' | ask -P -t "$topic" -p 0 -K: -Z -H a=1 -H b=2
same 'keys, nulls, headers' "$(ask -C -t "$topic" -p 0 -o beginning -e -q -f '%k|%S|%h\n')" 'k1|2|a=1,b=2
k2|-1|a=1,b=2'
same 'the last one' "$(ask -C -t "$topic-none" -p 0 -o -1 -e -q)" 100
same 'the end' "$(by_time ask -Q -t "$topic-none:0:-1" | grep -oE 'offset [0-9]+')" 'offset 100'

ask -P -t "$topic-sure" -p 0 -X enable.idempotence=true <<<'one'
printf '2\n3\n' | ask -P -t "$topic-sure" -p 0 -X transactional.id="$topic"
same 'idempotent, and in a transaction' "$(ask -C -t "$topic-sure" -p 0 -o beginning -e -q)" 'one
2
3'
same 'a group' "$(ask -G "$topic" -X auto.offset.reset=earliest -c 60 -q "$topic-lz4" | md5sum)" "$(seq 60 | md5sum)"
same 'a group that goes on' "$(ask -G "$topic" -X auto.offset.reset=earliest -c 40 -q "$topic-lz4" | md5sum)" "$(seq 61 100 | md5sum)"
same 'by time' "$(by_time ask -C -t "$topic-gzip" -p 0 -o s@1000000000000 -c 1 -q)" 1
