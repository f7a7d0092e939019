// What sockets hear of a room's people and settings, and that a removal bites at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

describe("membership", () => {
  overEachTransport((transport) => {
    test("whoever becomes a member hears room_created, joined or not", async () => {
      const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
      const bobs = await bob.connect(transport);
      const cleos = await cleo.connect(transport);
      const room = await ada.openGroup([bob]);
      assert.equal((await bobs.heard("room_created")).room.id, room.id);
      await ada.call("POST", `/api/chat/rooms/${room.id}/members`, { user_ids: [cleo.id] });
      assert.equal((await cleos.heard("room_created")).room.name, "Engine room");
      await bobs.roundTrip();
      assert.equal(bobs.all("room_created").length, 1);
    });

    test("members hear of members that come, change and go, each with its seq", async () => {
      const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
      const room = await ada.openGroup([bob]);
      const bobs = await bob.enter(transport, room);
      const members = `/api/chat/rooms/${room.id}/members`;

      await ada.call("POST", members, { user_ids: [cleo.id] });
      const added = await bobs.heard("member_added", (event) => event.member.user_id === cleo.id);
      assert.equal(added.room_id, room.id);
      assert.equal(added.member.role, "member");
      assert.equal(added.member.user.username, cleo.username);

      await ada.call("PATCH", `${members}/${cleo.id}`, { role: "admin" });
      const updated = await bobs.heard("member_updated");
      assert.equal(updated.member.user_id, cleo.id);
      assert.equal(updated.member.role, "admin");
      assert.equal(updated.seq, added.seq + 1);

      await ada.call("DELETE", `${members}/${cleo.id}`);
      const removed = await bobs.heard("member_removed");
      assert.deepEqual(removed, { room_id: room.id, seq: updated.seq + 1, user_id: cleo.id, reason: "removed" });

      await bob.call("POST", `/api/chat/rooms/${room.id}/leave`);
      const { messages } = await ada.call("GET", `/api/chat/rooms/${room.id}/messages`);
      assert.deepEqual(messages, [], "none of this is a message");
    });

    test("whoever leaves is seen to have left", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const adas = await ada.enter(transport, room);
      await bob.call("POST", `/api/chat/rooms/${room.id}/leave`);
      const { user_id, reason } = await adas.heard("member_removed");
      assert.deepEqual({ user_id, reason }, { user_id: bob.id, reason: "left" });
    });

    test("members hear new settings, and the end of the room", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const bobs = await bob.enter(transport, room);
      await ada.call("PATCH", `/api/chat/rooms/${room.id}`, { name: "Boiler room" });
      const updated = await bobs.heard("room_updated");
      assert.equal(updated.room_id, room.id);
      assert.equal(updated.room.name, "Boiler room");
      await ada.call("DELETE", `/api/chat/rooms/${room.id}`);
      const deleted = await bobs.heard("room_deleted");
      assert.deepEqual(deleted, { room_id: room.id, seq: updated.seq + 1 });
      await bobs.refused("ROOM_NOT_FOUND", "send_message", { room_id: room.id, content: "anyone?" });
    });

    test("a removed member hears nothing more and is heard no more", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const adas = await ada.enter(transport, room);
      const sockets = [await bob.enter(transport, room), await bob.connect(transport, { rooms: "all" })];
      const message = await bob.send(room.id, "still in");
      for (const socket of sockets) await socket.heard("new_message");

      await ada.call("DELETE", `/api/chat/rooms/${room.id}/members/${bob.id}`);
      await ada.send(room.id, "without bob");
      await adas.ask("typing", { room_id: room.id });
      await adas.heard("new_message", (event) => event.message.content === "without bob");
      for (const socket of sockets) {
        await socket.roundTrip();
        assert.deepEqual(socket.all("new_message").map((event) => event.message.content), ["still in"]);
        assert.deepEqual(socket.all("user_typing"), []);
        assert.deepEqual(socket.all("room_activity"), []);
        await socket.refused("ROOM_NOT_FOUND", "send_message", { room_id: room.id, content: "let me in" });
        await socket.refused("ROOM_NOT_FOUND", "typing", { room_id: room.id });
        await socket.refused("ROOM_NOT_FOUND", "mark_as_read", { room_id: room.id, up_to_seq: message.seq });
        await socket.refused("ROOM_NOT_FOUND", "join_room", { room_id: room.id });
        await socket.refused("MESSAGE_NOT_FOUND", "edit_message", { message_id: message.id, content: "changed" });
      }
      await adas.roundTrip();
      assert.deepEqual(adas.all("user_typing", (event) => event.user_id === bob.id), []);
    });

    test("a member made a viewer may not send from the socket that is open", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const bobs = await bob.enter(transport, room);
      await bobs.ask("send_message", { room_id: room.id, content: "while I may" });
      await ada.call("PATCH", `/api/chat/rooms/${room.id}/members/${bob.id}`, { role: "viewer" });
      await bobs.refused("PERMISSION_DENIED", "send_message", { room_id: room.id, content: "no more" });
      await bobs.refused("PERMISSION_DENIED", "typing", { room_id: room.id });
      await ada.send(room.id, "but you still hear");
      await bobs.heard("new_message", (event) => event.message.content === "but you still hear");
    });
  });
});
