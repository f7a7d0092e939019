// SIGTERM: clients are told, the process ends cleanly, and what was acked is there afterwards.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, request } from "./person.mjs";
import { Server } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

describe("stopping", () => {
  overEachTransport((transport) => {
    test("server_draining comes before the end, and the exit is clean", async () => {
      const server = await Server.start();
      const [ada] = await people(server, "ada");
      const socket = await ada.connect(transport);
      server.closers.clear(); // the server must stop with its clients still there
      try {
        const stopped = server.stop();
        assert.ok((await socket.heard("server_draining")).retry_after_ms >= 0);
        await socket.ended();
        await stopped;
      } finally {
        socket.close();
      }
    });
  });

  overEachTransport((transport) => {
    test("a client comes back by itself when the server is there again", async () => {
      const server = await Server.start();
      try {
        const [ada] = await people(server, "ada");
        const socket = await ada.connect(transport, {}, { reconnection: true, reconnectionDelay: 50 });
        await socket.heard("connected");
        await server.restart();
        await socket.heardTimes(2, "connected", undefined, 20_000);
        await socket.ask("ping", "there and back");
      } finally {
        await server.stop();
      }
    });
  });

  test("a server without configuration says where it is, how it is, and what it speaks", async () => {
    const server = await Server.start();
    try {
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
      for (const path of ["/health", "/healthz", "/readyz"]) {
        assert.equal((await fetch(server.url + path, { signal: AbortSignal.timeout(5_000) })).status, 200, path);
      }
      const metrics = await fetch(`${server.url}/metrics`, { signal: AbortSignal.timeout(5_000) });
      assert.match(await metrics.text(), /^# (HELP|TYPE) /m);
      const { body } = await request(server, "GET", "/openapi.json");
      assert.match(body.openapi, /^3\.1\./);
      assert.ok(body.paths["/api/chat/rooms"].post);
    } finally {
      await server.stop();
    }
  });
});
