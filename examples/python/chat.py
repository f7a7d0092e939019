"""A chat in the terminal, with the stock python-socketio.

    python chat.py --user bob --password "battery staple" --room "Engine room" --with ada

Signs in (with --sign-up it makes the account first, unless there is one), opens the room of that name or id, adds the
people named by --with, shows the last events, and sends every line it reads. With --say "hello" it sends that and ends.

It uses AsyncClient because that one calls handlers in the order in which events arrive; the synchronous Client of
python-socketio starts a thread for each.
"""

import argparse
import asyncio
import os
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


def say(line):
    print(line, flush=True)


def fail(why):
    """Ends with one line that says why, at once: a thread may still wait for a line of standard input."""
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


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
        self.was_connected = False
        self.sio.on("connected", self.on_connected)
        self.sio.on("connect_error", self.on_connect_error)
        self.sio.on("disconnect", self.on_disconnect)
        self.sio.on("session_revoked", self.on_session_revoked)
        self.sio.on("session_expiring", self.on_session_expiring)
        self.sio.on("*", self.on_any)

    async def rest(self, method, path, body=None, **query):
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        async with self.http.request(method, path, json=body, params=query, headers=headers) as response:
            answer = await response.json(content_type=None)
            if response.status == 429:
                say(f"  (waiting: {answer['detail']})")
                await asyncio.sleep(float(response.headers.get("retry-after", 1)))
                return await self.rest(method, path, body, **query)
            if not response.ok:
                raise Refused(answer)
            return answer

    def keep(self, tokens):
        """Keeps the tokens of an answer, and until when the access token is good: half an hour unless configured
        otherwise."""
        self.tokens = tokens
        self.until = time.monotonic() + tokens["expires_in"]

    async def sign_in(self):
        name, is_taken = self.options.user, False
        who = {"username": name, "password": self.options.password}
        if self.options.sign_up:
            try:
                await self.rest("POST", "/api/auth/register", {**who, "email": f"{name}@example.com"})
            except Refused as refused:
                if refused.code != "USER_EXISTS":
                    raise
                is_taken = True  # perhaps by us, the last time
        try:
            self.keep(await self.rest("POST", "/api/auth/login", who))
        except Refused as refused:
            if refused.code != "INVALID_CREDENTIALS":
                raise
            if is_taken:
                fail(f"the name {name} is taken, by an account with another password")
            fail(f"there is no account {name} with this password; --sign-up makes one")

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
                fail(f"there is nobody called {name}")
            try:
                await self.rest("POST", f"/api/chat/rooms/{room['id']}/members", {"user_ids": [person["id"]]})
            except Refused as refused:
                if refused.code != "ALREADY_MEMBER":
                    raise
        say(f"in {room['name'] or 'a direct room'} ({room['id']})")
        self.room_id = room["id"]
        # The last place of the room that was seen. It goes along with every connection, so whatever was missed in
        # between arrives first, in order.
        self.cursors[room["id"]] = max(0, room["last_seq"] - 20)

    async def auth(self):
        """Asked before every connection, also after an outage that was longer than the token's life."""
        if time.monotonic() > self.until - 10:
            try:
                await self.renew()
            except Refused as refused:
                fail(f"signing in again was refused: {refused}")
            except aiohttp.ClientError:
                pass  # the server is away: it is asked again when it is back
        return {"token": self.tokens["access_token"], "cursors": self.cursors}

    def on_connected(self, _):
        if self.was_connected:
            say("  connected again")
        self.was_connected = True
        self.connected.set()

    def on_connect_error(self, refusal):
        if isinstance(refusal, dict):  # otherwise the server is away: python-socketio tries again
            fail(f"refused: {refusal['message']}")

    def on_disconnect(self, reason):
        self.connected.clear()
        if reason == self.sio.reason.CLIENT_DISCONNECT:
            return  # that was us
        say(f"  connection lost: {reason}")
        if reason == self.sio.reason.SERVER_DISCONNECT:
            fail("the server has ended this connection: start again")  # no attempt follows

    def on_session_revoked(self, data):
        fail(f"the server has ended this login ({data['code']}): sign in again")

    async def on_session_expiring(self, _):
        try:
            await self.renew()
        except (Refused, aiohttp.ClientError):
            return  # such as a server that is away: the next connection renews
        await self.sio.emit("authenticate", {"token": self.tokens["access_token"]})

    async def on_any(self, event, data):
        if event == "new_message":
            say(f"{data['seq']} {data['message']['sender']['username']}: {data['message']['content']}")
        elif event == "message_edited":
            say(f"  edited {data['message_id']}: {data['content']}")
        elif event == "message_deleted":
            say(f"  deleted {data['message_id']}")
        elif event == "member_added":
            say(f"  {data['member']['user']['username']} is a member now")
        elif event == "user_typing" and data["is_typing"]:
            say(f"  {data['user_name']} is typing…")
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
            say(f"  (waiting: {ack['error']['message']})")
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
    parser.add_argument("--user", required=True, metavar="NAME", help="who you are: your user name")
    parser.add_argument("--password", required=True, help="your password")
    parser.add_argument(
        "--sign-up",
        action="store_true",
        help="make this account first; one that exists with this password is used as it is",
    )
    parser.add_argument(
        "--room",
        default="Lobby",
        metavar="NAME_OR_ID",
        help="one of your rooms, Lobby unless given; if there is none, a group of this name is opened",
    )
    parser.add_argument(
        "--with",
        dest="people",
        action="append",
        default=[],
        metavar="NAME",
        help="add this person to the room, by user name; may be given several times",
    )
    parser.add_argument("--say", metavar="TEXT", help="send this and end; without it every line of standard input is sent")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is, %(default)s unless given")
    options = parser.parse_args()
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(options.url, timeout=timeout) as http:
        try:
            await Chat(options, http).run()
        except (Refused, socketio.exceptions.ConnectionError) as refused:
            fail(refused)
        except (aiohttp.ClientError, asyncio.TimeoutError):
            fail(f"no server answers at {options.url}: start it, or name another with --url")


try:
    asyncio.run(main())
except KeyboardInterrupt:
    os._exit(130)  # a thread still waits for a line of standard input
