#!/usr/bin/env bash
# The issue's session as a person types it into psql, each answer checked.
set -euo pipefail
scratch=$(mktemp -d)
trap 'echo "failed at line $LINENO"' ERR
trap 'rm -rf "$scratch"' EXIT
query() { timeout 60 psql -X -v ON_ERROR_STOP=1 -At -c "$1"; }
expect() { # what, wanted, got
    [ "$2" = "$3" ] || { printf '%s:\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"; exit 1; }
}
# Asks until the answer is there: a view is a moment behind its input.
eventually() {
    local got=""
    for _ in $(seq 100); do
        got=$(query "$2")
        [ "$got" = "$3" ] && return 0
        sleep 0.1
    done
    expect "$1" "$3" "$got"
}
query "CREATE STREAM payments (card_id TEXT KEY, amount DECIMAL(12,2), merchant TEXT, country TEXT, lat DOUBLE, lon DOUBLE, paid_at TIMESTAMP)
       WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 4, timestamp = 'paid_at')" >/dev/null
query "CREATE TABLE cards (card_id TEXT PRIMARY KEY, holder TEXT, home TEXT, credit_limit DECIMAL(12,2))
       WITH (kafka_topic = 'cards', value_format = 'JSON', partitions = 4)" >/dev/null
query "CREATE TABLE per_country AS SELECT country, COUNT(*) AS n, SUM(amount) AS total FROM payments
       WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) GROUP BY country" >/dev/null
query "CREATE STREAM over_limit AS SELECT p.card_id, p.amount, c.credit_limit FROM payments p JOIN cards c ON p.card_id = c.card_id
       WHERE p.amount > c.credit_limit" >/dev/null
expect "INSERT's tag" "INSERT 0 2" "$(query "INSERT INTO cards VALUES ('c1', 'Ann', 'DE', 1000.00), ('c2', 'Bo', 'CH', 50.00)")"
eventually "cards" "SELECT card_id, credit_limit FROM cards ORDER BY card_id" "c1|1000.00
c2|50.00"
expect "INSERT's tag" "INSERT 0 2" "$(query "INSERT INTO payments VALUES ('c1', 12.50, 'coffee', 'DE', 52.5, 13.4, now()), ('c2', 75.00, 'shoes', 'CH', 47.4, 8.5, now())")"
eventually "per_country" "SELECT country, n, total FROM per_country ORDER BY total DESC LIMIT 10" "CH|1|75.00
DE|1|12.50"
eventually "over_limit" "SELECT card_id, amount, credit_limit FROM over_limit" "c2|75.00|50.00"

# A push query sends a row as it comes; LIMIT ends it.
timeout 60 psql -X -At -c "COPY (SELECT card_id, amount FROM payments WHERE amount > 1000 EMIT CHANGES LIMIT 1) TO STDOUT" > "$scratch/push.out" 2>"$scratch/push.err" &
push=$!
for _ in $(seq 100); do
    kill -0 $push 2>/dev/null || break
    query "INSERT INTO payments VALUES ('c9', 5000.00, 'car', 'DE', 52.5, 13.4, now())" >/dev/null
    sleep 0.1
done
wait $push
expect "push query" "c9	5000.00" "$(cat "$scratch/push.out")"

query "EXPLAIN SELECT * FROM per_country" >/dev/null
query "SHOW STREAMS" | grep -q over_limit
query "SHOW QUERIES" | grep -q per_country
query "DESCRIBE per_country" | grep -q windowstart
query '\d' | grep -q payments
query '\dt' | grep -q cards
query '\d payments' | grep -q 'numeric'
timeout 60 psql -X -c '\d cards' | grep -q 'PRIMARY KEY'
query "SELECT count(*) > 0 FROM tidemill.offsets" | grep -q t
for table in topics partitions offsets groups streams tables queries tasks; do query "SELECT * FROM tidemill.$table" >/dev/null; done

# Every describing command answers, if only with an empty list: as it is, with more columns, with the system's own, with a pattern.
{
    for command in dA dAc dAf dAo dAp da db dC dc dconfig dD dd ddp dE des det deu dew dF dFd dFp dFt df dg di dL dl dm dn dO do dp drds drg dRp dRs \
        ds dT dt du dv dX dx dy l z; do
        for form in "" + S S+ " *" "+ *" " public.*" "+ payments"; do echo "\\$command$form"; done
    done
    cat <<'COMMANDS'
\d
\d+
\d *
\d+ *
\d public.*
\dP+
\dS
\dS+
\dP
\d payments
\d+ per_country
\d pg_catalog.pg_class
\dt tidemill.*
\df abs
\df+ mask*
\df *.*
\do + int int
\dT+ int4
\dC+ int4
\dAc btree int4
\dAo+ btree
\dAp+ btree float_ops
\dF+ english
\dconfig+ *zone*
\drds ann *
\lo_list+
\sf mask
COMMANDS
} >"$scratch/commands.sql"
timeout 500 psql -X -f "$scratch/commands.sql" >"$scratch/commands.out" 2>&1 || true
if grep 'ERROR' "$scratch/commands.out" >"$scratch/errors"; then
    while IFS=: read -r _ _ line error; do echo "$(sed -n "${line}p" "$scratch/commands.sql"): $error"; done <"$scratch/errors"
    exit 1
fi
query '\df mask' | grep -q 'public|mask|text|text|func'
query '\df abs' | grep -q 'pg_catalog|abs|integer|integer|func'
query "CREATE MATERIALIZED VIEW kept AS SELECT country, COUNT(*) AS n FROM payments GROUP BY country" >/dev/null
query '\sv kept' | grep -q 'SELECT country, COUNT'
query '\dv' | grep -q kept
query "DROP MATERIALIZED VIEW kept DELETE TOPIC" >/dev/null
expect "set_config" "x" "$(query "SELECT pg_catalog.set_config('application_name', 'x', false)")"
expect "format" "a 'b'" "$(query "SELECT format('%s %L', 'a', 'b')")"
expect "to_regtype" "23" "$(query "SELECT to_regtype('int4')")"

# Errors say what and where.
error=$(timeout 60 psql -X -v VERBOSITY=verbose -c "SELECT * FROM payment" 2>&1 || true)
[[ $error == *42P01* && $error == *'payments'* ]] || { echo "no hint: $error"; exit 1; }
error=$(timeout 60 psql -X -c "SELECT amont FROM payments" 2>&1 || true)
[[ $error == *"LINE 1"*"^"* ]] || { echo "no caret: $error"; exit 1; }
error=$(timeout 60 psql -X -v VERBOSITY=verbose -c "DROP STREAM payments" 2>&1 || true)
[[ $error == *2BP01* ]] || { echo "a stream in use was dropped: $error"; exit 1; }
query "DROP TABLE per_country DELETE TOPIC" >/dev/null
query "DROP STREAM over_limit DELETE TOPIC" >/dev/null
query "DROP STREAM payments DELETE TOPIC" >/dev/null
query "DROP TABLE cards DELETE TOPIC" >/dev/null
echo "the session is as it should be"
