"""Both stock clients of python-socketio behind one face that remembers what it heard, so that no test depends on
listening in time."""

import asyncio
import threading
from concurrent.futures import wait
from socket import SHUT_RDWR

import socketio

DEADLINE = 8


class Socket:
    """What both have in common. `ordered` says whether the client keeps the order in which events arrive."""

    ordered: bool

    def __init__(self, url, transports, auth):
        self.url, self.transports, self.auth = url, transports, auth
        self.events = []
        self.news = threading.Condition()

    def _listen(self, sio):
        sio.on("*", self._note)
        sio.on("disconnect", lambda reason: self._note("disconnect", reason))
        sio.on("connect_error", lambda data: self._note("connect_error", data))

    def _note(self, event, data=None):
        with self.news:
            self.events.append((event, data))
            self.news.notify_all()

    def all(self, event, matches=lambda data: True):
        """The data of everything heard under this name so far."""
        with self.news:
            return [data for name, data in self.events if name == event and matches(data)]

    def names(self):
        with self.news:
            return [name for name, _ in self.events]

    def heard(self, event, matches=lambda data: True, times=1):
        """The last of the first `times` matching events, heard already or still to come."""
        with self.news:
            self.news.wait_for(lambda: len(self.all(event, matches)) >= times, timeout=DEADLINE)
            found = self.all(event, matches)
            assert len(found) >= times, f"{times} x {event} not within {DEADLINE} s; heard: {self.names()[-30:]}"
            return found[times - 1]

    def places(self, room):
        """The seq of every event of this room, as heard; in order of seq where the client keeps no order."""
        with self.news:
            seqs = [data["seq"] for _, data in self.events if of_room(data, room) and "seq" in data]
        return seqs if self.ordered else sorted(seqs)

    def ask(self, event, data):
        """Emits what must be granted, and returns the data of the ack."""
        ack = self.emit(event, data)
        assert set(ack) == {"ok", "data"} and ack["ok"] is True, f"{event}: {ack}"
        return ack["data"]

    def refused(self, code, event, data=None):
        """Emits what must be refused with this code, and returns the error of the ack."""
        ack = self.emit(event, data)
        assert set(ack) == {"ok", "error"} and ack["ok"] is False, f"{event}: {ack}"
        assert ack["error"]["code"] == code, f"{event}: {ack}"
        return ack["error"]

    def round_trip(self):
        """What the server had emitted to this socket before it is heard afterwards."""
        self.ask("ping", {"there": "and back"})

    def refusal(self):
        """Connects in vain, and returns what the server said."""
        try:
            self.connect()
        except socketio.exceptions.ConnectionError:
            return self.heard("connect_error")["message"]
        raise AssertionError("the connection was not refused")


def of_room(data, room):
    return isinstance(data, dict) and data.get("room_id") == room["id"]


class SyncSocket(Socket):
    ordered = False  # python-socketio handles each packet in a thread of its own

    def __init__(self, url, transports, auth, reconnection=False):
        super().__init__(url, transports, auth)
        self.sio = socketio.Client(reconnection=reconnection, reconnection_delay=0.1, request_timeout=DEADLINE)
        self._listen(self.sio)

    def connect(self):
        self.sio.connect(self.url, auth=self.auth, transports=self.transports, wait_timeout=DEADLINE)

    def emit(self, event, data=None):
        return self.sio.call(event, data, timeout=DEADLINE)

    def tell(self, event, data=None):
        """Emits without asking for an ack."""
        self.sio.emit(event, data)

    def cut(self):
        """Ends the WebSocket underneath: a client that may reconnect does."""
        # of the socket, not of the client's object: only that wakes the thread that reads from it
        self.sio.eio.ws.sock.shutdown(SHUT_RDWR)

    def gives_up(self):
        """The connection ends, and the client makes no new one."""
        ending = threading.Thread(target=self.sio.wait, daemon=True)
        ending.start()
        ending.join(2 * DEADLINE)
        assert not ending.is_alive(), f"the client comes back; heard: {self.names()[-30:]}"

    def close(self):
        self.sio.disconnect()


class Loop:
    """One event loop for all asynchronous clients, in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=2 * DEADLINE)


class AsyncSocket(Socket):
    ordered = True
    background = Loop()

    def __init__(self, url, transports, auth, reconnection=False):
        super().__init__(url, transports, auth)

        async def make():
            return socketio.AsyncClient(
                reconnection=reconnection, reconnection_delay=0.1, request_timeout=DEADLINE
            )

        self.sio = self.background.run(make())
        self._listen(self.sio)

    def connect(self):
        connecting = self.sio.connect(
            self.url, auth=self.auth, transports=self.transports, wait_timeout=DEADLINE
        )
        self.background.run(connecting)

    def emit(self, event, data=None):
        return self.background.run(self.sio.call(event, data, timeout=DEADLINE))

    def tell(self, event, data=None):
        self.background.run(self.sio.emit(event, data))

    def cut(self):
        self.background.run(self.sio.eio.ws.close())

    def gives_up(self):
        """The connection ends, and the client makes no new one."""
        self.background.run(self.sio.wait())

    def close(self):
        # The client says goodbye at once, then waits for its last long poll, which may stay open until the ping timeout.
        goodbye = asyncio.run_coroutine_threadsafe(self.sio.disconnect(), self.background.loop)
        wait([goodbye], timeout=1)


KINDS = {"Client": SyncSocket, "AsyncClient": AsyncSocket}
