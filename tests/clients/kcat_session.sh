#!/usr/bin/env bash
# kcat (librdkafka 2.0): what old clients do. KAFKA=host:port.
set -euo pipefail
topic="kcat-$RANDOM-$$"
ask() { timeout 30 kcat -b "$KAFKA" -X log_level=0 "$@"; }
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
same 'the end' "$(ask -Q -t "$topic-none:0:-1" 2>&1 | grep -oE 'offset [0-9]+')" 'offset 100'
