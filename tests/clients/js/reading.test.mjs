// Receipts, unread counts, and the news of rooms that a socket has not joined.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

async function threeMessagesForBob(transport) {
  const [ada, bob] = await people(here.server, "ada", "bob");
  const room = await ada.openGroup([bob]);
  const messages = [];
  for (const content of ["one", "two", "three"]) messages.push(await ada.send(room.id, content));
  const adas = await ada.enter(transport, room);
  const bobs = await bob.enter(transport, room);
  return { ada, bob, room, messages, adas, bobs };
}

describe("reading", () => {
  overEachTransport((transport) => {
    test("mark_as_read by message ids moves the mark and tells the others", async () => {
      const { bob, room, messages, adas, bobs } = await threeMessagesForBob(transport);
      const message_ids = [messages[1].id, messages[0].id];
      const mark = await bobs.ask("mark_as_read", { room_id: room.id, message_ids });
      assert.deepEqual(mark, { last_read_seq: messages[1].seq, unread_count: 1, mention_count: 0 });
      const read = await adas.heard("messages_read");
      assert.equal(read.room_id, room.id);
      assert.equal(read.user_id, bob.id);
      assert.equal(read.last_read_seq, messages[1].seq);
      assert.deepEqual([...read.message_ids].sort(), [...message_ids].sort());
      assert.ok(Date.parse(read.read_at));
    });

    test("mark_as_read up to a place moves the mark, and never backwards", async () => {
      const { bob, room, messages, bobs } = await threeMessagesForBob(transport);
      const mark = (up_to_seq) => bobs.ask("mark_as_read", { room_id: room.id, up_to_seq });
      const [first, , last] = messages.map((message) => message.seq);
      assert.deepEqual(await mark(last), { last_read_seq: last, unread_count: 0, mention_count: 0 });
      assert.deepEqual(await mark(first), { last_read_seq: last, unread_count: 0, mention_count: 0 });
      const { members, unread_count } = await bob.call("GET", `/api/chat/rooms/${room.id}`);
      assert.equal(unread_count, 0);
      assert.equal(members.find((member) => member.user_id === bob.id).last_read_seq, last);
    });

    test("the REST route does the same and is heard on the socket", async () => {
      const { bob, room, messages, adas } = await threeMessagesForBob(transport);
      const path = `/api/chat/rooms/${room.id}/read`;
      const mark = await bob.call("POST", path, { message_ids: [messages[0].id] }, 200);
      assert.deepEqual(mark, { last_read_seq: messages[0].seq, unread_count: 2, mention_count: 0 });
      assert.equal((await adas.heard("messages_read")).last_read_seq, messages[0].seq);
      assert.equal((await bob.call("POST", path, { up_to_seq: messages[2].seq }, 200)).unread_count, 0);
      await adas.heard("messages_read", (event) => event.last_read_seq === messages[2].seq);
    });

    test("foreign ids, places that do not exist and empty marks are refused, and nothing is written", async () => {
      const { ada, bob, room, messages, bobs } = await threeMessagesForBob(transport);
      const foreign = await ada.send((await ada.openGroup()).id, "elsewhere");
      await bobs.refused("INVALID_REFERENCE", "mark_as_read", {
        room_id: room.id,
        message_ids: [messages[0].id, foreign.id],
      });
      for (const mark of [{}, { up_to_seq: -1 }, { message_ids: [] }, { message_ids: Array(501).fill(foreign.id) }]) {
        await bobs.refused("VALIDATION_ERROR", "mark_as_read", { room_id: room.id, ...mark });
      }
      assert.equal((await bob.call("GET", `/api/chat/rooms/${room.id}`)).unread_count, 3);
    });

    test("one's own messages are never unread", async () => {
      const { ada, bob, room } = await threeMessagesForBob(transport);
      assert.equal((await ada.call("GET", `/api/chat/rooms/${room.id}`)).unread_count, 0);
      await bob.send(room.id, "reply");
      assert.equal((await ada.call("GET", `/api/chat/rooms/${room.id}`)).unread_count, 1);
    });

    test("room_activity tells members who have not joined, and only them", async () => {
      const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
      const room = await ada.openGroup([bob, cleo]);
      const outside = await bob.connect(transport);
      const inside = await cleo.enter(transport, room);
      const message = await ada.send(room.id, "news");
      const activity = await outside.heard("room_activity", (event) => event.last_message?.id === message.id);
      assert.equal(activity.room_id, room.id);
      assert.equal(activity.last_seq, message.seq);
      assert.equal(activity.unread_count, 1);
      assert.equal(activity.last_message.content, "news");
      await inside.heard("new_message");
      await inside.roundTrip();
      assert.deepEqual(inside.all("room_activity"), []);
      assert.deepEqual(outside.all("new_message"), []);
    });

    test("a burst is few room_activity, and the last of them is the whole truth", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const outside = await bob.connect(transport);
      const adas = await ada.enter(transport, room);
      const acks = await Promise.all(
        Array.from({ length: 30 }, (_, n) => adas.ask("send_message", { room_id: room.id, content: `news ${n}` })),
      );
      const last = acks.at(-1).message;
      const final = await outside.heard("room_activity", (event) => event.last_seq === last.seq);
      assert.equal(final.unread_count, 30);
      assert.equal(final.last_message.id, last.id);
      const news = outside.all("room_activity", (event) => event.last_message);
      assert.ok(news.length < 10, `${news.length} for 30 messages`);
    });
  });
});
