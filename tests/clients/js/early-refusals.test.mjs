// An answer that comes before the body has been sent is an answer, and not a broken connection.

import assert from "node:assert/strict";
import http from "node:http";
import { describe, test } from "node:test";

import { within } from "./deadline.mjs";
import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";

const here = serverForThisFile();
const MIB = 1024 * 1024;

/** What is refused: a name, the path, the headers, the status. */
const rows = (ada) => [
  ["no token", "/api/chat/rooms", { "content-type": "application/json" }, 401],
  ["an upload without a token", "/api/chat/upload", { "content-type": "multipart/form-data; boundary=x" }, 401],
  ["another type", "/api/chat/rooms", { "content-type": "text/plain", authorization: `Bearer ${ada.token}` }, 415],
  ["too long", "/api/chat/rooms", { "content-type": "application/json", authorization: `Bearer ${ada.token}` }, 413],
  ["no such address", "/nowhere", {}, 404],
  ["no such method", "/healthz", {}, 405],
];

/** A body that comes in pieces, without a length. */
function* pieces(bytes) {
  for (let left = bytes; left > 0; left -= 64 * 1024) yield new Uint8Array(Math.min(left, 64 * 1024)).fill(120);
}

describe("early refusals", () => {
  test("fetch sees the status of every one of ten tries", async () => {
    const [ada] = await people(here.server, "ada");
    for (const [what, path, headers, status] of rows(ada)) {
      for (let number = 0; number < 10; number++) {
        const body = number % 2 ? ReadableStream.from(pieces(4 * MIB)) : new Uint8Array(4 * MIB).fill(120);
        const options = { method: "POST", headers, body, duplex: "half", signal: AbortSignal.timeout(15_000) };
        const answer = await fetch(here.server.url + path, options);
        await answer.arrayBuffer();
        assert.equal(answer.status, status, `${what}, try ${number}`);
      }
    }
  });

  test("an agent that keeps its connections goes on after refusals", async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const post = (bytes, headers = {}) =>
      new Promise((done, failed) => {
        const options = { method: "POST", agent, headers: { "content-length": bytes, ...headers } };
        const request = http.request(`${here.server.url}/api/chat/rooms`, options, (answer) => {
          answer.resume().on("end", () => done(answer.statusCode));
        });
        request.on("error", failed);
        for (const piece of pieces(bytes)) request.write(piece);
        request.end();
      });
    for (const bytes of [10, 2_000, 40_000, 300_000, 3 * MIB, 10, 40_000]) {
      for (let number = 0; number < 5; number++) {
        assert.equal(await within(10_000, "an answer", post(bytes)), 401, `${bytes} bytes, try ${number}`);
      }
    }
    agent.destroy();
  });
});
