"""Clients of other years: whoever has built an app with one of them keeps it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERSIONS = [
    line.split()[0] for line in (HERE / "versions.txt").read_text().splitlines() if not line.startswith("#")
]


@pytest.mark.parametrize("transports", ["websocket", "polling", "default"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_client_works_and_comes_back(server, people, version, transports):
    folder = Path(sys.prefix) / f"python-socketio-{version}"
    assert folder.is_dir(), "tests/run installs it"
    ada = people("ada")
    room = ada.open_group()
    ended = subprocess.run(
        [sys.executable, str(HERE / "old_client.py"), server.url, ada.token, room["id"], transports],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.stdout.strip() == "good", ended.stdout + ended.stderr
