"""The clients in examples/ do what they say: as separate programs, with each other."""

import os
import queue
import shutil
import subprocess
import sys
import threading
import time

import pytest

from person import Person
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

    def fails(self):
        """Waits for its end, which must be a failure; answers the one line that it printed."""
        assert self.process.wait(timeout=DEADLINE) == 1
        while (line := self.lines.get(timeout=DEADLINE)) is not None:
            self.output.append(line)
        assert len(self.output) == 1, self.output
        return self.output[0]

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
    for n, first in ((1, ["--sign-up"]), (2, []), (3, ["--sign-up"])):  # an account that is there is used as it is
        program = start(command, ada, "--room", "Engine room", "--say", f"hello {n}", *first)
        program.prints(f"{ada}: hello {n}")
        program.ends()
        assert not any("connection lost" in line for line in program.output), "whoever ends by itself lost nothing"
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
        program.prints("connected again")
        for number in range(70):
            program.types(f"after {number}")
        program.prints("ada: after 69")
        assert any("  (waiting: too many requests" in line for line in program.output), program.output
        program.ends()
    finally:
        program.kill()
        server.stop()


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_what_goes_wrong_is_told_in_one_line(start, people, command):
    """Fails on an example that shows where in its source it gave up."""
    ada = people("ada")
    for arguments, words in [
        ([], ["there is no account", ada.username, "--sign-up"]),
        (["--sign-up"], [ada.username, "is taken"]),
        (["--url", "http://127.0.0.1:1"], ["no server answers at http://127.0.0.1:1"]),
    ]:
        program = start(command, ada.username, "--say", "not me", *arguments)
        line = program.fails()
        assert all(word in line for word in words), line
    assert ada.call("GET", "/api/chat/rooms")["rooms"] == []
    [bob] = free("bob")
    line = start(command, bob, "--sign-up", "--with", "nobody-at-all", "--say", "alone").fails()
    assert line == "there is nobody called nobody-at-all"


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_an_example_ends_when_its_login_does(start, server, command):
    ada = Person(server, "ada")
    program = start(command, ada.username, "--sign-up")
    program.types("hello")
    program.prints(f"{ada.username}: hello")
    ada.password = f"the password of {ada.username}"
    ada.login()
    ada.call("DELETE", "/api/users/me")
    assert program.process.wait(timeout=DEADLINE) == 1
    program.prints("(ACCOUNT_DISABLED): sign in again")


@pytest.mark.parametrize("command", [NODE, PYTHON], ids=["node", "python"])
def test_an_example_explains_its_options(command):
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=DEADLINE, check=True)
    for option in ("--url", "--user", "--password", "--room", "--with", "--say", "--sign-up"):
        assert option in helped.stdout
    assert subprocess.run([*command, "--user", "ada"], capture_output=True, timeout=DEADLINE).returncode == 2
