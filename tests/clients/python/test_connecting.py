"""CONNECT, its refusals, and coming back."""

import pytest

from sockets import of_room


def test_connected_says_who_and_until_when(people, way):
    ada = people("ada")
    socket = ada.connect(way)
    connected = socket.heard("connected")
    assert connected["user_id"] == ada.id
    assert connected["expires_at"] > connected["server_time"]
    assert {"message", "session_id", "limits"} <= set(connected)
    if socket.ordered:
        assert socket.names()[0] == "connected"


@pytest.mark.parametrize("auth", [{}, {"token": ""}, {"token": "garbage"}, {"token": 42}], ids=str)
def test_a_bad_token_is_refused(people, way, auth):
    ada = people("ada")
    socket = ada.socket(way, auth or {"nothing": "here"})
    assert socket.refusal() == "UNAUTHORIZED"


def test_a_refresh_token_is_no_access_token(people, way):
    ada = people("ada")
    assert ada.socket(way, {"token": ada.refresh_token}).refusal() == "WRONG_TOKEN_TYPE"


def test_the_token_may_come_from_a_function(people, way):
    ada = people("ada")
    socket = ada.socket(way, lambda: {"token": ada.token})
    socket.connect()
    assert socket.heard("connected")["user_id"] == ada.id


def test_the_first_emit_after_connect_is_answered(people, way):
    ada = people("ada")
    for n in range(10):
        socket = ada.connect(way)
        assert socket.emit("ping", {"n": n}) == {"ok": True, "data": {"n": n}}
        socket.close()


def test_cursors_replay_what_was_missed_before_anything_newer(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    cursor = ada.send(room, "before")["seq"]
    first, second = ada.send(room, "first"), ada.send(room, "second")
    ada.call("PATCH", f"/api/chat/messages/{first['id']}", {"content": "first, edited"})
    ada.call("DELETE", f"/api/chat/messages/{second['id']}")
    socket = bob.connect(way, cursors={room["id"]: cursor})
    ada.send(room, "live")
    socket.heard("new_message", lambda event: event["message"]["content"] == "live")
    socket.heard("message_edited")
    socket.heard("message_deleted")
    assert socket.places(room) == [cursor + n for n in range(1, 6)]


def test_a_replay_and_a_burst_of_more_packets_than_a_client_takes_at_once_arrive_whole(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    start = ada.send(room, "before")["seq"]
    for n in range(40):
        ada.send(room, f"missed {n}")
    adas = ada.connect(way)
    socket = bob.connect(way, cursors={room["id"]: start})
    for n in range(40):
        adas.ask("send_message", {"room_id": room["id"], "content": f"live {n}"})
    socket.heard("new_message", times=80)
    assert socket.places(room) == [start + n for n in range(1, 81)]
    assert not socket.all("disconnect")


def test_all_rooms_are_heard_without_joining(people, way):
    ada, bob = people("ada", "bob")
    rooms = [ada.open_group(bob), ada.open_group(bob)]
    socket = bob.connect(way, rooms="all")
    for room in rooms:
        ada.send(room, "to all")
    for room in rooms:
        socket.heard("new_message", lambda event, room=room: of_room(event, room))


def test_a_client_that_reconnects_with_its_cursors_hears_each_event_once(people, way_by_websocket):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    start = ada.send(room, "before")["seq"]
    socket = None

    def auth():
        heard = socket.places(room)
        return {"token": bob.token, "cursors": {room["id"]: max(heard, default=start)}}

    socket = bob.socket(way_by_websocket, auth, reconnection=True)
    socket.connect()
    socket.heard("connected")
    ada.send(room, "heard live")
    socket.heard("new_message")
    socket.cut()
    socket.heard("disconnect")
    for n in range(5):
        ada.send(room, f"missed {n}")
    socket.heard("connected", times=2)
    ada.send(room, "live again")
    socket.heard("new_message", times=7)
    assert socket.places(room) == [start + n for n in range(1, 8)]
