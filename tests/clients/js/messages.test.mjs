// Messages over the socket: send, repeat, edit, delete, reply, forward; and the names older clients use.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

async function adaAndBobInARoom(transport) {
  const [ada, bob] = await people(here.server, "ada", "bob");
  const room = await ada.openGroup([bob]);
  const adas = await ada.enter(transport, room);
  const bobs = await bob.enter(transport, room);
  const say = async (content, more = {}) =>
    (await adas.ask("send_message", { room_id: room.id, content, ...more })).message;
  return { ada, bob, room, adas, bobs, say };
}

describe("messages", () => {
  overEachTransport((transport) => {
    test("a message is acked with its place and heard by all, its sender too", async () => {
      const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
      const sent = await adas.ask("send_message", {
        room_id: room.id,
        message_type: "text",
        content: "Hello",
        client_msg_id: "a1",
      });
      assert.equal(sent.duplicate, false);
      const { message } = sent;
      assert.equal(message.room_id, room.id);
      assert.equal(message.sender_id, ada.id);
      assert.equal(message.sender.username, ada.username);
      assert.equal(message.message_type, "text");
      assert.equal(message.content, "Hello");
      assert.equal(message.client_msg_id, "a1");
      assert.equal(message.is_edited, false);
      assert.equal(message.is_deleted, false);
      assert.deepEqual(message.reactions, []);
      for (const socket of [adas, bobs]) {
        const event = await socket.heard("new_message");
        assert.equal(event.room_id, room.id);
        assert.equal(event.seq, message.seq);
        assert.equal(event.message.id, message.id);
        assert.equal(event.message.content, "Hello");
      }
      const stored = await ada.call("GET", `/api/chat/messages/${message.id}`, undefined, 200);
      assert.deepEqual(stored, message);
    });

    test("messages emitted without waiting keep their order and get dense places", async () => {
      const { room, adas, bobs } = await adaAndBobInARoom(transport);
      const contents = Array.from({ length: 200 }, (_, n) => `number ${n}`);
      const acks = await Promise.all(
        contents.map((content) => adas.ask("send_message", { room_id: room.id, content })),
      );
      const first = acks[0].message.seq;
      assert.deepEqual(acks.map((ack) => ack.message.seq), contents.map((_, n) => first + n));
      const heard = await bobs.heardTimes(200, "new_message");
      assert.deepEqual(heard.map((event) => event.message.content), contents);
      assert.deepEqual(heard.map((event) => event.seq), contents.map((_, n) => first + n));
    });

    test("a repeated client_msg_id stores one message, and another body is a conflict", async () => {
      const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
      const body = { room_id: room.id, content: "only once", client_msg_id: "same" };
      const acks = await Promise.all([1, 2, 3].map(() => adas.ask("send_message", body)));
      assert.equal(new Set(acks.map((ack) => ack.message.id)).size, 1);
      assert.deepEqual(acks.map((ack) => ack.duplicate).sort(), [false, true, true]);
      const over = await ada.call("POST", "/api/chat/messages", body, 200);
      assert.equal(over.id, acks[0].message.id, "REST answers the stored one");
      await adas.refused("CLIENT_MSG_ID_CONFLICT", "send_message", { ...body, content: "something else" });
      await adas.ask("send_message", { room_id: room.id, content: "the end" });
      await bobs.heard("new_message", (event) => event.message.content === "the end");
      assert.equal(bobs.all("new_message").length, 2);
    });

    for (const command of ["edit_message", "message_edited"]) {
      test(`${command} changes the text and tells all`, async () => {
        const { ada, adas, bobs, say } = await adaAndBobInARoom(transport);
        const { id, seq } = await say("frist");
        const { message } = await adas.ask(command, { message_id: id, content: "first" });
        assert.equal(message.content, "first");
        assert.equal(message.is_edited, true);
        assert.equal(message.seq, seq, "an edited message keeps its place");
        for (const socket of [adas, bobs]) {
          const event = await socket.heard("message_edited");
          assert.equal(event.message_id, id);
          assert.equal(event.content, "first");
          assert.equal(event.edited_at, message.edited_at);
          assert.equal(event.message.content, "first");
          assert.ok(event.seq > seq, "the edit has a place of its own");
        }
        assert.equal((await ada.call("GET", `/api/chat/messages/${id}`)).content, "first");
      });

      test(`${command} of another's message is refused and heard by nobody`, async () => {
        const { adas, bobs, say } = await adaAndBobInARoom(transport);
        const { id } = await say("mine");
        await bobs.refused("PERMISSION_DENIED", command, { message_id: id, content: "yours" });
        await say("the end");
        await adas.heard("new_message", (event) => event.message.content === "the end");
        assert.deepEqual(adas.all("message_edited"), []);
      });
    }

    for (const command of ["delete_message", "message_deleted"]) {
      test(`${command} takes the content away everywhere and keeps the place`, async () => {
        const { ada, bob, room, adas, bobs, say } = await adaAndBobInARoom(transport);
        const { id, seq } = await say("regrettable");
        const reply = await say("what did you say?", { reply_to_id: id });
        assert.equal(reply.reply_to.content, "regrettable");
        const deleted = await adas.ask(command, { message_id: id });
        assert.equal(deleted.message_id, id);
        for (const socket of [adas, bobs]) {
          const event = await socket.heard("message_deleted");
          assert.equal(event.message_id, id);
          assert.equal(event.deleted_at, deleted.deleted_at);
          assert.equal(event.room_id, room.id);
          assert.ok(event.seq > reply.seq);
        }
        const history = await bob.call("GET", `/api/chat/rooms/${room.id}/messages`);
        const [gone] = history.messages.filter((message) => message.id === id);
        assert.equal(gone.content, null);
        assert.equal(gone.is_deleted, true);
        assert.equal(gone.seq, seq);
        const replay = await bobs.ask("sync", { cursors: { [room.id]: 0 } });
        for (const answer of [history, await ada.call("GET", `/api/chat/messages/${reply.id}`), replay]) {
          assert.doesNotMatch(JSON.stringify(answer), /regrettable/);
        }
      });

      test(`${command} of another's message is refused to a member and granted to an admin`, async () => {
        const { ada, bob, room, adas, bobs, say } = await adaAndBobInARoom(transport);
        const { id } = await say("up for deletion");
        await bobs.refused("PERMISSION_DENIED", command, { message_id: id });
        assert.equal((await ada.call("GET", `/api/chat/messages/${id}`)).is_deleted, false);
        assert.deepEqual(adas.all("message_deleted"), []);
        await ada.call("PATCH", `/api/chat/rooms/${room.id}/members/${bob.id}`, { role: "admin" });
        await bobs.ask(command, { message_id: id });
        await adas.heard("message_deleted");
      });
    }

    test("a reply shows what it answers, from the same room only", async () => {
      const { ada, adas, bobs, say } = await adaAndBobInARoom(transport);
      const question = await say("tea?");
      const answer = await say("yes", { reply_to_id: question.id });
      assert.equal(answer.reply_to_id, question.id);
      assert.equal(answer.reply_to.id, question.id);
      assert.equal(answer.reply_to.content, "tea?");
      assert.equal(answer.reply_to.sender_id, ada.id);
      const event = await bobs.heard("new_message", (one) => one.message.id === answer.id);
      assert.equal(event.message.reply_to.content, "tea?");
      const elsewhere = await ada.openGroup();
      await adas.refused("INVALID_REFERENCE", "send_message", {
        room_id: elsewhere.id,
        content: "yes",
        reply_to_id: question.id,
      });
    });

    test("a forward takes the content along, from a room one can read", async () => {
      const { ada, bob, bobs, say } = await adaAndBobInARoom(transport);
      const original = await say("spread the word");
      const other = await bob.openGroup();
      const { message } = await bobs.ask("send_message", { room_id: other.id, forwarded_from_id: original.id });
      assert.equal(message.content, "spread the word");
      assert.equal(message.forwarded_from_id, original.id);
      await ada.call("DELETE", `/api/chat/messages/${original.id}`);
      assert.equal((await bob.call("GET", `/api/chat/messages/${message.id}`)).content, "spread the word");

      const hidden = await ada.send((await ada.openGroup()).id, "not for bob");
      const ack = await bobs.emit("send_message", { room_id: other.id, forwarded_from_id: hidden.id });
      assert.equal(ack.ok, false);
      assert.ok(["MESSAGE_NOT_FOUND", "INVALID_REFERENCE"].includes(ack.error.code), ack.error.code);
      assert.doesNotMatch(JSON.stringify(ack), /not for bob/);
    });

    test("the notice of a message stored over REST is acked and told to nobody twice", async () => {
      const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
      const stored = await ada.send(room.id, "over REST");
      const { message } = await adas.ask("send_message", { room_id: room.id, message_id: stored.id });
      assert.equal(message.id, stored.id);
      await bobs.heard("new_message");
      await ada.send(room.id, "the end");
      await bobs.heard("new_message", (event) => event.message.content === "the end");
      assert.deepEqual(bobs.all("new_message").map((event) => event.message.content), ["over REST", "the end"]);
      const forged = await bobs.emit("send_message", { room_id: room.id, message_id: stored.id });
      assert.equal(forged.ok, false, "it must be a message of one's own");
    });

    for (const [what, payload, field] of [
      ["nothing to say", { content: "" }, "content"],
      ["only white space", { content: "  \n " }, "content"],
      ["more than 4,000 characters", { content: "x".repeat(4001) }, "content"],
      ["a client_msg_id over 64 characters", { content: "hi", client_msg_id: "x".repeat(65) }, "client_msg_id"],
      ["no such type", { content: "hi", message_type: "smell" }, "message_type"],
    ]) {
      test(`a message is refused with the field that does not fit: ${what}`, async () => {
        const { ada, room, adas } = await adaAndBobInARoom(transport);
        const error = await adas.refused("VALIDATION_ERROR", "send_message", { room_id: room.id, ...payload });
        // Which field cannot be told where the payload fits neither shape of send_message.
        if (field !== "message_type") assert.equal(error.field, field);
        assert.equal((await ada.call("GET", `/api/chat/rooms/${room.id}/messages`)).total, 0);
      });
    }

    test("4,000 characters of any script arrive as they were sent", async () => {
      const { bobs, say } = await adaAndBobInARoom(transport);
      const content = `<img onerror=1> "' OR 1=1--" ${"é漢🙂".repeat(1300)}`;
      await say(content);
      assert.equal((await bobs.heard("new_message")).message.content, content);
    });
  });
});
