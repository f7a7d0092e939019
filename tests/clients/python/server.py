"""Starts the real server on a free port with a data folder of its own, and stops it as an operator would."""

import os
import queue
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from socket import create_server

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
BINARY = os.environ.get("PARLOUR_BIN", str(TARGET / "debug" / "parlour"))


def free_port():
    """One below those that the system hands out: nobody is given it while a server that is started again is away."""
    while True:
        port = random.randrange(15_000, 32_000)
        try:
            create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return str(port)


class Server:
    def __init__(self, **settings):
        self.data = tempfile.mkdtemp(prefix="parlour-python-")
        self.log = []
        self.sockets = []
        self.settings = {"PORT": free_port(), **settings}
        self._start()

    def _start(self):
        lines = queue.Queue()
        # Nothing else is inherited: a DATABASE_URL of the developer's must not end up under test.
        self.process = subprocess.Popen(
            [BINARY],
            cwd=self.data,
            env={
                "PATH": os.environ["PATH"],
                "HOME": self.data,
                "RUST_BACKTRACE": "1",
                "DATA_DIR": self.data,
                "PARLOUR__LIMITS__ENABLED": "false",
                **self.settings,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        self.url = self._address(lines)

    def _read(self, lines):
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            lines.put(line)
        lines.put(None)

    def _address(self, lines):
        deadline = time.monotonic() + 20
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self.process.kill()
                raise AssertionError("the server does not listen\n" + "\n".join(self.log))
            if line.startswith("listening on http://"):
                return line.removeprefix("listening on ").strip()

    def restart(self, pause=0):
        """Stops the server in good order, its clients still there, and starts it again at the same address, some seconds
        later."""
        self.terminate()
        assert self.process.wait(timeout=15) == 0, "\n".join(self.log[-40:])
        time.sleep(pause)
        self._start()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Asks the server to stop, and checks that it did so by itself, cleanly and without a panic."""
        for socket in self.sockets:
            socket.close()
        self.terminate()
        try:
            code = self.process.wait(timeout=15)
            assert code == 0, "\n".join(self.log[-40:])
            assert [line for line in self.log if "panicked" in line] == []
        finally:
            self.process.kill()
            self.process.wait(timeout=5)
            shutil.rmtree(self.data, ignore_errors=True)
