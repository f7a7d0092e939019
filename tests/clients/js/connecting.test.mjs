// CONNECT: who is let in, what is heard first, and that nothing said early is lost.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, Person } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport, upgrade } from "./transports.mjs";
import { ClientSocket } from "./socket.mjs";
import { within } from "./deadline.mjs";

const here = serverForThisFile();

describe("connecting", () => {
  overEachTransport((transport) => {
    test("connected is the first event and says who, until when, and what is taken", async () => {
      const [ada] = await people(here.server, "ada");
      const socket = await ada.connect(transport);
      const connected = await socket.heard("connected");
      assert.equal(socket.names()[0], "connected");
      assert.equal(connected.user_id, ada.id);
      assert.equal(typeof connected.message, "string");
      assert.ok(connected.session_id);
      const serverTime = Date.parse(connected.server_time);
      assert.ok(Math.abs(serverTime - Date.now()) < 60_000, connected.server_time);
      const lifetime = Date.parse(connected.expires_at) - serverTime;
      assert.ok(lifetime > 29 * 60_000 && lifetime <= 30 * 60_000, `${lifetime} ms`);
      assert.equal(connected.limits.content_chars, 4000);
    });

    for (const [what, auth] of [
      ["no token", { token: undefined }],
      ["an empty token", { token: "" }],
      ["garbage for a token", { token: "garbage" }],
      ["a token that is not a string", { token: 42 }],
    ]) {
      test(`${what} is refused as UNAUTHORIZED`, async () => {
        const socket = new ClientSocket(here.server, transport, auth);
        socket.open();
        assert.equal(await socket.refusalCode(), "UNAUTHORIZED");
        assert.deepEqual(socket.names(), []);
      });
    }

    test("a refresh token is refused as WRONG_TOKEN_TYPE", async () => {
      const [ada] = await people(here.server, "ada");
      const socket = ada.socket(transport, { token: ada.refreshToken });
      socket.open();
      assert.equal(await socket.refusalCode(), "WRONG_TOKEN_TYPE");
    });

    test("the token of a session that logged out is refused", async () => {
      const [ada] = await people(here.server, "ada");
      await ada.call("POST", "/api/auth/logout", undefined, 204);
      const socket = ada.socket(transport);
      socket.open();
      assert.equal(await socket.refusalCode(), "UNAUTHORIZED");
    });

    test("the token may come from a function and as an Authorization header", async () => {
      const [ada] = await people(here.server, "ada");
      const asked = ada.socket(transport);
      asked.io.auth = (give) => give({ token: ada.token });
      asked.open();
      await within(8_000, "connects with a function", asked.connected);
      assert.equal((await asked.heard("connected")).user_id, ada.id);

      const headed = ada.socket(transport, { token: undefined }, {
        extraHeaders: { authorization: `Bearer ${ada.token}` },
      });
      headed.open();
      await within(8_000, "connects with a header", headed.connected);
      assert.equal((await headed.heard("connected")).user_id, ada.id);
    });

    test("what is emitted before the connection stands is answered in order", async () => {
      const [ada] = await people(here.server, "ada");
      const room = await ada.openGroup();
      const socket = ada.socket(transport);
      const early = [0, 1, 2, 3, 4].map((n) =>
        socket.emit("send_message", { room_id: room.id, content: `early ${n}` }),
      );
      socket.open();
      const acks = await Promise.all(early);
      assert.deepEqual(acks.map((ack) => ack.data?.message.content), [0, 1, 2, 3, 4].map((n) => `early ${n}`));
      const places = acks.map((ack) => ack.data.message.seq);
      assert.deepEqual(places, [...places].sort((a, b) => a - b));
    });

    test("the first event of a hundred clients, emitted at connect, is always answered", async () => {
      const [ada] = await people(here.server, "ada");
      const answers = Array.from({ length: 100 }, (_, n) => {
        const socket = ada.socket(transport);
        const answer = new Promise((resolve, reject) => {
          socket.io.once("connect", () => socket.emit("ping", { n }).then(resolve, reject));
        });
        socket.open();
        return answer.finally(() => socket.close());
      });
      const acks = await within(30_000, "all are answered", Promise.all(answers));
      assert.deepEqual(acks, acks.map((_, n) => ({ ok: true, data: { n } })));
    });

    test("another namespace does not exist", async () => {
      const [ada] = await people(here.server, "ada");
      const admin = new ClientSocket({ ...here.server, url: `${here.server.url}/admin` }, transport, {
        token: ada.token,
      });
      admin.open();
      assert.equal(await admin.refusalCode(), "Invalid namespace");
    });
  });

  test("a client that is told nothing ends up on a WebSocket and misses nothing on the way", async () => {
    const ada = await Person.register(here.server, "ada");
    const room = await ada.openGroup();
    const socket = ada.socket(upgrade, { rooms: "all" });
    const upgraded = new Promise((resolve) => {
      socket.io.io.on("open", () => socket.io.io.engine.once("upgrade", (to) => resolve(to.name)));
    });
    socket.open();
    const sent = [];
    for (let n = 0; n < 20; n += 1) sent.push(await socket.ask("send_message", { room_id: room.id, content: `${n}` }));
    assert.equal(await within(8_000, "the upgrade", upgraded), "websocket");
    sent.push(await socket.ask("send_message", { room_id: room.id, content: "upgraded" }));
    await socket.heard("new_message", (event) => event.message.content === "upgraded");
    assert.deepEqual(
      socket.all("new_message").map((event) => event.message.id),
      sent.map((ack) => ack.message.id),
    );
  });
});
