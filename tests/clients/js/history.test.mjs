// The REST routes of messages.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, request } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";

const here = serverForThisFile();

async function aRoomWithMessages(count) {
  const [ada, bob] = await people(here.server, "ada", "bob");
  const room = await ada.openGroup([bob]);
  const sent = [];
  for (let n = 1; n <= count; n += 1) sent.push(await ada.send(room.id, `message ${n}`));
  const history = (query, person = bob) =>
    person.call("GET", `/api/chat/rooms/${room.id}/messages${query}`, undefined, 200);
  return { ada, bob, room, sent, history };
}

const numbers = (answer) => answer.messages.map((message) => Number(message.content.split(" ")[1]));

describe("history", { concurrency: 4 }, () => {
  test("page 1 is the newest page, and every page ascends", async () => {
    const { history } = await aRoomWithMessages(25);
    const first = await history("?page_size=10");
    assert.deepEqual(numbers(first), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    const { total, page, page_size, pages, has_more } = first;
    assert.deepEqual({ total, page, page_size, pages, has_more }, {
      total: 25,
      page: 1,
      page_size: 10,
      pages: 3,
      has_more: true,
    });
    const last = await history("?page=3&size=10");
    assert.deepEqual(numbers(last), [1, 2, 3, 4, 5]);
    assert.equal(last.has_more, false);
    assert.equal((await history("")).page_size, 20);
  });

  test("a place in the log can be read before, after and around", async () => {
    const { sent, history } = await aRoomWithMessages(20);
    const place = sent[9].seq;
    const before = await history(`?before_seq=${place}&limit=3`);
    assert.deepEqual(numbers(before), [7, 8, 9]);
    assert.deepEqual([before.first_seq, before.last_seq], [sent[6].seq, sent[8].seq]);
    assert.equal(before.has_more, true);
    const after = await history(`?after_seq=${place}&limit=100`);
    assert.deepEqual(numbers(after), [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    assert.equal(after.has_more, false);
    const around = numbers(await history(`?around_seq=${place}&limit=5`));
    assert.equal(around.length, 5);
    assert.ok(around.includes(10) && around.includes(9) && around.includes(11), `${around}`);
  });

  test("nonsense in the query is refused", async () => {
    const { bob, room } = await aRoomWithMessages(1);
    for (const query of ["before_seq=-1", "after_seq=x", "after_seq=0&limit=101", "after_seq=0&limit=0", "page=0"]) {
      await bob.refused("GET", `/api/chat/rooms/${room.id}/messages?${query}`, undefined, 422, "VALIDATION_ERROR");
    }
  });

  test("a message is sent, read, edited and deleted", async () => {
    const { ada, bob, room } = await aRoomWithMessages(0);
    const body = { room_id: room.id, message_type: "text", content: "one" };
    const message = await ada.call("POST", "/api/chat/messages", body, 201);
    const path = `/api/chat/messages/${message.id}`;
    assert.deepEqual(await bob.call("GET", path, undefined, 200), message);
    assert.equal((await ada.call("PATCH", path, { content: "two" }, 200)).content, "two");
    const edited = await ada.call("PUT", path, { content: "three" }, 200);
    assert.equal(edited.content, "three");
    assert.equal(edited.is_edited, true);
    assert.equal(edited.seq, message.seq);
    await bob.refused("PATCH", path, { content: "four" }, 403, "PERMISSION_DENIED");
    await bob.refused("DELETE", path, undefined, 403, "PERMISSION_DENIED");
    await ada.call("DELETE", path);
    const gone = await bob.call("GET", path, undefined, 200);
    assert.equal(gone.content, null);
    assert.equal(gone.is_deleted, true);
    assert.ok(gone.deleted_at);
  });

  test("an Idempotency-Key is a client_msg_id", async () => {
    const { ada, room, history } = await aRoomWithMessages(0);
    const send = (content) =>
      request(here.server, "POST", "/api/chat/messages", {
        token: ada.token,
        headers: { "idempotency-key": "once" },
        body: { room_id: room.id, message_type: "text", content },
      });
    const [first, again, other] = [await send("hello"), await send("hello"), await send("goodbye")];
    assert.deepEqual([first.status, again.status, other.status], [201, 200, 409]);
    assert.equal(first.body.client_msg_id, "once");
    assert.deepEqual(again.body, first.body);
    assert.equal(other.body.error_code, "CLIENT_MSG_ID_CONFLICT");
    assert.equal((await history("")).total, 1);
  });

  test("a stranger finds no message, read, edited or deleted", async () => {
    const { sent } = await aRoomWithMessages(1);
    const [eve] = await people(here.server, "eve");
    const path = `/api/chat/messages/${sent[0].id}`;
    await eve.refused("GET", path, undefined, 404, "MESSAGE_NOT_FOUND");
    await eve.refused("PATCH", path, { content: "x" }, 404, "MESSAGE_NOT_FOUND");
    await eve.refused("DELETE", path, undefined, 404, "MESSAGE_NOT_FOUND");
  });

  test("a body that is not JSON, or too large, is refused as what it is", async () => {
    const { ada } = await aRoomWithMessages(0);
    const post = async (headers, body) => {
      const response = await fetch(`${here.server.url}/api/chat/messages`, {
        method: "POST",
        headers: { authorization: `Bearer ${ada.token}`, ...headers },
        body,
        signal: AbortSignal.timeout(8_000),
      });
      return [response.status, (await response.json()).error_code];
    };
    assert.deepEqual(await post({ "content-type": "text/plain" }, "hello"), [415, "UNSUPPORTED_MEDIA_TYPE"]);
    assert.deepEqual(await post({ "content-type": "application/json" }, "{"), [422, "VALIDATION_ERROR"]);
    const large = JSON.stringify({ content: "x".repeat(300_000) });
    assert.deepEqual(await post({ "content-type": "application/json" }, large), [413, "PAYLOAD_TOO_LARGE"]);
  });
});
