"""The clients in examples/ do what they say: as separate programs, with each other."""

import os
import queue
import shutil
import subprocess
import sys
import threading
import time

import pytest

from server import REPOSITORY, Server

NODE = [shutil.which("node") or "node", str(REPOSITORY / "examples" / "node" / "chat.mjs")]
PYTHON = [sys.executable, str(REPOSITORY / "examples" / "python" / "chat.py")]
DEADLINE = 30


class Program:
    """A running example: its lines are read as they come."""

    def __init__(self, command, server, person, *more):
        arguments = ["--url", server.url, "--user", person, "--password", f"the password of {person}", *more]
        self.process = subprocess.Popen(
            command + arguments,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = queue.Queue()
        self.output = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def prints(self, end):
        """Waits for a line that ends so."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line ends with {end!r}: {self.output}"
            self.output.append(line)
            if line.endswith(end):
                return line

    def types(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ends(self):
        """Closes its input; it must end by itself, and well."""
        self.process.stdin.close()
        assert self.process.wait(timeout=DEADLINE) == 0, self.output

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=5)


@pytest.fixture
def start(server):
    running = []

    def run(*arguments):
        running.append(Program(arguments[0], server, *arguments[1:]))
        return running[-1]

    yield run
    for program in running:
        program.kill()


def free(*stems):
    """User names that nobody has; the examples sign up under them."""
    return [f"{stem}-{os.urandom(4).hex()}" for stem in stems]


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_an_example_signs_up_says_its_line_and_ends(start, command):
    [ada] = free("ada")
    for n in (1, 2):
        first = ["--sign-up"] if n == 1 else []
        program = start(command, ada, "--room", "Engine room", "--say", f"hello {n}", *first)
        program.prints(f"{ada}: hello {n}")
        program.ends()
    assert any(line.endswith(f"{ada}: hello 1") for line in program.output), "the second run shows what was before"
    assert program.output[0].startswith("in Engine room (")


def test_the_examples_talk_to_each_other(start):
    ada, bob = free("ada", "bob")
    start(PYTHON, bob, "--sign-up", "--say", "my own lobby").ends()  # so that there is a bob to add
    adas = start(NODE, ada, "--sign-up", "--room", "Engine room", "--with", bob)
    room = adas.prints(")").split("(")[1].rstrip(")")
    bobs = start(PYTHON, bob, "--room", room)
    bobs.prints(f"({room})")
    adas.types("hello from Node")
    bobs.prints(f"{ada}: hello from Node")
    bobs.types("hello from Python")
    adas.prints(f"{bob}: hello from Python")
    adas.ends()
    bobs.ends()


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_an_example_goes_on_after_an_outage_that_outlives_its_token_and_when_it_is_told_to_wait(command):
    """Fails on an example that shows the token of its first login for ever, and on one that ends over a 429."""
    server = Server(
        PARLOUR__AUTH__ACCESS_TOKEN_SECONDS="12",
        PARLOUR__LIMITS__ENABLED="true",
        PARLOUR__LIMITS__MESSAGES_PER_MINUTE="60",
    )
    program = Program(command, server, "ada", "--sign-up")
    try:
        program.prints(")")
        program.types("before")
        program.prints("ada: before")
        server.restart(pause=13)
        for number in range(70):
            program.types(f"after {number}")
        program.prints("ada: after 69")
        program.ends()
    finally:
        program.kill()
        server.stop()


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_a_wrong_password_ends_an_example_with_a_failure(start, people, command):
    ada = people("ada")
    program = start(command, ada.username, "--say", "not me")
    assert program.process.wait(timeout=DEADLINE) != 0
    assert ada.call("GET", "/api/chat/rooms")["rooms"] == []
