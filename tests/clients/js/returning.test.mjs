// The official client comes back by itself from whatever is not its user's to change.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";

import { within } from "./deadline.mjs";
import { people } from "./person.mjs";
import { Server, serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const LIMITS = { PARLOUR__LIMITS__ENABLED: "true" };

/** A client as an app has it: it reconnects by itself, a little sooner. */
function client(url, person, transports) {
  return io(url, {
    auth: { token: person.token },
    transports,
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
}

const connected = (socket) =>
  within(15_000, "the client is connected", new Promise((done) => (socket.connected ? done() : socket.once("connect", done))));

/** A way to the server that can lose its connections without a word to it. */
class Line {
  constructor(port) {
    this.held = [];
    this.proxy = net.createServer((near) => {
      const far = net.connect(port, "127.0.0.1");
      near.pipe(far).pipe(near);
      near.on("error", () => {});
      far.on("error", () => {});
      this.held.push([near, far]);
    });
  }

  async open() {
    await new Promise((done) => this.proxy.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${this.proxy.address().port}`;
  }

  /** The client's connections are gone; the server hears nothing of it. */
  lose() {
    for (const [near, far] of this.held) {
      near.unpipe(far);
      far.unpipe(near);
      far.pause();
      near.destroy();
    }
  }

  close() {
    for (const [near, far] of this.held) {
      near.destroy();
      far.destroy();
    }
    this.proxy.close();
  }
}

describe("returning", () => {
  const here = serverForThisFile(LIMITS);

  test("a tab whose network is lost again and again is always let in", async () => {
    const [ada] = await people(here.server, "ada");
    const line = new Line(new URL(here.server.url).port);
    const socket = client(await line.open(), ada, ["websocket"]);
    const refusals = [];
    socket.on("connect_error", (error) => {
      if (!socket.active) refusals.push(error.message);
    });
    try {
      for (let number = 0; number < 14; number++) {
        await connected(socket);
        const gone = new Promise((done) => socket.once("disconnect", done));
        line.lose();
        await within(10_000, "the loss is noticed", gone);
      }
      await connected(socket);
      assert.deepEqual(refusals, []);
    } finally {
      socket.close();
      line.close();
    }
  });

  test("with a tab too many the silent one is told why, and does not fight for its place", async () => {
    const [ada] = await people(here.server, "bea");
    const tabs = [];
    for (let number = 0; number < 10; number++) {
      tabs.push(client(here.server.url, ada, ["websocket"]));
      await connected(tabs[number]);
    }
    for (const tab of tabs) if (tab !== tabs[4]) await tab.timeout(5_000).emitWithAck("ping", 1);
    const told = new Promise((done) => tabs[4].once("session_revoked", done));
    const ended = new Promise((done) => tabs[4].once("disconnect", done));
    const newest = client(here.server.url, ada, ["websocket"]);
    await connected(newest);
    assert.deepEqual(await within(5_000, "the silent one is told", told), { code: "CONNECTION_LIMIT" });
    assert.equal(await within(5_000, "the silent one ends", ended), "io server disconnect");
    assert.equal(tabs[4].active, false);
    for (const tab of [...tabs, newest]) if (tab !== tabs[4]) assert.equal(await tab.timeout(5_000).emitWithAck("ping", 2).then((ack) => ack.ok), true);
    for (const tab of [...tabs, newest]) tab.close();
  });

  overEachTransport((transport) => {
    test("who is refused for their token does not try again, and knows why", async () => {
      const socket = client(here.server.url, { token: "garbage" }, transport.list);
      const error = await within(10_000, "a refusal", new Promise((done) => socket.once("connect_error", done)));
      assert.equal(error.message, "UNAUTHORIZED");
      assert.equal(socket.active, false);
      socket.close();
    });
  });
});

describe("returning from the limit of handshakes", () => {
  let server;
  before(async () => {
    server = await Server.start({
      ...LIMITS,
      PARLOUR__LIMITS__HANDSHAKES_PER_ADDRESS: "3",
      PARLOUR__REALTIME__CONNECT_TIMEOUT_MS: "2000",
    });
  });
  after(() => server?.stop());

  overEachTransport((transport) => {
    test("a client that is refused at its handshake is let in when there is room", async () => {
      const [ada] = await people(server, "ada");
      const open = () => fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, { signal: AbortSignal.timeout(5_000) });
      const statuses = [];
      while (!statuses.includes(429)) statuses.push((await open()).status);
      const socket = client(server.url, ada, transport.list);
      let refused = 0;
      socket.on("connect_error", () => {
        refused += 1;
        assert.ok(socket.active, "it goes on trying");
      });
      await connected(socket);
      assert.ok(refused > 0, "it was refused first");
      assert.equal((await socket.timeout(5_000).emitWithAck("ping", 1)).ok, true);
      socket.close();
    });
  });
});
