"""Every event of the socket table, by both clients and over each transport."""

from sockets import of_room


def in_a_room(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    return ada, bob, room, ada.enter(way, room), bob.enter(way, room)


def test_joining_and_leaving_are_answered_and_seen(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    seq = ada.send(room, "before")["seq"]
    adas = ada.enter(way, room)
    bobs = bob.connect(way)
    joined = bobs.ask("join_room", {"room_id": room["id"], "after_seq": seq - 1})
    assert joined == {"room_id": room["id"], "last_seq": seq, "replayed": 1}
    assert bobs.heard("new_message")["message"]["content"] == "before"
    assert bobs.heard("room_joined")["user_id"] == bob.id
    seen = adas.heard("user_joined", lambda event: event["user_id"] == bob.id)
    assert seen["user"]["username"] == bob.username
    assert bobs.ask("leave_room", {"room_id": room["id"]}) == {"room_id": room["id"]}
    assert bobs.heard("room_left") == {"room_id": room["id"], "user_id": bob.id}
    assert adas.heard("user_left") == {"room_id": room["id"], "user_id": bob.id}


def test_a_message_is_sent_repeated_edited_and_deleted(people, way):
    ada, _, room, adas, bobs = in_a_room(people, way)
    body = {"room_id": room["id"], "message_type": "text", "content": "frist", "client_msg_id": "a1"}
    sent = adas.ask("send_message", body)
    assert sent["duplicate"] is False
    message = sent["message"]
    for socket in (adas, bobs):
        event = socket.heard("new_message")
        assert (event["seq"], event["message"]["id"]) == (message["seq"], message["id"])

    again = adas.ask("send_message", body)
    assert (again["duplicate"], again["message"]["id"]) == (True, message["id"])
    adas.refused("CLIENT_MSG_ID_CONFLICT", "send_message", {**body, "content": "else"})
    notice = adas.ask("send_message", {"room_id": room["id"], "message_id": message["id"]})
    assert notice["message"]["id"] == message["id"]

    for command, content in (("edit_message", "first"), ("message_edited", "First")):
        edited = adas.ask(command, {"message_id": message["id"], "content": content})
        assert edited["message"]["content"] == content
        event = bobs.heard("message_edited", lambda event, content=content: event["content"] == content)
        assert event["message_id"] == message["id"] and event["message"]["is_edited"]
    bobs.refused("PERMISSION_DENIED", "edit_message", {"message_id": message["id"], "content": "mine"})
    bobs.refused("PERMISSION_DENIED", "delete_message", {"message_id": message["id"]})

    other = adas.ask("send_message", {"room_id": room["id"], "content": "also"})["message"]
    for command, one in (("delete_message", message), ("message_deleted", other)):
        deleted = adas.ask(command, {"message_id": one["id"]})
        event = bobs.heard("message_deleted", lambda event, one=one: event["message_id"] == one["id"])
        assert event["deleted_at"] == deleted["deleted_at"]
    assert len(bobs.all("new_message")) == 2
    assert ada.call("GET", f"/api/chat/messages/{message['id']}")["content"] is None


def test_many_messages_arrive_once_each_in_dense_places(people, way):
    _, _, room, adas, bobs = in_a_room(people, way)
    places = [adas.ask("send_message", {"room_id": room["id"], "content": f"{n}"})["message"]["seq"] for n in range(50)]
    assert places == list(range(places[0], places[0] + 50))
    bobs.heard("new_message", times=50)
    assert bobs.places(room) == places


def test_typing_in_every_shape_is_seen_by_others(people, way):
    ada, _, room, adas, bobs = in_a_room(people, way)
    seen = 0
    for event, more, is_typing in (
        ("typing", {}, True),
        ("stop_typing", {}, False),
        ("typing", {"is_typing": True}, True),
        ("typing", {"is_typing": False}, False),
    ):
        assert adas.ask(event, {"room_id": room["id"], **more}) == {}
        seen += 1
        # by count of its kind: the synchronous client does not keep the order between kinds
        heard = bobs.heard("user_typing", lambda data, wanted=is_typing: data["is_typing"] is wanted, (seen + 1) // 2)
        assert heard == {
            "room_id": room["id"],
            "user_id": ada.id,
            "user_name": ada.username,
            "is_typing": is_typing,
        }


def test_reading_moves_the_mark_and_is_seen(people, way):
    ada, bob, room, adas, bobs = in_a_room(people, way)
    first, second = ada.send(room, "one"), ada.send(room, "two")
    mark = bobs.ask("mark_as_read", {"room_id": room["id"], "message_ids": [first["id"]]})
    assert mark == {"last_read_seq": first["seq"], "unread_count": 1, "mention_count": 0}
    read = adas.heard("messages_read")
    assert (read["user_id"], read["last_read_seq"]) == (bob.id, first["seq"])
    assert read["message_ids"] == [first["id"]]
    mark = bobs.ask("mark_as_read", {"room_id": room["id"], "up_to_seq": second["seq"]})
    assert mark == {"last_read_seq": second["seq"], "unread_count": 0, "mention_count": 0}
    adas.heard("messages_read", lambda event: event["last_read_seq"] == second["seq"])


def test_sync_answers_what_was_missed(people, way):
    ada, bob = people("ada", "bob")
    room, unknown = ada.open_group(bob), ada.open_group(bob)
    cursor = ada.send(room, "before")["seq"]
    message = ada.send(room, "missed")
    synced = bob.connect(way).ask("sync", {"cursors": {room["id"]: cursor}, "limit": 10})
    [missed] = synced["rooms"]
    assert (missed["room_id"], missed["last_seq"], missed["has_more"]) == (room["id"], message["seq"], False)
    [entry] = missed["events"]
    assert entry["event"] == "new_message"
    assert entry["data"]["message"]["content"] == "missed"
    assert [one["id"] for one in synced["joined"]] == [unknown["id"]]
    assert synced["left"] == []


def test_presence_is_asked_for_chosen_and_seen(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    bob.send(room, "hello")
    adas = ada.enter(way, room)

    def status():
        return adas.ask("get_presence", {"user_ids": [bob.id]})["users"][0]["status"]

    assert status() == "offline"
    bobs = bob.enter(way, room)
    adas.heard("user_online", lambda event: event["user_id"] == bob.id)
    assert status() == "online"
    assert bobs.ask("set_status", {"status": "away"}) == {}
    assert status() == "away"
    assert bobs.ask("set_status", {"status": "invisible"}) == {}
    adas.heard("user_offline", lambda event: event["user_id"] == bob.id)
    assert status() == "offline"


def test_rooms_and_members_come_and_go(people, way):
    ada, bob, cleo = people("ada", "bob", "cleo")
    cleos = cleo.connect(way)
    room = ada.open_group(bob)
    bobs = bob.enter(way, room)
    members = f"/api/chat/rooms/{room['id']}/members"
    ada.call("POST", members, {"user_ids": [cleo.id]})
    assert cleos.heard("room_created")["room"]["id"] == room["id"]
    assert bobs.heard("member_added", lambda event: event["member"]["user_id"] == cleo.id)
    ada.call("PATCH", f"{members}/{cleo.id}", {"role": "viewer"})
    assert bobs.heard("member_updated")["member"]["role"] == "viewer"
    ada.call("PATCH", f"/api/chat/rooms/{room['id']}", {"name": "Boiler room"})
    assert bobs.heard("room_updated")["room"]["name"] == "Boiler room"
    ada.call("DELETE", f"{members}/{cleo.id}")
    removed = bobs.heard("member_removed")
    assert (removed["user_id"], removed["reason"]) == (cleo.id, "removed")
    ada.call("DELETE", f"/api/chat/rooms/{room['id']}")
    assert of_room(bobs.heard("room_deleted"), room)


def test_a_removed_member_hears_nothing_more(people, way):
    ada, bob, room, adas, bobs = in_a_room(people, way)
    ada.send(room, "with bob")
    bobs.heard("new_message")
    ada.call("DELETE", f"/api/chat/rooms/{room['id']}/members/{bob.id}")
    ada.send(room, "without bob")
    adas.heard("new_message", times=2)
    bobs.round_trip()
    assert len(bobs.all("new_message")) == 1
    bobs.refused("ROOM_NOT_FOUND", "send_message", {"room_id": room["id"], "content": "let me in"})


def test_members_elsewhere_hear_of_activity(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    bobs = bob.connect(way)
    message = ada.send(room, "news")
    activity = bobs.heard("room_activity", lambda event: event["last_seq"] == message["seq"])
    assert activity["unread_count"] == 1
    assert activity["last_message"]["content"] == "news"


def test_refusals_are_acked_or_told(people, way):
    ada, eve = people("ada", "eve")
    room = ada.open_group()
    socket = eve.connect(way)
    socket.refused("UNKNOWN_EVENT", "no_such_event", {})
    socket.refused("UNKNOWN_EVENT", "new_message", {"room_id": room["id"]})
    for payload in (None, 42, "text", {}, [1, 2], {"room_id": 7}):
        socket.refused("VALIDATION_ERROR", "send_message", payload)
    socket.refused("ROOM_NOT_FOUND", "join_room", {"room_id": room["id"]})
    socket.tell("join_room", {"room_id": room["id"]})
    told = socket.heard("error")
    assert (told["event"], told["code"]) == ("join_room", "ROOM_NOT_FOUND")
