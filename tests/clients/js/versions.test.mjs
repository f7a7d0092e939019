// Clients of other years: whoever has built an app with one of them keeps it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { polling, upgrade, websocket } from "./transports.mjs";
import { within } from "./deadline.mjs";

const here = serverForThisFile();

const DEADLINE = 10_000;

/** An old client's socket: callbacks only. */
class OldSocket {
  constructor(io, server, transport, token) {
    this.io = io(server.url, {
      auth: { token },
      transports: transport.list,
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
    });
    server.closers.add(() => this.io.disconnect());
  }

  /** The data of the next event of this name. */
  next(event) {
    return within(DEADLINE, event, new Promise((resolve) => this.io.once(event, resolve)));
  }

  ask(event, payload) {
    return within(DEADLINE, `the ack of ${event}`, new Promise((resolve) => this.io.emit(event, payload, resolve)));
  }
}

for (const version of ["3.1", "4.0", "4.5", "4.7", "latest"]) {
  const name = version === "latest" ? "socket.io-client" : `socket.io-client-${version}`;
  describe(`socket.io-client ${version}`, { concurrency: 3 }, async () => {
    const { io } = await import(name);
    for (const transport of [websocket, polling, upgrade]) {
      test(`works over ${transport.name}, and comes back`, async () => {
        const [ada, bob] = await people(here.server, "ada", "bob");
        const room = await ada.openGroup([bob]);
        const socket = new OldSocket(io, here.server, transport, ada.token);
        assert.equal((await socket.next("connected")).user_id, ada.id);
        assert.equal((await socket.ask("join_room", { room_id: room.id })).ok, true);

        const heard = socket.next("new_message");
        const sent = await socket.ask("send_message", { room_id: room.id, content: "from the past" });
        assert.equal(sent.data.message.content, "from the past");
        assert.equal((await heard).message.id, sent.data.message.id);

        const bytes = await socket.ask("ping", { nested: [Buffer.from([0, 1, 2, 255])] });
        assert.deepEqual([...Buffer.from(bytes.data.nested[0])], [0, 1, 2, 255]);
        assert.equal((await socket.ask('say "hi" – größe', {})).error.code, "UNKNOWN_EVENT");

        const again = socket.next("connected");
        socket.io.io.engine.close();
        assert.equal((await again).user_id, ada.id);
        assert.equal((await socket.ask("join_room", { room_id: room.id, after_seq: sent.data.message.seq })).ok, true);
        const next = socket.next("new_message");
        await bob.send(room.id, "welcome back");
        assert.equal((await next).message.content, "welcome back");
        socket.io.disconnect();
      });
    }
  });
}
