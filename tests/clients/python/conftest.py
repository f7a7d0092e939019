"""What the tests are given: a server, people, and each way of connecting."""

import pytest

from person import Person
from server import Server

TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": None}
WAYS = [
    pytest.param((kind, transports), id=f"{kind}-{name}")
    for kind in ("Client", "AsyncClient")
    for name, transports in TRANSPORTS.items()
]


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def people(server):
    """Registers people by name."""

    def register(*names):
        registered = [Person.register(server, name) for name in names]
        return registered[0] if len(registered) == 1 else registered

    return register


@pytest.fixture(params=WAYS)
def way(request):
    """A client and its transports."""
    return request.param


@pytest.fixture(params=[one for one in WAYS if "polling" not in one.id])
def way_by_websocket(request):
    """The same, where a WebSocket is there to be cut."""
    return request.param
