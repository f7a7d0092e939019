// join_room, leave_room, and who hears what of a room.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

describe("joining", () => {
  overEachTransport((transport) => {
    test("join_room answers where the room stands, and tells the others", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const { seq } = await ada.send(room.id, "before");
      const adas = await ada.enter(transport, room);
      const bobs = await bob.connect(transport);
      const joined = await bobs.ask("join_room", { room_id: room.id });
      assert.deepEqual(joined, { room_id: room.id, last_seq: seq, replayed: 0 });
      assert.deepEqual(await bobs.heard("room_joined"), { room_id: room.id, user_id: bob.id, last_seq: seq });
      const seen = await adas.heard("user_joined", (event) => event.user_id === bob.id);
      assert.equal(seen.room_id, room.id);
      assert.equal(seen.user.username, bob.username);
    });

    test("only a person's first socket is seen to join, and only the last to leave", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const adas = await ada.enter(transport, room);
      const ofBob = (event) => event.user_id === bob.id;
      const first = await bob.enter(transport, room);
      await adas.heard("user_joined", ofBob);
      const second = await bob.enter(transport, room);
      const left = await first.ask("leave_room", { room_id: room.id });
      assert.deepEqual(left, { room_id: room.id });
      assert.deepEqual(await first.heard("room_left"), { room_id: room.id, user_id: bob.id });
      await adas.roundTrip();
      assert.deepEqual(adas.all("user_left"), [], "the second is still there");
      second.close();
      assert.deepEqual(await adas.heard("user_left"), { room_id: room.id, user_id: bob.id });
      assert.equal(adas.all("user_joined", ofBob).length, 1);
    });

    test("a socket hears a room from join_room to leave_room", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const witness = await ada.enter(transport, room);
      const bobs = await bob.connect(transport);
      const say = async (content) => {
        await ada.send(room.id, content);
        await witness.heard("new_message", (event) => event.message.content === content);
      };
      await say("too early");
      await bobs.ask("join_room", { room_id: room.id });
      await say("in time");
      await bobs.heard("new_message", (event) => event.message.content === "in time");
      await bobs.ask("leave_room", { room_id: room.id });
      await say("too late");
      await bobs.roundTrip();
      assert.deepEqual(bobs.all("new_message").map((event) => event.message.content), ["in time"]);
    });

    test("joining twice is joining once", async () => {
      const [ada] = await people(here.server, "ada");
      const room = await ada.openGroup();
      const socket = await ada.enter(transport, room);
      await socket.ask("join_room", { room_id: room.id });
      await socket.ask("send_message", { room_id: room.id, content: "once" });
      await socket.heard("new_message");
      await socket.roundTrip();
      assert.equal(socket.all("new_message").length, 1);
    });

    test('rooms: "all" hears every room of mine, those of later too, and no others', async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const rooms = [await ada.openGroup([bob]), await ada.openGroup([bob])];
      const foreign = await ada.openGroup();
      const bobs = await bob.connect(transport, { rooms: "all" });
      await ada.send(foreign.id, "not for bob");
      for (const room of rooms) await ada.send(room.id, `in ${room.id}`);
      const heard = await bobs.heardTimes(2, "new_message");
      assert.deepEqual(heard.map((event) => event.room_id).sort(), rooms.map((room) => room.id).sort());

      const later = await ada.openGroup([bob]);
      await bobs.heard("room_created", (event) => event.room.id === later.id);
      await ada.send(later.id, "welcome");
      await bobs.heard("new_message", (event) => event.room_id === later.id);
      assert.deepEqual(bobs.all("new_message", (event) => event.room_id === foreign.id), []);
    });

    test("a stranger's join_room is refused like that of a room that does not exist", async () => {
      const [ada, eve] = await people(here.server, "ada", "eve");
      const room = await ada.openGroup();
      const adas = await ada.enter(transport, room);
      const eves = await eve.connect(transport);
      const refused = await eves.refused("ROOM_NOT_FOUND", "join_room", { room_id: room.id });
      const unknown = await eves.refused("ROOM_NOT_FOUND", "join_room", {
        room_id: "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11",
      });
      assert.deepEqual(refused, unknown);
      await ada.send(room.id, "among us");
      await adas.heard("new_message");
      await eves.roundTrip();
      assert.deepEqual(eves.names(), ["connected"]);
      assert.deepEqual(adas.all("user_joined", (event) => event.user_id === eve.id), []);
    });

    test("leave_room of a room one is not in is answered", async () => {
      const [ada, eve] = await people(here.server, "ada", "eve");
      const room = await ada.openGroup();
      const eves = await eve.connect(transport);
      const ack = await eves.emit("leave_room", { room_id: room.id });
      assert.equal(typeof ack.ok, "boolean");
      assert.equal((await eves.refused("VALIDATION_ERROR", "leave_room", { room_id: "abc" })).field, "room_id");
    });
  });
});
