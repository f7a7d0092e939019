"""A chat in the terminal, with the stock python-socketio.

    python chat.py --user bob --password "battery staple" --room "Engine room" --with ada

Signs in (with --sign-up it registers first), opens the room of that name or id, adds the people named by --with, shows
the last events, and sends every line it reads. With --say "hello" it sends that and ends.

It uses AsyncClient because that one calls handlers in the order in which events arrive; the synchronous Client of
python-socketio starts a thread for each.
"""

import argparse
import asyncio
import sys
import time
import uuid

import aiohttp
import socketio


class Refused(Exception):
    """The server's answer to a REST call it does not grant."""

    def __init__(self, problem):
        super().__init__(problem["detail"])
        self.code = problem["error_code"]


class Chat:
    def __init__(self, options, http):
        self.options = options
        self.http = http
        self.tokens = {}
        self.until = 0
        self.cursors = {}
        self.connected = asyncio.Event()
        self.moved = asyncio.Condition()
        self.sio = socketio.AsyncClient(reconnection_delay=0.5)
        self.sio.on("connected", lambda _: self.connected.set())
        self.sio.on("disconnect", self.on_disconnect)
        self.sio.on("session_expiring", self.on_session_expiring)
        self.sio.on("*", self.on_any)

    async def rest(self, method, path, body=None, **query):
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        async with self.http.request(method, path, json=body, params=query, headers=headers) as response:
            if response.status == 429:
                await asyncio.sleep(float(response.headers.get("retry-after", 1)))
                return await self.rest(method, path, body, **query)
            answer = await response.json(content_type=None)
            if not response.ok:
                raise Refused(answer)
            return answer

    def keep(self, tokens):
        """Keeps the tokens of an answer, and until when the access token is good: half an hour unless configured
        otherwise."""
        self.tokens = tokens
        self.until = time.monotonic() + tokens["expires_in"]

    async def sign_in(self):
        who = {"username": self.options.user, "password": self.options.password}
        if self.options.sign_up:
            await self.rest("POST", "/api/auth/register", {**who, "email": f"{self.options.user}@example.com"})
        self.keep(await self.rest("POST", "/api/auth/login", who))

    async def renew(self):
        self.keep(await self.rest("POST", "/api/auth/refresh", {"refresh_token": self.tokens["refresh_token"]}))

    async def open_room(self):
        rooms = (await self.rest("GET", "/api/chat/rooms", page_size=100))["rooms"]
        room = next((room for room in rooms if self.options.room in (room["id"], room["name"])), None)
        if room is None:
            room = await self.rest("POST", "/api/chat/rooms", {"room_type": "group", "name": self.options.room})
        for name in self.options.people:
            users = (await self.rest("GET", "/api/users", search=name))["users"]
            person = next((user for user in users if user["username"] == name), None)
            if person is None:
                sys.exit(f"there is nobody called {name}")
            try:
                await self.rest("POST", f"/api/chat/rooms/{room['id']}/members", {"user_ids": [person["id"]]})
            except Refused as refused:
                if refused.code != "ALREADY_MEMBER":
                    raise
        print(f"in {room['name'] or 'a direct room'} ({room['id']})", flush=True)
        self.room_id = room["id"]
        # The last place of the room that was seen. It goes along with every connection, so whatever was missed in
        # between arrives first, in order.
        self.cursors[room["id"]] = max(0, room["last_seq"] - 20)

    async def auth(self):
        """Asked before every connection, also after an outage that was longer than the token's life."""
        if time.monotonic() > self.until - 10:
            try:
                await self.renew()
            except aiohttp.ClientError:
                pass  # the server is away: it is asked again when it is back
        return {"token": self.tokens["access_token"], "cursors": self.cursors}

    def on_disconnect(self, reason):
        self.connected.clear()
        print(f"  connection lost: {reason}", flush=True)

    async def on_session_expiring(self, _):
        await self.renew()
        await self.sio.emit("authenticate", {"token": self.tokens["access_token"]})

    async def on_any(self, event, data):
        if event == "new_message":
            print(f"{data['seq']} {data['message']['sender']['username']}: {data['message']['content']}", flush=True)
        elif event == "message_edited":
            print(f"  edited {data['message_id']}: {data['content']}", flush=True)
        elif event == "message_deleted":
            print(f"  deleted {data['message_id']}", flush=True)
        elif event == "member_added":
            print(f"  {data['member']['user']['username']} is a member now", flush=True)
        elif event == "user_typing" and data["is_typing"]:
            print(f"  {data['user_name']} is typing…", flush=True)
        if isinstance(data, dict) and data.get("room_id") == self.room_id and "seq" in data:
            self.cursors[self.room_id] = max(self.cursors[self.room_id], data["seq"])
            async with self.moved:
                self.moved.notify_all()

    async def send(self, content):
        """Sends until it is acked: the client_msg_id makes it one message, however often it is sent."""
        message = {"room_id": self.room_id, "content": content, "client_msg_id": str(uuid.uuid4())}
        while True:
            await self.connected.wait()
            try:
                ack = await self.sio.call("send_message", message, timeout=5)
            except socketio.exceptions.SocketIOError:
                continue  # cut before the answer: the client connects again by itself
            if ack["ok"] or not ack["error"].get("retry_after_ms"):
                break
            await asyncio.sleep(ack["error"]["retry_after_ms"] / 1000)  # too many messages, or a server that is restarted
        if not ack["ok"]:
            print(f"  not sent: {ack['error']['message']}", file=sys.stderr)
            return
        async with self.moved:  # until the room has shown it to us, too
            await self.moved.wait_for(lambda: self.cursors[self.room_id] >= ack["data"]["message"]["seq"])

    async def run(self):
        await self.sign_in()
        await self.open_room()
        await self.sio.connect(self.options.url, auth=self.auth)
        if self.options.say:
            await self.send(self.options.say)
        else:
            while line := await asyncio.to_thread(sys.stdin.readline):
                if line.strip():
                    await self.send(line.rstrip("\n"))
        await self.sio.disconnect()


async def main():
    parser = argparse.ArgumentParser(description="Chat in a room of a Parlour server.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--room", default="Lobby", help="name or id")
    parser.add_argument("--with", dest="people", action="append", default=[], metavar="NAME", help="add this person")
    parser.add_argument("--say", help="send this and end")
    parser.add_argument("--sign-up", action="store_true", help="register first")
    options = parser.parse_args()
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(options.url, timeout=timeout) as http:
        await Chat(options, http).run()


asyncio.run(main())
