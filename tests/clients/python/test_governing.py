"""Reactions, mentions, receipts, invites, bans and search, by python-socketio and requests."""

import urllib.parse


def test_an_emoji_is_put_and_taken(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    message = ada.send(room, "what do you think?")
    adas, bobs = ada.enter(way, room), bob.enter(way, room)
    put = bobs.ask("add_reaction", {"message_id": message["id"], "emoji": "❤️"})
    assert put == {"reactions": [{"emoji": "❤️", "count": 1, "mine": True}]}
    added = adas.heard("reaction_added")
    assert (added["user_id"], added["emoji"], added["seq"]) == (bob.id, "❤️", message["seq"] + 1)
    assert bobs.ask("remove_reaction", {"message_id": message["id"], "emoji": "❤️"}) == {"reactions": []}
    adas.heard("reaction_removed")
    path = f"/api/chat/messages/{message['id']}/reactions/{urllib.parse.quote('👍')}"
    assert ada.call("PUT", path)["reactions"] == [{"emoji": "👍", "count": 1, "mine": True}]
    assert bobs.heard("reaction_added", lambda event: event["emoji"] == "👍")["user_id"] == ada.id


def test_mentions_pins_replies_and_receipts(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    bobs = bob.enter(way, room)
    message = ada.send(room, f"@{bob.username}: look")
    assert message["mentions"] == [bob.id]
    assert bobs.heard("new_message")["message"]["mentions"] == [bob.id]
    assert bob.call("GET", "/api/chat/rooms")["rooms"][0]["mention_count"] == 1
    ada.call("PUT", f"/api/chat/messages/{message['id']}/pin", expect=200)
    assert bobs.heard("message_pinned")["message_id"] == message["id"]
    assert bob.call("GET", f"/api/chat/rooms/{room['id']}/pins")["total"] == 1
    bobs.ask("send_message", {"room_id": room["id"], "content": "seen", "reply_to_id": message["id"]})
    assert ada.call("GET", f"/api/chat/messages/{message['id']}/replies")["total"] == 1
    mark = bobs.ask("mark_as_read", {"room_id": room["id"], "up_to_seq": message["seq"]})
    assert (mark["unread_count"], mark["mention_count"]) == (0, 0)
    receipts = ada.call("GET", f"/api/chat/messages/{message['id']}/receipts")["receipts"]
    assert [one["user_id"] for one in receipts] == [bob.id]


def test_a_link_lets_in_and_a_ban_keeps_out(people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(visibility="invite_only")
    path = f"/api/chat/rooms/{room['id']}"
    code = ada.call("POST", f"{path}/invite", {}, expect=201)["code"]
    assert bob.call("GET", f"/api/chat/invites/{code}")["name"] == room["name"]
    assert bob.call("POST", f"/api/chat/invites/{code}/join")["id"] == room["id"]
    bobs = bob.enter(way, room)
    ada.call("PUT", f"{path}/bans/{bob.id}", {"reason": "spam"}, expect=200)
    assert bobs.heard("member_removed")["reason"] == "banned"
    bobs.refused("ROOM_NOT_FOUND", "send_message", {"room_id": room["id"], "content": "let me in"})
    bob.refused(403, "BANNED", "POST", f"/api/chat/invites/{code}/join")


def test_messages_are_found_by_a_part_of_a_word(people):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    message = ada.send(room, "Die Straße nach Süden, 你好")
    for part in ("strasse", "SÜDEN", "你好", "raß"):
        found = bob.call("GET", f"/api/chat/search?q={urllib.parse.quote(part)}")
        assert [one["id"] for one in found["messages"]] == [message["id"]], part
        assert "<mark>" in found["messages"][0]["excerpt"]
