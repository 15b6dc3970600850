"""`tidemill sql` at a terminal: what somebody who types sees. The terminal is a pseudo-terminal of this program's.

TIDEMILL_SQL is the binary, PGHOST and PGPORT say where the server is.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

BINARY = os.environ["TIDEMILL_SQL"]
PLACE = ["-h", os.environ["PGHOST"], "-p", os.environ["PGPORT"], "-U", "ann"]
PATIENCE = 60
PROMPT = "tidemill=> "
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")


class Terminal:
    """A session at a terminal of so many columns."""

    def __init__(self, columns=100, rows=30, arguments=(), **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
        environment.update({"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PAGER": "", **variables})
        environment = {name: value for name, value in environment.items() if value is not None}
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.execve(BINARY, [BINARY, "sql", *PLACE, *arguments], environment)
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.everything = ""
        self.raw = ""
        self.read = 0

    def shown(self):
        """All that came since the last `until`, without what moves and colours."""
        return ESCAPES.sub("", self.raw[self.read :])

    def until(self, wanted):
        """Waits until a text is shown, and gives what was shown up to then."""
        end = time.monotonic() + PATIENCE
        while wanted not in self.shown():
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} is not shown, but {self.shown()!r}"
            if select.select([self.screen], [], [], left)[0]:
                try:
                    piece = os.read(self.screen, 65536)
                except OSError:
                    piece = b""
                assert piece, f"it ended before {wanted!r}, behind {self.shown()!r}"
                self.raw += (text := piece.decode("utf-8", "replace"))
                self.everything += text
        shown = self.shown()
        # The next wait begins behind this text: what stands behind it is kept.
        at = shown.index(wanted) + len(wanted)
        behind = shown[at:]
        self.raw, self.read = behind, 0
        return shown[:at]

    def type(self, keys):
        os.write(self.screen, keys.encode())

    def answer(self, line, wanted):
        """Types a line, and gives what is shown behind it up to `wanted` and the next prompt."""
        self.enter(line)
        return self.until(wanted) + self.until(PROMPT)

    def enter(self, line):
        """Types a line, and waits until it stands there: it is drawn again with each key."""
        self.type(line)
        self.until(line)
        self.type("\r")
        self.until("\n")

    def leave(self):
        self.type("\x04")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            # What is not read would hold it up.
            if select.select([self.screen], [], [], 0.05)[0]:
                try:
                    self.raw += os.read(self.screen, 65536).decode("utf-8", "replace")
                except OSError:
                    pass
            done, status = os.waitpid(self.process, os.WNOHANG)
            if done:
                os.close(self.screen)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process, signal.SIGKILL)
        raise AssertionError("it does not leave")


def entries_of_several_lines(history):
    terminal = Terminal(TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    terminal.type("SELECT 40 + 2 AS answer,\r")
    terminal.type("  'two lines' AS how;\r")
    shown = terminal.until("(1 row)")
    assert "42 | two lines" in shown, shown
    terminal.until(PROMPT)
    # The whole entry comes again, and can be changed before it runs.
    terminal.type("\x1b[A")
    terminal.until("how;")
    terminal.type("\x7f, 7 AS more;\r")
    shown = terminal.until("(1 row)")
    assert "42 | two lines |    7" in shown, shown
    terminal.until(PROMPT)
    assert terminal.leave() == 0
    # A later session has it too.
    terminal = Terminal(TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    terminal.type("\x1b[A")
    terminal.until("AS more;")
    terminal.type("\r")
    terminal.until("(1 row)")
    terminal.until(PROMPT)
    # A search backwards finds it by a part of it.
    terminal.type("\x12")
    terminal.type("two li")
    terminal.until("AS how")
    # Between two prompts the terminal is not ours: what is typed there belongs to nobody. So each key waits for its own.
    terminal.type("\x07")
    terminal.until(PROMPT)
    terminal.type("\x03")
    terminal.until("\n" + PROMPT)
    assert terminal.leave() == 0


def completion(history):
    terminal = Terminal(TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    terminal.answer("CREATE TABLE zebras (stripes INT PRIMARY KEY, animal_name TEXT);", "CREATE TABLE")
    # The names are asked for again by a second session: until they are there, Tab completes nothing.
    for _ in range(300):
        terminal.type("SELECT * FROM zeb\t;")
        if "zebras" in terminal.until(";"):
            break
        terminal.type("\x03")
        terminal.until("\n" + PROMPT)
        time.sleep(0.05)
    else:
        raise AssertionError("Tab does not complete the new table")
    terminal.type("\r")
    terminal.until("(0 rows)")
    terminal.until(PROMPT)
    terminal.type("SEL\t")
    terminal.until("SELECT")
    terminal.type(" stripes FROM zebras WHERE animal_\t = 'x';")
    terminal.until("animal_name = 'x';")
    terminal.type("\r")
    terminal.until("(0 rows)")
    terminal.until(PROMPT)
    terminal.type("\\tim\t")
    terminal.until("\\timing")
    terminal.type("\x03")
    terminal.until("\n" + PROMPT)
    terminal.answer("DROP TABLE zebras DELETE TOPIC;", "DROP TABLE")
    assert terminal.leave() == 0


def interrupts(history):
    terminal = Terminal(TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    terminal.answer("CREATE STREAM ticks (n INT) WITH (kafka_topic = 'ticks');", "CREATE STREAM")
    terminal.answer("SET auto_offset_reset = 'earliest';", "SET")
    terminal.answer("INSERT INTO ticks VALUES (4711);", "INSERT 0 1")
    terminal.enter("SELECT n FROM ticks EMIT CHANGES;")
    terminal.until("4711")
    terminal.type("\x03")
    terminal.until("57014")
    terminal.until(PROMPT)
    shown = terminal.answer("SELECT 6 * 7 AS n;", "(1 row)")
    assert "42" in shown, shown
    # At the prompt it empties the line.
    terminal.type("SELECT nothing")
    terminal.until("nothing")
    terminal.type("\x03")
    terminal.until("\n" + PROMPT)
    shown = terminal.answer("SELECT 6 * 8 AS n;", "(1 row)")
    assert "48" in shown and "ERROR" not in shown, shown
    terminal.answer("DROP STREAM ticks DELETE TOPIC;", "DROP STREAM")
    assert terminal.leave() == 0


def commands(history, directory):
    terminal = Terminal(TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    terminal.answer("\\x", "on")
    shown = terminal.answer("SELECT 1 AS a, 'x' AS b;", "b | x")
    assert "-[ RECORD 1 ]" in shown and "a | 1" in shown, shown
    terminal.answer("\\x", "off")
    terminal.answer("\\timing", "on")
    terminal.answer("SELECT 1;", "Time: ")
    terminal.answer("\\timing", "off")
    path = os.path.join(directory, "answers")
    for line in [f"\\o {path}", "SELECT 'in the file' AS told;", "\\o"]:
        terminal.enter(line)
        terminal.until(PROMPT)
    shown = terminal.answer("SELECT 'on the screen' AS told;", "(1 row)")
    assert "on the screen" in shown, shown
    with open(path) as answers:
        assert "in the file" in answers.read()
    assert terminal.leave() == 0


def narrow(history):
    terminal = Terminal(columns=40, TIDEMILL_HISTORY=history)
    terminal.until(PROMPT)
    # A table that is wider than the terminal is shown one line a field.
    terminal.type("SELECT 'some longer text' AS first_column, 'and more' AS second_column, 3 AS third;")
    terminal.until("third;")
    terminal.type("\r")
    terminal.until("-[ RECORD 1 ]")
    shown = terminal.until(PROMPT)
    assert re.search(r"second_column +\| and more", shown), shown
    assert all(len(line) <= 40 for line in shown.splitlines()), shown
    shown = terminal.answer("SELECT 1 AS a, 2 AS b;", "(1 row)")
    assert re.search(r"a +\| +b", shown), shown
    assert terminal.leave() == 0


def colours(history):
    for variables, coloured in [({}, True), ({"NO_COLOR": "1"}, False)]:
        terminal = Terminal(TIDEMILL_HISTORY=history, NO_COLOR=variables.get("NO_COLOR"))
        terminal.until(PROMPT)
        terminal.type("SELECT 'text' AS a, nope;\r")
        terminal.until("42703")
        terminal.until(PROMPT)
        found = re.findall(r"\x1b\[[0-9;]+m", terminal.everything)
        assert bool(found) == coloured, f"{variables}: {terminal.everything!r}"
        assert terminal.leave() == 0


def without_terminal():
    command = [BINARY, "sql", *PLACE]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    ended = subprocess.run(command, input="SELECT 'plain' AS told;\n", capture_output=True, text=True, timeout=PATIENCE, env=environment)
    assert ended.returncode == 0, ended
    assert "plain" in ended.stdout and "\x1b" not in ended.stdout + ended.stderr, ended
    assert PROMPT not in ended.stdout + ended.stderr, ended


def main():
    with tempfile.TemporaryDirectory() as directory:
        history = os.path.join(directory, "history")
        for check in [
            lambda: entries_of_several_lines(history),
            lambda: completion(history),
            lambda: interrupts(history),
            lambda: commands(history, directory),
            lambda: narrow(history),
            lambda: colours(history),
            without_terminal,
        ]:
            check()
    print("the prompt is as it should be at a terminal")


if __name__ == "__main__":
    sys.exit(main())
