// Files: uploaded with fetch and FormData, sent over the socket, loaded by whoever hears of them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { png } from "./picture.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile();

const DEADLINE = 10_000;

/** Loads an address as an `<img>` does: without a token. */
async function load(url) {
  const response = await fetch(new URL(url, here.server.url), { signal: AbortSignal.timeout(DEADLINE) });
  assert.equal(response.status, 200, url);
  return { type: response.headers.get("content-type"), bytes: Buffer.from(await response.arrayBuffer()) };
}

async function upload(person, bytes, name, type) {
  const form = new FormData();
  form.append("file", new Blob([bytes], { type }), name);
  const response = await fetch(`${person.server.url}/api/chat/upload`, {
    method: "POST",
    headers: { authorization: `Bearer ${person.token}` },
    body: form,
    signal: AbortSignal.timeout(DEADLINE),
  });
  const answer = await response.json();
  assert.equal(response.status, 201, JSON.stringify(answer));
  return answer;
}

describe("media", () => {
  overEachTransport((transport) => {
    test("a picture is uploaded, sent, heard and loaded", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const adas = await ada.enter(transport, room);
      const bobs = await bob.enter(transport, room);
      const picture = png(60, 40);
      const uploaded = await upload(ada, picture, "a – picture.png", "image/png");
      assert.equal(uploaded.filename, "a – picture.png");
      assert.deepEqual([uploaded.size, uploaded.width, uploaded.height], [picture.length, 60, 40]);

      const { message } = await adas.ask("send_message", {
        room_id: room.id,
        message_type: "image",
        media_url: uploaded.url,
      });
      const heard = (await bobs.heard("new_message")).message;
      assert.equal(heard.id, message.id);
      assert.equal(heard.media_id, uploaded.id);
      assert.equal(heard.attachments[0].id, uploaded.id);
      const loaded = await load(heard.media_url);
      assert.equal(loaded.type, "image/png");
      assert.deepEqual(loaded.bytes, picture);
      await load(heard.thumbnail_url);

      await adas.ask("delete_message", { message_id: message.id });
      await bobs.heard("message_deleted");
      const response = await fetch(new URL(heard.media_url, here.server.url));
      assert.equal(response.status, 404);
    });
  });

  test("a file goes to the store directly and is completed", async () => {
    const [ada] = await people(here.server, "ada");
    const picture = png(30, 20);
    const query = new URLSearchParams({ filename: "direct.png", mime_type: "image/png", size: picture.length });
    const direct = await ada.call("GET", `/api/chat/upload/signed-url?${query}`, undefined, 200);
    const stored = await fetch(new URL(direct.upload_url, here.server.url), {
      method: direct.method,
      headers: direct.headers,
      body: picture,
      signal: AbortSignal.timeout(DEADLINE),
    });
    assert.ok(stored.ok, `${stored.status}`);
    const uploaded = await ada.call("POST", `/api/chat/media/${direct.media_id}/complete`, undefined, 200);
    assert.deepEqual([uploaded.width, uploaded.height], [30, 20]);
    assert.deepEqual((await load(uploaded.url)).bytes, picture);
  });
});
