"""Files: uploaded by requests, sent over the socket by both clients, loaded by whoever hears of them."""

import struct
import zlib

import requests

from person import DEADLINE


def png(width, height, colour=(200, 30, 30)):
    """A picture in one colour (https://www.w3.org/TR/png-3/)."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = (b"\0" + bytes(colour) * width) * height
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def load(server, url):
    """What an <img> gets: no token goes with it."""
    answer = requests.get(url if "://" in url else server.url + url, timeout=DEADLINE)
    assert answer.status_code == 200, answer.text
    return answer


def upload(person, name, content, mime_type):
    answer = person.request("POST", "/api/chat/upload", files={"file": (name, content, mime_type)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_picture_is_uploaded_sent_heard_and_loaded(server, people, way):
    ada, bob = people("ada", "bob")
    room = ada.open_group(bob)
    adas, bobs = ada.enter(way, room), bob.enter(way, room)
    picture = png(60, 40)
    uploaded = upload(ada, "a – picture.png", picture, "image/png")
    assert (uploaded["filename"], uploaded["size"]) == ("a – picture.png", len(picture))
    assert (uploaded["width"], uploaded["height"]) == (60, 40)

    body = {"room_id": room["id"], "message_type": "image", "media_url": uploaded["url"]}
    sent = adas.ask("send_message", body)["message"]
    heard = bobs.heard("new_message")["message"]
    assert (heard["id"], heard["media_id"]) == (sent["id"], uploaded["id"])
    assert [one["id"] for one in heard["attachments"]] == [uploaded["id"]]
    loaded = load(server, heard["media_url"])
    assert (loaded.headers["content-type"], loaded.content) == ("image/png", picture)
    load(server, heard["thumbnail_url"])

    adas.ask("delete_message", {"message_id": sent["id"]})
    bobs.heard("message_deleted")
    url = heard["media_url"]
    assert requests.get(url if "://" in url else server.url + url, timeout=DEADLINE).status_code == 404


def test_a_file_goes_to_the_store_directly(server, people):
    ada = people("ada")
    picture = png(30, 20)
    wanted = {"filename": "direct.png", "mime_type": "image/png", "size": len(picture)}
    answer = ada.request("GET", "/api/chat/upload/signed-url", params=wanted)
    assert answer.status_code == 200, answer.text
    direct = answer.json()
    url = direct["upload_url"]
    stored = requests.request(
        direct["method"],
        url if "://" in url else server.url + url,
        headers=direct["headers"],
        data=picture,
        timeout=DEADLINE,
    )
    assert stored.ok, stored.text
    uploaded = ada.call("POST", f"/api/chat/media/{direct['media_id']}/complete", expect=200)
    assert (uploaded["width"], uploaded["height"]) == (30, 20)
    assert load(server, uploaded["url"]).content == picture


def test_a_page_called_a_picture_is_refused(people):
    ada = people("ada")
    page = {"file": ("cat.png", b"<!DOCTYPE html><script>alert(1)</script>", "image/png")}
    answer = ada.request("POST", "/api/chat/upload", files=page)
    assert (answer.status_code, answer.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
