// Access tokens that end while a socket is open. The server gives out short ones here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { clockReaches } from "./deadline.mjs";
import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile({
  PARLOUR__AUTH__ACCESS_TOKEN_SECONDS: "5",
  PARLOUR__REALTIME__EXPIRY_NOTICE_SECONDS: "3",
});

describe("expiry", { concurrency: 3 }, () => {
  overEachTransport((transport) => {
    test("a socket is warned and then ended, unless it authenticates again", async () => {
      const [ada] = await people(here.server, "ada");
      const ending = await ada.connect(transport);
      const renewing = await ada.connect(transport);
      const ends = Date.parse((await ending.heard("connected")).expires_at);
      for (const socket of [ending, renewing]) {
        const { expires_at } = await socket.heard("session_expiring");
        assert.equal(Date.parse(expires_at), ends);
      }
      assert.ok(Date.now() < ends, "the warning comes before the end");

      // A token made later ends later.
      await clockReaches(ends - 2_000);
      await ada.login();
      const renewed = await renewing.ask("authenticate", { token: ada.token });
      assert.ok(Date.parse(renewed.expires_at) >= ends + 2_000, `${renewed.expires_at}`);

      await ending.ended();
      assert.ok(Date.now() >= ends - 100, "not before its time");
      await renewing.roundTrip();
      assert.deepEqual(renewing.all("disconnect"), []);
    });

    test("an old token is refused as TOKEN_EXPIRED, over REST and at connection", async () => {
      const [ada] = await people(here.server, "ada");
      const { expires_at } = await (await ada.connect(transport)).heard("connected");
      await clockReaches(Date.parse(expires_at) + 1_500);
      await ada.refused("GET", "/api/users/me", undefined, 401, "TOKEN_EXPIRED");
      const socket = ada.socket(transport);
      socket.open();
      assert.equal(await socket.refusalCode(), "TOKEN_EXPIRED");
    });
  });
});
