// What JavaScript programs leave out: undefined, null, empty lists and texts, requests without a body.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

describe("absent values", () => {
  overEachTransport((transport) => {
    test("null, undefined and empty lists are not given", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const socket = await ada.connect(transport, { rooms: null, cursors: undefined });
      await socket.ask("join_room", { room_id: room.id, after_seq: null });
      const fields = { content: "x", attachments: [], media_id: null, media_url: "", reply_to_id: undefined };
      const { message } = await socket.ask("send_message", { room_id: room.id, message_type: undefined, ...fields });
      assert.deepEqual([message.message_type, message.attachments], ["text", []]);
      await socket.ask("typing", { room_id: room.id, is_typing: undefined });
      const mark = { room_id: room.id, message_ids: [], up_to_seq: message.seq };
      assert.equal((await socket.ask("mark_as_read", mark)).last_read_seq, message.seq);
      await socket.ask("sync", { cursors: { [room.id]: message.seq }, limit: null });
      const same = await socket.ask("edit_message", { message_id: message.id, content: "x" });
      assert.deepEqual([same.message.is_edited, same.message.edited_at], [false, null]);
      await socket.refused("VALIDATION_ERROR", "edit_message", { message_id: message.id, content: null });
    });

    test("one heart is one reaction, whichever keyboard it comes from", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const message = await ada.send(room.id, "look");
      const [adas, bobs] = [await ada.enter(transport, room), await bob.enter(transport, room)];
      await adas.ask("add_reaction", { message_id: message.id, emoji: "\u2764" });
      const { reactions } = await bobs.ask("add_reaction", { message_id: message.id, emoji: "\u2764\ufe0f" });
      assert.deepEqual(reactions, [{ emoji: "\u2764\ufe0f", count: 2, mine: true }]);
      const left = await adas.ask("remove_reaction", { message_id: message.id, emoji: "\u2764\ufe0e" });
      assert.deepEqual(left.reactions, [{ emoji: "\u2764\ufe0f", count: 1, mine: false }]);
    });
  });

  test("fetch without a body is a request where every field is left out", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.call("POST", "/api/chat/rooms/", { room_type: "group", name: "r", visibility: "public", member_ids: null });
    assert.ok((await ada.call("POST", `/api/chat/rooms/${room.id}/invite`, undefined, 201)).code);
    await bob.call("POST", `/api/chat/rooms/${room.id}/join/`, undefined, 200);
    await bob.call("POST", `/api/chat/rooms/${room.id}/leave`, undefined, 204);
    await ada.call("PUT", `/api/chat/rooms/${room.id}/bans/${bob.id}`, undefined, 200);
    await ada.refused("PATCH", `/api/chat/rooms/${room.id}`, undefined, 422, "VALIDATION_ERROR");
    await ada.refused("PATCH", `/api/chat/rooms/${room.id}`, [], 422, "VALIDATION_ERROR");
  });
});
