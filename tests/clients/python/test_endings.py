"""How a socket ends: logout, an old token, a server that stops."""

import time
from datetime import datetime

from person import Person
from server import Server


def test_logging_out_ends_the_sockets_of_the_session(people, way):
    ada = people("ada")
    socket = ada.connect(way)
    ada.call("POST", "/api/auth/logout", expect=204)
    assert socket.heard("session_revoked")["code"]
    socket.heard("disconnect")
    assert ada.socket(way).refusal() == "UNAUTHORIZED"


def test_a_client_whose_login_ended_does_not_come_back(people, way):
    """Fails on a build whose end of a login looks like a lost connection: the client then tries for ever."""
    ada = people("ada")
    socket = ada.socket(way, reconnection=True)
    socket.connect()
    socket.heard("connected")
    ada.call("POST", "/api/auth/logout", expect=204)
    assert socket.heard("session_revoked")["code"]
    socket.gives_up()
    assert len(socket.all("session_revoked")) == 1
    assert not socket.all("connect_error")


def test_a_client_too_many_ends_the_silent_one_for_good(way):
    """Fails on a build that refuses the newest, or one whose clients fight for their places."""
    server = Server(PARLOUR__LIMITS__ENABLED="true")
    try:
        ada = Person.register(server, "ada")
        first = ada.socket(way, reconnection=True)
        first.connect()
        first.heard("connected")
        others = [ada.connect(way) for _ in range(10)]
        assert first.heard("session_revoked")["code"] == "CONNECTION_LIMIT"
        first.gives_up()
        for other in others:
            other.round_trip()
            other.close()
    finally:
        server.stop()


def test_authenticate_renews_the_token_of_an_open_socket(people, way):
    ada = people("ada")
    socket = ada.connect(way)
    before = socket.heard("connected")["expires_at"]
    ada.login()
    assert socket.ask("authenticate", {"token": ada.token})["expires_at"] >= before
    socket.refused("UNAUTHORIZED", "authenticate", {"token": "garbage"})


def test_a_socket_is_warned_before_its_token_ends_and_then_ended(way):
    server = Server(PARLOUR__AUTH__ACCESS_TOKEN_SECONDS="3", PARLOUR__REALTIME__EXPIRY_NOTICE_SECONDS="2")
    try:
        socket = Person.register(server, "ada").connect(way)
        ends = socket.heard("session_expiring")["expires_at"]
        assert ends == socket.heard("connected")["expires_at"]
        socket.heard("disconnect")
        early = datetime.fromisoformat(ends).timestamp() - datetime.now().timestamp()
        assert early < 0.1, "not before its time"
    finally:
        server.stop()


def test_a_server_that_stops_says_so_first(way):
    server = Server()
    try:
        socket = Person.register(server, "ada").connect(way)
        server.terminate()
        assert socket.heard("server_draining")["retry_after_ms"] >= 0
        socket.heard("disconnect")
        assert server.process.wait(timeout=15) == 0
    finally:
        server.stop()


def test_a_client_comes_back_after_the_server_was_stopped_in_good_order(way):
    """Fails on a build that ends its sessions with an Engine.IO close packet: python-socketio then gives up for good."""
    server = Server()
    try:
        socket = Person.register(server, "ada").socket(way, reconnection=True)
        socket.connect()
        socket.heard("connected")
        server.restart()
        socket.heard("connected", times=2)
        socket.round_trip()
    finally:
        server.stop()


def test_a_client_may_leave_as_soon_as_it_has_come(people, way):
    """A client that is told to go right after it came must not wait for a poll that nobody ends. Fails, 3 times in 100, on a
    build that pings at once instead of after the interval."""
    ada = people("ada")
    for _ in range(40):
        socket = ada.socket(way)
        socket.connect()
        began = time.monotonic()
        socket.close()
        assert time.monotonic() - began < 5
