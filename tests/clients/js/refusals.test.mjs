// Every emit with an ack is answered, and every failed emit without one is answered by an error event.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

const COMMANDS = [
  "join_room",
  "leave_room",
  "send_message",
  "edit_message",
  "message_edited",
  "delete_message",
  "message_deleted",
  "typing",
  "stop_typing",
  "mark_as_read",
  "sync",
  "get_presence",
  "set_status",
  "authenticate",
];

describe("refusals", () => {
  overEachTransport((transport) => {
    test("ping answers what it was given", async () => {
      const [ada] = await people(here.server, "ada");
      const socket = await ada.connect(transport);
      for (const payload of [{ a: [1, "two", null] }, 42, "text", [1, 2], null]) {
        assert.deepEqual(await socket.emit("ping", payload), { ok: true, data: payload });
      }
      assert.equal((await socket.emit("ping")).ok, true);
    });

    for (const command of COMMANDS) {
      test(`${command} with anything but its payload is a VALIDATION_ERROR`, async () => {
        const [ada] = await people(here.server, "ada");
        const socket = await ada.connect(transport);
        for (const payload of [[], [null], [42], ["text"], [[]], [{}], [{ room_id: 7, message_id: 7 }], [1, 2, 3, 4, 5]]) {
          await socket.refused("VALIDATION_ERROR", command, ...payload);
        }
      });
    }

    for (const event of ["no_such_event", "new_message", "member_added", "connected", "error", "__proto__", "x".repeat(500)]) {
      test(`${event.slice(0, 20)} is an UNKNOWN_EVENT from a client`, async () => {
        const [ada] = await people(here.server, "ada");
        const socket = await ada.connect(transport);
        await socket.refused("UNKNOWN_EVENT", event, { room_id: "x" });
      });
    }

    test("a failed event that asked for no ack is answered by error", async () => {
      const [ada, eve] = await people(here.server, "ada", "eve");
      const room = await ada.openGroup();
      const socket = await eve.connect(transport);
      socket.io.emit("join_room", { room_id: room.id });
      const refused = await socket.heard("error", (error) => error.event === "join_room");
      assert.equal(refused.code, "ROOM_NOT_FOUND");
      assert.ok(refused.message);
      socket.io.emit("no_such_event", {});
      assert.equal((await socket.heard("error", (error) => error.event === "no_such_event")).code, "UNKNOWN_EVENT");
      await socket.refused("ROOM_NOT_FOUND", "join_room", { room_id: room.id });
      await socket.roundTrip();
      assert.equal(socket.all("error").length, 2, "an event with an ack has its answer already");
    });

    test("an event that succeeds without an ack is silent", async () => {
      const [ada] = await people(here.server, "ada");
      const room = await ada.openGroup();
      const socket = await ada.enter(transport, room);
      socket.io.emit("send_message", { room_id: room.id, content: "no ack, please" });
      assert.equal((await socket.heard("new_message")).message.content, "no ack, please");
      await socket.roundTrip();
      assert.deepEqual(socket.all("error"), []);
    });

    test("binary where JSON belongs is answered, and the socket lives on", async () => {
      const [ada] = await people(here.server, "ada");
      const room = await ada.openGroup();
      const socket = await ada.enter(transport, room);
      await socket.refused("VALIDATION_ERROR", "send_message", { room_id: room.id, content: Buffer.from("bytes") });
      await socket.roundTrip();
    });

    test("unknown fields change nothing", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const socket = await bob.enter(transport, room);
      const { message } = await socket.ask("send_message", {
        room_id: room.id,
        content: "it is I",
        sender_id: ada.id,
        is_superuser: true,
        seq: 1_000_000,
        is_bot: true,
      });
      assert.equal(message.sender_id, bob.id);
      assert.equal(message.is_bot, false);
      assert.ok(message.seq < 1_000);
    });
  });
});
