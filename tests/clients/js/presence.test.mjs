// Who is there: user_online, user_offline, get_presence and set_status.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const GRACE = 3_000;
const here = serverForThisFile({ PARLOUR__REALTIME__PRESENCE_GRACE_MS: `${GRACE}` });

/** Ada watches from a room that she shares with Bob, who has written there: so he is a contact of hers. */
async function adaWatchesBob(transport) {
  const [ada, bob] = await people(here.server, "ada", "bob");
  const room = await ada.openGroup([bob]);
  await bob.send(room.id, "hello");
  const adas = await ada.enter(transport, room);
  const ofBob = (event) => event.user_id === bob.id;
  const ask = async () => (await adas.ask("get_presence", { user_ids: [bob.id] })).users;
  return { ada, bob, room, adas, ofBob, ask };
}

describe("presence", () => {
  overEachTransport((transport) => {
    test("someone who connects is online, and offline some moments after the last socket went", async () => {
      const { bob, room, adas, ofBob, ask } = await adaWatchesBob(transport);
      assert.deepEqual(await ask(), [{ user_id: bob.id, status: "offline", last_seen_at: null }]);
      const bobs = await bob.enter(transport, room);
      await adas.heard("user_online", ofBob);
      assert.deepEqual(await ask(), [{ user_id: bob.id, status: "online", last_seen_at: null }]);
      bobs.close();
      const offline = await adas.heard("user_offline", ofBob);
      assert.ok(Math.abs(Date.parse(offline.last_seen_at) - Date.now()) < 10_000, offline.last_seen_at);
      const [seen] = await ask();
      assert.equal(seen.status, "offline");
      assert.equal(seen.last_seen_at, offline.last_seen_at);
    });

    test("a second device makes nobody online twice, and keeps them online", async () => {
      const { bob, room, adas, ofBob, ask } = await adaWatchesBob(transport);
      const first = await bob.enter(transport, room);
      await adas.heard("user_online", ofBob);
      const second = await bob.enter(transport, room);
      const closed = Date.now();
      first.close();
      second.close();
      await adas.heard("user_offline", ofBob);
      assert.ok(Date.now() - closed >= GRACE / 2, "not before the grace");
      assert.equal(adas.all("user_online", ofBob).length, 1);
      assert.equal(adas.all("user_offline", ofBob).length, 1);
      assert.equal((await ask())[0].status, "offline");
    });

    test("who returns within the grace was never away", async () => {
      const { bob, room, adas, ofBob } = await adaWatchesBob(transport);
      const first = await bob.enter(transport, room);
      await adas.heard("user_online", ofBob);
      first.close();
      await adas.heard("user_left", ofBob);
      const second = await bob.enter(transport, room);
      await adas.heardTimes(2, "user_joined", ofBob);
      second.close();
      await adas.heard("user_offline", ofBob);
      assert.equal(adas.all("user_offline", ofBob).length, 1, "only the second departure counts");
      assert.equal(adas.all("user_online", ofBob).length, 1);
    });

    test("away is seen as away and invisible as offline", async () => {
      const { bob, room, adas, ofBob, ask } = await adaWatchesBob(transport);
      const bobs = await bob.enter(transport, room);
      await adas.heard("user_online", ofBob);
      assert.deepEqual(await bobs.ask("set_status", { status: "away" }), {});
      assert.equal((await ask())[0].status, "away");
      assert.deepEqual(await bobs.ask("set_status", { status: "invisible" }), {});
      await adas.heard("user_offline", ofBob);
      assert.equal((await ask())[0].status, "offline");
      assert.deepEqual(await bobs.ask("set_status", { status: "online" }), {});
      await adas.heardTimes(2, "user_online", ofBob);
      assert.equal((await ask())[0].status, "online");
      await bobs.refused("VALIDATION_ERROR", "set_status", { status: "dancing" });
    });

    test("people without a shared room do not exist for each other", async () => {
      const { adas, ask } = await adaWatchesBob(transport);
      const [eve] = await people(here.server, "eve");
      const eves = await eve.connect(transport);
      const { users } = await adas.ask("get_presence", { user_ids: [eve.id] });
      assert.deepEqual(users, []);
      await eves.roundTrip();
      assert.equal((await ask()).length, 1);
      assert.deepEqual(adas.all("user_online", (event) => event.user_id === eve.id), []);
      await adas.refused("VALIDATION_ERROR", "get_presence", { user_ids: [] });
      await adas.refused("VALIDATION_ERROR", "get_presence", { user_ids: Array(501).fill(eve.id) });
    });
  });
});
