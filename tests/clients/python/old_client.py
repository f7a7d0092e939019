"""What an app of another year does: run with that year's client in front on the path, the address, the token, the room and
the transports (or `default`) as arguments."""

import queue
import sys

import socketio

url, token, room, transports = sys.argv[1:]
DEADLINE = 8


class App:
    """A client that has connected and heard `connected`. A new one each time: those of these years that connect twice
    sometimes write by the threads of both times."""

    def __init__(self):
        self.client = socketio.Client(reconnection=False)
        self.connected, self.messages = queue.Queue(), queue.Queue()
        self.client.on("connected", self.connected.put)
        self.client.on("new_message", lambda data: self.messages.put(data["message"]))
        ways = None if transports == "default" else [transports]
        self.client.connect(url, auth={"token": token}, transports=ways, wait_timeout=DEADLINE)
        self.connected.get(timeout=DEADLINE)

    def call(self, event, data):
        return self.client.call(event, data, timeout=DEADLINE)

    def ask(self, event, data):
        answer = self.call(event, data)
        assert answer["ok"] is True, f"{event}: {answer}"
        return answer["data"]


app = App()
app.ask("join_room", {"room_id": room})
first = app.ask("send_message", {"room_id": room, "content": "before the break"})["message"]
assert app.messages.get(timeout=DEADLINE)["id"] == first["id"]
assert app.ask("ping", {"bytes": [b"\x00\xff"]}) == {"bytes": [b"\x00\xff"]}
assert app.call("größe", {})["error"]["code"] == "UNKNOWN_EVENT"
app.client.disconnect()

app = App()
app.ask("join_room", {"room_id": room, "after_seq": first["seq"]})
second = app.ask("send_message", {"room_id": room, "content": "after the break"})["message"]
assert app.messages.get(timeout=DEADLINE)["id"] == second["id"]
app.client.disconnect()
print("good")
