"""The few messages of Kafka's protocol that the bench needs itself, over one connection each."""
import socket
import struct
import time


class Refused(Exception):
    """The server answered with an error code."""


class _Reader:
    def __init__(self, data):
        self.data, self.place = data, 0

    def number(self, form):
        (value,) = struct.unpack_from(">" + form, self.data, self.place)
        self.place += struct.calcsize(">" + form)
        return value

    def text(self):
        size = self.number("h")
        if size < 0:
            return None
        self.place += size
        return self.data[self.place - size:self.place].decode()


def _text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def _ask(address, key, version, body, seconds=60):
    request = struct.pack(">hhi", key, version, 1) + _text("bench") + body
    with socket.create_connection(address, timeout=seconds) as stream:
        stream.sendall(struct.pack(">i", len(request)) + request)
        with stream.makefile("rb") as answers:
            (size,) = struct.unpack(">i", answers.read(4))
            answer = answers.read(size)
    reader = _Reader(answer)
    reader.number("i")
    return reader


def is_serving(address):
    """Whether it answers Metadata with itself: clients can begin then."""
    try:
        reader = _ask(address, 3, 1, struct.pack(">i", 0), seconds=5)
    except (OSError, struct.error):
        return False
    return 0 < reader.number("i")


def create_topic(address, name, partitions, settings):
    """Makes a topic with one replica, and waits until each of its partitions has a leader: a producer that finds some without
    may never get its first batches in order."""
    entries = b"".join(_text(key) + _text(value) for key, value in settings.items())
    body = struct.pack(">i", 1) + _text(name) + struct.pack(">ihii", partitions, 1, 0, len(settings)) + entries
    reader = _ask(address, 19, 2, body + struct.pack(">ib", 60_000, 0))
    reader.number("i"), reader.number("i"), reader.text()
    code = reader.number("h")
    if code != 0:
        raise Refused(f"CreateTopics {name}: {code} {reader.text()}")
    while records(address, name, partitions) is None:
        time.sleep(0.01)


def delete_topic(address, name):
    """Deletes a topic."""
    reader = _ask(address, 20, 1, struct.pack(">i", 1) + _text(name) + struct.pack(">i", 60_000))
    reader.number("i"), reader.number("i"), reader.text()
    code = reader.number("h")
    if code != 0:
        raise Refused(f"DeleteTopics {name}: {code}")


def records(address, name, partitions):
    """The ends of a topic's partitions together, or None as long as one of them has no leader."""
    asked = b"".join(struct.pack(">iq", partition, -1) for partition in range(partitions))
    reader = _ask(address, 2, 1, struct.pack(">ii", -1, 1) + _text(name) + struct.pack(">i", partitions) + asked)
    reader.number("i"), reader.text()
    ends = 0
    for _ in range(reader.number("i")):
        _, code, _, end = (reader.number(form) for form in "ihqq")
        if code != 0:
            return None
        ends += end
    return ends
