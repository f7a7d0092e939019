"""The REST routes, by requests."""

from person import Person
from server import Server


def test_an_account_from_its_opening_to_its_end(people):
    ada = people("ada")
    me = ada.call("GET", "/api/auth/me", expect=200)
    assert (me["id"], me["email"], me["username"]) == (ada.id, ada.email, ada.username)
    assert ada.call("GET", "/api/users/me") == me
    assert ada.call("PATCH", "/api/users/me", {"full_name": "Ada Lovelace"})["full_name"] == "Ada Lovelace"
    assert ada.call("PUT", "/api/users/me", {"full_name": None})["full_name"] is None

    refreshed = ada.call("POST", "/api/auth/refresh", {"refresh_token": ada.refresh_token}, expect=200)
    assert refreshed["user"]["id"] == ada.id
    again = ada.call("POST", "/api/auth/refresh", {"refresh_token": ada.refresh_token}, expect=200)
    assert again["refresh_token"] != ada.refresh_token, "a repeat gets the newest pair"
    ada.call("POST", "/api/auth/refresh", {"refresh_token": again["refresh_token"]}, expect=200)
    ada.login()
    ada.call("POST", "/api/auth/jwt/logout", expect=204)
    ada.refused(401, "UNAUTHORIZED", "GET", "/api/users/me")
    ada.login()
    ada.call("DELETE", "/api/users/me")
    assert ada.request("GET", "/api/users/me").status_code == 401


def test_without_a_leeway_a_refresh_token_is_good_once():
    server = Server(PARLOUR__AUTH__REFRESH_LEEWAY_SECONDS="0")
    try:
        ada = Person.register(server, "ada")
        pair = ada.call("POST", "/api/auth/refresh", {"refresh_token": ada.refresh_token}, expect=200)
        ada.refused(401, "TOKEN_REUSED", "POST", "/api/auth/refresh", {"refresh_token": ada.refresh_token})
        ada.refused(401, "UNAUTHORIZED", "POST", "/api/auth/refresh", {"refresh_token": pair["refresh_token"]})
    finally:
        server.stop()


def test_the_password_form_opens_a_session(people):
    ada = people("ada")
    for path in ("/api/auth/login", "/api/auth/jwt/login"):
        form = {"grant_type": "password", "username": ada.email, "password": ada.password}
        answer = ada.request("POST", path, data=form)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "bearer"
    wrong = {"email": ada.email, "password": "not the password"}
    ada.refused(401, "INVALID_CREDENTIALS", "POST", "/api/auth/login", wrong)


def test_a_stranger_has_to_register_properly(server):
    stranger = Person(server, "x")
    problem = stranger.refused(422, "VALIDATION_ERROR", "POST", "/api/auth/register", {"email": "x", "password": "x"})
    assert {"email", "password"} <= {error["field"] for error in problem["errors"]}
    stranger.refused(401, "UNAUTHORIZED", "GET", "/api/chat/rooms")


def test_people_and_the_direct_room_with_them(people):
    ada, bob = people("ada", "bob")
    [found] = ada.call("GET", f"/api/users?search={bob.username}")["users"]
    assert (found["id"], found["room_id"], found["email"]) == (bob.id, None, "b***@example.com")
    direct = {"room_type": "direct", "member_ids": [bob.id]}
    room = ada.call("POST", "/api/chat/rooms", direct, expect=201)
    assert ada.call("POST", "/api/chat/rooms", direct, expect=200)["id"] == room["id"]
    bob.send(room, "hello")
    [found] = ada.call("GET", f"/api/users/users?search={bob.username}")["users"]
    assert (found["room_id"], found["unread_count"], found["email"]) == (room["id"], 1, bob.email)
    assert ada.call("GET", f"/api/users/{bob.id}")["username"] == bob.username


def test_a_room_from_its_opening_to_its_end(people):
    ada, bob, cleo, eve = people("ada", "bob", "cleo", "eve")
    room = ada.open_group(bob, description="Where the work is")
    path = f"/api/chat/rooms/{room['id']}"
    ada.call("POST", f"{path}/members", {"user_ids": [cleo.id]})
    assert ada.call("PATCH", f"{path}/members/{bob.id}", {"role": "admin"}, expect=200)["role"] == "admin"
    assert bob.call("PATCH", path, {"name": "Boiler room"}, expect=200)["name"] == "Boiler room"
    assert bob.call("GET", "/api/chat/rooms")["rooms"][0]["name"] == "Boiler room"
    roles = {one["user_id"]: one["role"] for one in cleo.call("GET", f"{path}/members")["members"]}
    assert roles == {ada.id: "owner", bob.id: "admin", cleo.id: "member"}

    eve.refused(404, "ROOM_NOT_FOUND", "GET", path)
    cleo.refused(403, "PERMISSION_DENIED", "PATCH", path, {"name": "Mine"})
    bob.refused(403, "PERMISSION_DENIED", "DELETE", path)
    ada.refused(409, "LAST_OWNER", "POST", f"{path}/leave")
    cleo.call("POST", f"{path}/leave")
    bob.call("DELETE", f"{path}/members/{bob.id}")
    assert ada.call("GET", path)["member_count"] == 1
    ada.call("DELETE", path)
    ada.refused(404, "ROOM_NOT_FOUND", "GET", path)


def test_a_message_from_its_sending_to_its_end(people):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    first = ada.send(room, "first")
    reply = bob.call("POST", "/api/chat/messages", {
        "room_id": room["id"],
        "message_type": "text",
        "content": "second",
        "reply_to_id": first["id"],
    }, expect=201)
    assert reply["reply_to"]["content"] == "first"
    history = f"/api/chat/rooms/{room['id']}/messages"
    assert [one["content"] for one in bob.call("GET", history)["messages"]] == ["first", "second"]
    assert [one["id"] for one in bob.call("GET", f"{history}?after_seq={first['seq']}")["messages"]] == [reply["id"]]

    read = bob.call("POST", f"/api/chat/rooms/{room['id']}/read", {"message_ids": [first["id"]]}, expect=200)
    assert read == {"last_read_seq": first["seq"], "unread_count": 0, "mention_count": 0}
    path = f"/api/chat/messages/{first['id']}"
    assert ada.call("PATCH", path, {"content": "First"}, expect=200)["is_edited"] is True
    bob.refused(403, "PERMISSION_DENIED", "PATCH", path, {"content": "Mine"})
    ada.call("DELETE", path)
    gone = bob.call("GET", path)
    assert (gone["content"], gone["is_deleted"], gone["seq"]) == (None, True, first["seq"])
    assert bob.call("GET", f"/api/chat/messages/{reply['id']}")["reply_to"]["content"] is None
