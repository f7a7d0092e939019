"""A person with an account, who calls the REST API and opens sockets."""

import uuid

import requests

from sockets import KINDS

DEADLINE = 10


class Person:
    def __init__(self, server, name):
        self.server = server
        # Tests share a server, so names carry something of their own.
        self.username = f"{name}-{uuid.uuid4().hex[:8]}"
        self.email = f"{self.username}@example.com"
        self.password = f"the password of {name}"
        self.http = requests.Session()

    @classmethod
    def register(cls, server, name):
        person = cls(server, name)
        account = {"email": person.email, "username": person.username, "password": person.password}
        person.id = person.call("POST", "/api/auth/register", account, expect=201)["id"]
        person.login()
        return person

    def login(self):
        who = {"email": self.email, "password": self.password}
        tokens = self.call("POST", "/api/auth/login", who, expect=200)
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.http.headers["authorization"] = f"Bearer {self.token}"
        return tokens

    def request(self, method, path, body=None, **more):
        return self.http.request(method, self.server.url + path, json=body, timeout=DEADLINE, **more)

    def call(self, method, path, body=None, expect=None):
        """A call that must succeed, and its body."""
        answer = self.request(method, path, body)
        said = f"{method} {path}: {answer.status_code} {answer.text}"
        assert (answer.status_code == expect) if expect else answer.ok, said
        return answer.json() if answer.content else None

    def refused(self, status, code, method, path, body=None):
        """A call that must be refused with this status and code."""
        answer = self.request(method, path, body)
        said = f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.status_code == status, said
        assert answer.headers["content-type"].startswith("application/problem+json"), said
        assert answer.json()["error_code"] == code, said
        return answer.json()

    def open_group(self, *members, **settings):
        room = {"room_type": "group", "name": "Engine room", "member_ids": [one.id for one in members], **settings}
        return self.call("POST", "/api/chat/rooms", room, expect=201)

    def send(self, room, content):
        message = {"room_id": room["id"], "message_type": "text", "content": content}
        return self.call("POST", "/api/chat/messages", message, expect=201)

    def socket(self, way, auth=None, **options):
        """A socket that is not connected yet. `way` is a client and its transports."""
        kind, transports = way
        socket = KINDS[kind](self.server.url, transports, auth or {"token": self.token}, **options)
        self.server.sockets.append(socket)
        return socket

    def connect(self, way, **auth):
        socket = self.socket(way, {"token": self.token, **auth})
        socket.connect()
        return socket

    def enter(self, way, room):
        """A connected socket in `room`."""
        socket = self.connect(way)
        socket.ask("join_room", {"room_id": room["id"]})
        return socket
