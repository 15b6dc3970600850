"""Apache Kafka's command-line tools, each held to what it prints: KAFKA=host:port KAFKA_JAVA=folder kafka_tools.py"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "java"))
from kafka_jvm import TOOLS, Jars, Tools  # noqa: E402

# They end with 0 whatever happened.
SILENT = {"kafka-consumer-groups", "kafka-delete-records"}
PREFIX = "tools-" + uuid.uuid4().hex[:6]
jars = Jars(os.environ["KAFKA_JAVA"])
tools = Tools(jars, os.environ["KAFKA"])
ask = tools.ask


def has(text, *wanted):
    for one in wanted:
        assert re.search(one, text, re.MULTILINE), f"no {one!r} in:\n{text}"


def same(found, wanted):
    assert found == wanted, f"got {found!r}, wanted {wanted!r}"


def refused(tool, *arguments, saying):
    """A tool that fails, and says why."""
    ended = tools.run(tool, "--bootstrap-server", tools.server, *arguments)
    assert ended.status != 0 or tool in SILENT, ended
    has(ended.output + ended.errors, saying)
    assert "UnknownServerException" not in ended.output + ended.errors, ended
    return ended


def file_of(value):
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(value, file)
    return file.name


def topic(name, partitions=1, *config):
    name = f"{PREFIX}-{name}"
    settings = [word for one in config for word in ("--config", one)]
    has(ask("kafka-topics", "--create", "--topic", name, "--partitions", str(partitions), "--replication-factor", "1", *settings),
        f"Created topic {name}")
    return name


def produce(name, lines, *options):
    ended = tools.run("kafka-console-producer", "--bootstrap-server", tools.server, "--topic", name, *options, text="".join(line + "\n" for line in lines))
    assert ended.status == 0 and "ERROR" not in ended.errors, ended


def consume(name, count, *options):
    ended = tools.run("kafka-console-consumer", "--bootstrap-server", tools.server, "--topic", name, "--timeout-ms", "20000", "--max-messages", str(count), *options)
    has(ended.output + ended.errors, f"Processed a total of {count} messages")
    return [line for line in ended.output.splitlines() if not line.startswith("Processed a total")]


def table(text):
    """Rows of a table with a line of headers, as dictionaries."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    start = next(place for place, line in enumerate(lines) if line[0] in ("GROUP", "TransactionalId", "ProducerId", "CoordinatorId", "Topic"))
    return [dict(zip(lines[start], line)) for line in lines[start + 1:]]


def ends(name, *options):
    rows = [line.rsplit(":", 2) for line in ask("kafka-get-offsets", "--topic", name, *options).split()]
    return {int(partition): int(offset) for _, partition, offset in rows}


def cluster():
    has(tools.run("kafka-cluster", "cluster-id", "--bootstrap-server", tools.server).output, r"^Cluster ID: \S+$")
    has(ask("kafka-broker-api-versions"), r"Produce\(0\): 0 to 13", r"Fetch\(1\): 4 to 18", r"ApiVersions\(18\): 0 to 4")
    status = tools.run("kafka-metadata-quorum", "--bootstrap-server", tools.server, "describe", "--status").output
    has(status, r"^LeaderId:\s+\d+$", r"^HighWatermark:\s+\d+$", r"^MaxFollowerLag:\s+0$", r"^CurrentObservers:\s+\[\]$")
    replication = tools.run("kafka-metadata-quorum", "--bootstrap-server", tools.server, "describe", "--replication").output
    has(replication, r"^\d+\s.*\s0\s.*Leader")
    has(ask("kafka-features", "describe"), r"transaction.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 2\s+FinalizedVersionLevel: 2")


def topics():
    name = topic("topics", 2, "retention.ms=3600000", "cleanup.policy=compact")
    has(ask("kafka-topics", "--list"), f"^{name}$")
    described = ask("kafka-topics", "--describe", "--topic", name)
    has(described, r"PartitionCount: 2\s+ReplicationFactor: 1\s+Configs: .*cleanup.policy=compact", r"retention.ms=3600000",
        r"Partition: 1\s+Leader: (\d+)\s+Replicas: \1\s+Isr: \1")
    ask("kafka-topics", "--alter", "--topic", name, "--partitions", "3")
    has(ask("kafka-topics", "--describe", "--topic", name), "PartitionCount: 3")
    refused("kafka-topics", "--alter", "--topic", name, "--partitions", "1", saying="InvalidPartitionsException|currently has 3 partitions")
    refused("kafka-topics", "--create", "--topic", name, saying="already exists")
    ask("kafka-topics", "--create", "--topic", name, "--if-not-exists")
    refused("kafka-topics", "--create", "--topic", name + "2", "--replication-factor", "3", saying="InvalidReplicationFactor|eplication factor")
    refused("kafka-topics", "--create", "--topic", name + "2", "--config", "retention.ms=never", saying="InvalidConfigurationException|retention.ms")
    refused("kafka-topics", "--describe", "--topic", name + "2", saying="does not exist")
    same(ask("kafka-topics", "--describe", "--unavailable-partitions"), "")
    same(ask("kafka-topics", "--describe", "--under-replicated-partitions"), "")
    ask("kafka-topics", "--delete", "--topic", name)
    assert name not in ask("kafka-topics", "--list").split(), "it is deleted"


def console():
    name = topic("console", 1)
    produce(name, [f"line {number}" for number in range(100)])
    same(consume(name, 100, "--from-beginning"), [f"line {number}" for number in range(100)])
    same(consume(name, 3, "--partition", "0", "--offset", "97"), ["line 97", "line 98", "line 99"])
    for codec in ["gzip", "snappy", "lz4", "zstd"]:
        packed = topic(codec)
        produce(packed, [f"line {number}" for number in range(1000)], "--compression-codec", codec)
        same(consume(packed, 1000, "--from-beginning"), [f"line {number}" for number in range(1000)])


def keys_and_headers():
    name = topic("keys", 1)
    produce(name, ["a:1,b:2|k1|v1", "a:1|k2|", "NULL|NULL|v3", "a:1|k4|NULL"], "--property", "parse.key=true", "--property", "parse.headers=true",
            "--property", "key.separator=|", "--property", "headers.delimiter=|", "--property", "null.marker=NULL")
    shown = ["print.key=true", "print.headers=true", "print.partition=true", "print.offset=true", "key.separator=|"]
    properties = [word for one in shown for word in ("--property", one)]
    same(consume(name, 4, "--from-beginning", *properties),
         ["Partition:0|Offset:0|a:1,b:2|k1|v1", "Partition:0|Offset:1|a:1|k2|", "Partition:0|Offset:2|NO_HEADERS|null|v3", "Partition:0|Offset:3|a:1|k4|null"])


def groups():
    name, group = topic("groups", 2), f"{PREFIX}-group"
    produce(name, [f"k{number}|{number}" for number in range(60)], "--property", "parse.key=true", "--property", "key.separator=|")
    first = consume(name, 40, "--from-beginning", "--group", group)
    second = consume(name, 20, "--group", group)
    same(sorted(map(int, first + second)), list(range(60)))
    has(ask("kafka-consumer-groups", "--list"), f"^{group}$")
    has(ask("kafka-groups", "--list"), rf"^{group}\s+Classic\s+consumer")
    has(ask("kafka-consumer-groups", "--describe", "--group", group, "--state"), rf"^{group}\s.*\sEmpty\s+0")
    produce(name, ["k|later"], "--property", "parse.key=true", "--property", "key.separator=|")
    rows = table(ask("kafka-consumer-groups", "--describe", "--group", group, "--offsets"))
    same((sum(int(row["LOG-END-OFFSET"]) for row in rows), sum(int(row["LAG"]) for row in rows)), (61, 1))
    reset_offsets(name, group)
    has(ask("kafka-consumer-groups", "--delete-offsets", "--group", group, "--topic", f"{name}:0"), r"0\s+Successful")
    same(len(table(ask("kafka-consumer-groups", "--describe", "--group", group))), 1)
    has(ask("kafka-consumer-groups", "--delete", "--group", group), "Deletion of requested consumer groups .* was successful")
    assert group not in ask("kafka-consumer-groups", "--list").split(), "it is deleted"
    refused("kafka-consumer-groups", "--describe", "--group", group, saying="GroupIdNotFound|does not exist|not found")


def new_groups():
    """Java's consumers of the new group protocol (KIP-848): two share a topic, one is killed, and the tools tell of it."""
    name, group, protocol = topic("new-groups", 2), f"{PREFIX}-new-group", ["--consumer-property", "group.protocol=consumer"]
    produce(name, [f"k{number}|{number}" for number in range(60)], "--property", "parse.key=true", "--property", "key.separator=|")
    first = consume(name, 40, "--from-beginning", "--group", group, *protocol)
    second = consume(name, 20, "--group", group, *protocol)
    same(sorted(map(int, first + second)), list(range(60)))
    has(ask("kafka-groups", "--list"), rf"^{group}\s+Consumer\s+consumer")
    has(ask("kafka-consumer-groups", "--describe", "--group", group, "--state"), rf"^{group}\s.*\sEmpty\s+0")

    def shares():
        rows = table(ask("kafka-consumer-groups", "--describe", "--group", group, "--members")) if readers else []
        return sorted(int(row["#PARTITIONS"]) for row in rows)

    def until(wanted):
        end = time.monotonic() + 60
        while shares() != wanted:
            assert time.monotonic() < end, f"{shares()} is not {wanted}"

    readers = []
    try:
        for wanted in [[2], [1, 1]]:
            readers.append(subprocess.Popen(jars.command(TOOLS["kafka-console-consumer"], "--bootstrap-server", tools.server, "--topic", name,
                                                         "--group", group, *protocol), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            until(wanted)
        has(ask("kafka-consumer-groups", "--describe", "--group", group, "--state"), rf"^{group}\s.*\suniform\s+Stable\s+2")
        refused("kafka-consumer-groups", "--reset-offsets", "--group", group, "--topic", name, "--to-earliest", "--execute", saying="inactive")
        readers[0].kill()
        until([2])
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


def reset_offsets(name, group):
    def reset(*how):
        return {int(row["PARTITION"]): int(row["NEW-OFFSET"]) for row in table(ask("kafka-consumer-groups", "--reset-offsets", "--group", group, "--topic", name, *how))}

    def committed():
        return {int(row["PARTITION"]): int(row["CURRENT-OFFSET"]) for row in table(ask("kafka-consumer-groups", "--describe", "--group", group))}

    before = committed()
    same(reset("--to-earliest", "--dry-run"), {0: 0, 1: 0})
    same(committed(), before)
    same(reset("--shift-by", "-5", "--execute"), {partition: offset - 5 for partition, offset in before.items()})
    same(reset("--to-datetime", "2001-01-01T00:00:00.000", "--execute"), {0: 0, 1: 0})
    same(committed(), {0: 0, 1: 0})
    same(reset("--to-latest", "--execute"), ends(name))
    same(committed(), ends(name))


def configs():
    name = topic("configs")
    ask("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--alter", "--add-config", "retention.ms=7200000,max.message.bytes=2000000")
    has(ask("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--describe"), "retention.ms=7200000", "max.message.bytes=2000000")
    ask("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--alter", "--delete-config", "retention.ms")
    described = ask("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--describe")
    has(described, "max.message.bytes=2000000")
    assert "retention.ms=7200000" not in described, described
    has(ask("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--describe", "--all"), "retention.ms=604800000 sensitive=false synonyms=")
    refused("kafka-configs", "--entity-type", "topics", "--entity-name", name, "--alter", "--add-config", "max.message.bytes=much",
            saying="InvalidConfigurationException|max.message.bytes")
    broker = re.search(r"Leader: (\d+)", ask("kafka-topics", "--describe", "--topic", name)).group(1)
    has(ask("kafka-configs", "--entity-type", "brokers", "--entity-name", broker, "--describe", "--all"), r"auto\.create\.topics\.enable=true sensitive=false", rf"broker\.id={broker} ")


def offsets_and_records():
    name = topic("records", 2)
    produce(name, [f"k{number}|{number}" for number in range(50)], "--property", "parse.key=true", "--property", "key.separator=|")
    found = ends(name)
    same(sum(found.values()), 50)
    same((ends(name, "--time", "-1"), ends(name, "--time", "-2"), ends(name, "--time", "earliest")), (found, {0: 0, 1: 0}, {0: 0, 1: 0}))
    same(ends(name, "--time", "1"), {0: 0, 1: 0})
    has(ask("kafka-get-offsets", "--topic-partitions", f"{name}:1", "--time", "max-timestamp"), rf"^{name}:1:\d+$")
    target = {"partitions": [{"topic": name, "partition": 0, "offset": 5}, {"topic": name, "partition": 1, "offset": -1}], "version": 1}
    has(ask("kafka-delete-records", "--offset-json-file", file_of(target)), rf"{name}-0\s+low_watermark: 5", rf"{name}-1\s+low_watermark: {found[1]}")
    same(ends(name, "--time", "-2"), {0: 5, 1: found[1]})
    target["partitions"] = [{"topic": name, "partition": 0, "offset": 1000}]
    refused("kafka-delete-records", "--offset-json-file", file_of(target), saying="OffsetOutOfRange|not within the range")
    directories = json.loads(ask("kafka-log-dirs", "--describe", "--topic-list", name).splitlines()[-1])
    sizes = {it["partition"]: it["size"] for broker in directories["brokers"] for folder in broker["logDirs"] for it in folder["partitions"]}
    same(sorted(sizes), [f"{name}-0", f"{name}-1"])
    # Of the second one no record is left. Kafka would keep the bytes of its newest segment.
    assert 0 < sizes[f"{name}-0"] and sizes[f"{name}-1"] == 0, sizes


def elections_and_moves():
    """A cluster of one node has nothing to elect and nowhere to move to."""
    name, tool = topic("moves", 2), "kafka-reassign-partitions"
    broker = re.search(r"Leader: (\d+)", ask("kafka-topics", "--describe", "--topic", name)).group(1)
    for kind in ["preferred", "unclean"]:
        has(ask("kafka-leader-election", "--election-type", kind, "--topic", name, "--partition", "1"), f"Valid replica already elected for partitions {name}-1")
        ask("kafka-leader-election", "--election-type", kind, "--all-topic-partitions")
    refused("kafka-leader-election", "--election-type", "preferred", "--topic", name, "--partition", "9", saying="UnknownTopicOrPartition|no such partition")
    described = json.loads(ask("kafka-log-dirs", "--describe", "--topic-list", name).splitlines()[-1])
    folder = described["brokers"][0]["logDirs"][0]["logDir"]

    def moves(replicas, *folders):
        return file_of({"version": 1, "partitions": [{"topic": name, "partition": number, "replicas": replicas, "log_dirs": [*folders] or ["any"]} for number in (0, 1)]})

    topics_to_move = file_of({"version": 1, "topics": [{"topic": name}]})
    has(ask(tool, "--generate", "--topics-to-move-json-file", topics_to_move, "--broker-list", broker), "Proposed partition reassignment", rf'"replicas":\[{broker}\]')
    for stays in [moves([int(broker)]), moves([int(broker)], folder)]:
        has(ask(tool, "--execute", "--reassignment-json-file", stays), f"Successfully started partition reassignments for {name}-0,{name}-1")
        has(ask(tool, "--verify", "--reassignment-json-file", stays), rf"Reassignment of partition {name}-1 is completed", "Clearing broker-level throttles", "Clearing topic-level throttles")
    has(ask(tool, "--list"), "No partition reassignments found")
    has(ask(tool, "--cancel", "--reassignment-json-file", moves([int(broker)])), "None of the specified partition moves are active")
    refused(tool, "--execute", "--reassignment-json-file", moves([int(broker) + 1]), saying=f"Unknown broker id {int(broker) + 1}")
    refused(tool, "--execute", "--reassignment-json-file", moves([int(broker)]), "--throttle", "1000", saying="InvalidConfiguration.*throttled.replicas")


def limits_of_clients():
    """There are no quotas and no credentials; what would make some is refused."""
    for kind in ["users", "clients", "ips"]:
        same(ask("kafka-configs", "--entity-type", kind, "--describe").strip(), "")
    same(ask("kafka-configs", "--entity-type", "users", "--entity-name", "ann", "--describe").strip(), "")
    refused("kafka-configs", "--entity-type", "users", "--entity-name", "ann", "--alter", "--add-config", "producer_byte_rate=1000", saying="there are no quotas on this server")
    refused("kafka-configs", "--entity-type", "users", "--entity-name", "ann", "--alter", "--add-config", "SCRAM-SHA-256=[password=secret]",
            saying="do not authenticate with SCRAM")
    has(ask("kafka-configs", "--entity-type", "groups", "--entity-name", f"{PREFIX}-any", "--describe", "--all"), r"consumer\.session\.timeout\.ms=\d+ ")
    ask("kafka-configs", "--entity-type", "groups", "--describe")
    same(ask("kafka-configs", "--entity-type", "client-metrics", "--describe").strip(), "")


def performance():
    name = topic("perf", 4)
    for more in [[], ["enable.idempotence=true", "max.in.flight.requests.per.connection=5"], ["acks=1", "enable.idempotence=false", "compression.type=lz4"]]:
        has(perf_test(name, 20000, *more), r"^20000 records sent")
    ended = ask("kafka-consumer-perf-test", "--topic", name, "--messages", "60000", "--group", f"{PREFIX}-perf", "--hide-header")
    same(ended.split(", ")[4], "60000")


def perf_test(name, count, *properties, options=()):
    ended = tools.run("kafka-producer-perf-test", "--topic", name, "--num-records", str(count), "--record-size", "100", "--throughput", "-1", *options,
                      "--producer-props", f"bootstrap.servers={tools.server}", "acks=all", *properties)
    same((ended.status, ended.errors), (0, ""))
    return ended.output


def transactions():
    name, id = topic("transactions", 2), f"{PREFIX}-id"
    has(perf_test(name, 5000, options=["--transactional-id", id, "--transaction-duration-ms", "50"]), r"^5000 records sent")
    ended = ask("kafka-consumer-perf-test", "--topic", name, "--messages", "5000", "--hide-header", "--group", f"{PREFIX}-transactions")
    same(ended.split(", ")[4], "5000")
    listed = {row["TransactionalId"]: row for row in table(ask("kafka-transactions", "list"))}
    same(listed[id]["TransactionState"], "CompleteCommit")
    same([row["TransactionalId"] for row in table(ask("kafka-transactions", "list", "--transactional-id-pattern", f"{PREFIX}-.d"))], [id])
    same(table(ask("kafka-transactions", "list", "--transactional-id-pattern", PREFIX)), [])
    same(table(ask("kafka-transactions", "list", "--duration-filter", "3600000")), [])
    refused("kafka-transactions", "list", "--transactional-id-pattern", "(", saying="INVALID_REGULAR_EXPRESSION")
    described = table(ask("kafka-transactions", "describe", "--transactional-id", id))[0]
    same((described["ProducerId"], described["TransactionState"]), (listed[id]["ProducerId"], "CompleteCommit"))
    # Each of its transactions had an epoch of its own (KIP-890).
    assert 1 <= int(described["ProducerEpoch"]), described
    producers = table(ask("kafka-transactions", "describe-producers", "--topic", name, "--partition", "0"))
    same((producers[0]["ProducerId"], producers[0]["CurrentTransactionStartOffset"]), (listed[id]["ProducerId"], "None"))
    same(table(ask("kafka-transactions", "find-hanging", "--topic", name)), [])
    ask("kafka-transactions", "forceTerminateTransaction", "--transactionalId", id)
    fenced = table(ask("kafka-transactions", "describe", "--transactional-id", id))[0]
    assert int(described["ProducerEpoch"]) < int(fenced["ProducerEpoch"]), (described, fenced)
    refused("kafka-transactions", "describe", "--transactional-id", id + "2", saying="TransactionalIdNotFound|could not be found")
    refused("kafka-transactions", "abort", "--topic", name, "--partition", "0", "--start-offset", "0", saying="Could not find any open transactions")


def open_transactions():
    """A transaction that nobody ends is found, and aborted from outside: what is behind it can be read."""
    name, id = topic("open", 1), f"{PREFIX}-open"
    writer = subprocess.Popen(jars.command(TOOLS["kafka-producer-perf-test"], "--topic", name, "--num-records", "1000000", "--record-size", "10", "--throughput", "20",
                                           "--transactional-id", id, "--transaction-duration-ms", "600000", "--producer-props", f"bootstrap.servers={tools.server}",
                                           "transaction.timeout.ms=600000"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not (found := table(ask("kafka-transactions", "describe-producers", "--topic", name, "--partition", "0"))):
            assert time.monotonic() < end, "it writes"
        start = found[0]["CurrentTransactionStartOffset"]
        same(start, "0")
        # Its coordinator knows it, so it does not hang.
        same(table(ask("kafka-transactions", "find-hanging", "--topic", name, "--max-transaction-timeout", "0")), [])
        ask("kafka-transactions", "abort", "--topic", name, "--partition", "0", "--start-offset", start)
        found = table(ask("kafka-transactions", "describe-producers", "--topic", name, "--partition", "0"))
        same(found[0]["CurrentTransactionStartOffset"], "None")
        same(table(ask("kafka-transactions", "describe", "--transactional-id", id))[0]["TransactionState"], "CompleteAbort")
        produce(name, ["behind"])
        same(consume(name, 1, "--from-beginning", "--isolation-level", "read_committed"), ["behind"])
    finally:
        writer.kill()
        writer.wait()


def access_rules():
    refused("kafka-acls", "--list", saying="SecurityDisabledException")
    rule = ["--allow-principal", "User:ann", "--operation", "Read", "--topic", "any"]
    refused("kafka-acls", "--add", *rule, saying="SecurityDisabledException")
    refused("kafka-acls", "--remove", "--force", *rule, saying="SecurityDisabledException")


for check in [cluster, topics, console, keys_and_headers, groups, new_groups, configs, offsets_and_records, elections_and_moves, limits_of_clients, performance, transactions, open_transactions, access_rules]:
    begun = time.monotonic()
    check()
    print(f"ok {check.__name__} ({time.monotonic() - begun:.1f} s)", file=sys.stderr)
tools.close()
