// What members put to messages: reactions, pins, mentions, replies, receipts.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

async function aMessageOfAda(transport) {
  const [ada, bob] = await people(here.server, "ada", "bob");
  const room = await ada.openGroup([bob]);
  const message = await ada.send(room.id, "what do you think?");
  return { ada, bob, room, message, adas: await ada.enter(transport, room), bobs: await bob.enter(transport, room) };
}

describe("reactions", () => {
  overEachTransport((transport) => {
    test("an emoji is put and taken, by socket and over REST, and everybody hears of it", async () => {
      const { ada, bob, room, message, adas, bobs } = await aMessageOfAda(transport);
      const emoji = "👩🏽‍💻";
      const put = await bobs.ask("add_reaction", { message_id: message.id, emoji });
      assert.deepEqual(put, { reactions: [{ emoji, count: 1, mine: true }] });
      const added = await adas.heard("reaction_added");
      assert.deepEqual(added, {
        room_id: room.id,
        seq: message.seq + 1,
        message_id: message.id,
        user_id: bob.id,
        emoji,
      });
      const path = `/api/chat/messages/${message.id}/reactions`;
      assert.deepEqual((await ada.call("POST", path, { emoji }, 200)).reactions, [{ emoji, count: 2, mine: true }]);
      const [seen] = (await bob.call("GET", `/api/chat/rooms/${room.id}/messages`)).messages;
      assert.deepEqual(seen.reactions, [{ emoji, count: 2, mine: true }]);

      const left = await bob.call("DELETE", `${path}/${encodeURIComponent(emoji)}`, undefined, 200);
      assert.deepEqual(left, { reactions: [{ emoji, count: 1, mine: false }] });
      assert.equal((await adas.heard("reaction_removed")).user_id, bob.id);
      assert.deepEqual(await adas.ask("remove_reaction", { message_id: message.id, emoji }), { reactions: [] });
      await adas.refused("VALIDATION_ERROR", "add_reaction", { message_id: message.id, emoji: "yes" });
    });

    test("an admin pins a message and takes it down", async () => {
      const { ada, bob, room, message, bobs } = await aMessageOfAda(transport);
      const path = `/api/chat/messages/${message.id}/pin`;
      await bob.refused("PUT", path, undefined, 403, "PERMISSION_DENIED");
      assert.equal((await ada.call("PUT", path, undefined, 200)).is_pinned, true);
      assert.equal((await bobs.heard("message_pinned")).message_id, message.id);
      const { pins, total } = await bob.call("GET", `/api/chat/rooms/${room.id}/pins`);
      assert.equal(total, 1);
      assert.equal(pins[0].message.content, message.content);
      assert.equal(pins[0].user_id, ada.id);
      await ada.call("DELETE", path, undefined, 204);
      assert.equal((await bobs.heard("message_unpinned")).message_id, message.id);
      assert.equal((await bob.call("GET", `/api/chat/rooms/${room.id}/pins`)).total, 0);
    });

    test("who is mentioned is told how often", async () => {
      const { ada, bob, room } = await aMessageOfAda(transport);
      const onlooker = await bob.connect(transport);
      const message = await ada.send(room.id, `Ask @${bob.username.toUpperCase()}, please.`);
      assert.deepEqual(message.mentions, [bob.id]);
      const activity = await onlooker.heard("room_activity", (event) => event.last_seq === message.seq);
      assert.equal(activity.mention_count, 1);
      const [listed] = (await bob.call("GET", "/api/chat/rooms")).rooms;
      assert.equal(listed.mention_count, 1);
      assert.equal(listed.unread_count, 2);
      const mark = await onlooker.ask("mark_as_read", { room_id: room.id, up_to_seq: message.seq });
      assert.equal(mark.mention_count, 0);
    });

    test("a message knows its replies and its readers", async () => {
      const { ada, bob, room, message, bobs } = await aMessageOfAda(transport);
      const reply = { room_id: room.id, content: "well", reply_to_id: message.id };
      const { message: sent } = await bobs.ask("send_message", reply);
      const thread = await ada.call("GET", `/api/chat/messages/${message.id}/replies`, undefined, 200);
      assert.deepEqual(thread.messages.map((one) => one.id), [sent.id]);
      assert.equal((await ada.call("GET", `/api/chat/messages/${message.id}`)).reply_count, 1);

      const receipts = () => ada.call("GET", `/api/chat/messages/${message.id}/receipts`, undefined, 200);
      assert.equal((await receipts()).total, 0);
      await bobs.ask("mark_as_read", { room_id: room.id, message_ids: [message.id] });
      const read = await receipts();
      assert.deepEqual(read.receipts.map((one) => one.user_id), [bob.id]);
      assert.ok(Date.parse(read.receipts[0].read_at));
    });
  });
});
