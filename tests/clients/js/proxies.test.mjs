// Proxies that break upgrades: a client that is told nothing gets through by polling, as the protocol wants it.

import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { describe, test } from "node:test";
import { io } from "socket.io-client";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { within } from "./deadline.mjs";

const here = serverForThisFile();

/** A proxy that lets HTTP pass; what becomes of a WebSocket once its handshake is answered `breaks` decides. */
async function proxyFor(server, breaks) {
  const target = new URL(server.url);
  const sockets = new Set();
  const proxy = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let upgraded = false;
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    client.on("data", (data) => {
      if (upgraded) return;
      upgraded = /upgrade: websocket/i.test(data.toString("latin1"));
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!upgraded) client.write(data);
      else if (data.toString("latin1").startsWith("HTTP/1.1 101")) {
        client.write(data);
        breaks(client);
      }
    });
  });
  await new Promise((listening) => proxy.listen(0, "127.0.0.1", listening));
  server.closers.add(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return `http://127.0.0.1:${proxy.address().port}`;
}

describe("behind a proxy", () => {
  for (const [what, breaks] of [
    ["passes no frame", () => {}],
    ["cuts a WebSocket off", (client) => client.destroy()],
    ["resets a WebSocket", (client) => client.resetAndDestroy()],
  ]) {
    // Fails on a build where the session belongs to the WebSocket before the client has chosen it.
    test(`that answers the handshake and ${what}, everybody gets through at once`, async () => {
      const [ada] = await people(here.server, "ada");
      const url = await proxyFor(here.server, breaks);
      const answers = Array.from({ length: 50 }, async (_, number) => {
        const socket = io(url, { auth: { token: ada.token }, forceNew: true });
        here.server.closers.add(() => socket.disconnect());
        let connects = 0;
        socket.on("connect", () => (connects += 1));
        const reasons = [];
        socket.on("disconnect", (reason) => reasons.push(reason));
        for (let round = 0; round < 3; round += 1) {
          const answer = await new Promise((resolve) => socket.emit("ping", { number, round }, resolve));
          assert.deepEqual(answer, { ok: true, data: { number, round } });
        }
        assert.deepEqual({ connects, reasons }, { connects: 1, reasons: [] });
        assert.equal(socket.io.engine.transport.name, "polling");
        socket.disconnect();
      });
      await within(20_000, "fifty clients are answered", Promise.all(answers));
    });
  }
});
