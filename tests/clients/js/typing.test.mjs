// typing and stop_typing, in all shapes, and that the server ends what a client forgets.

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
  return { ada, bob, room, adas, bobs };
}

const typing = (room, person, is_typing) => ({
  room_id: room.id,
  user_id: person.id,
  user_name: person.username,
  is_typing,
});

describe("typing", () => {
  overEachTransport((transport) => {
    for (const [how, start, stop] of [
      ["is_typing true and false", ["typing", { is_typing: true }], ["typing", { is_typing: false }]],
      ["typing alone and stop_typing", ["typing", {}], ["stop_typing", {}]],
    ]) {
      test(`others hear it begin and end: ${how}`, async () => {
        const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
        assert.deepEqual(await adas.ask(start[0], { room_id: room.id, ...start[1] }), {});
        assert.deepEqual(await bobs.heard("user_typing"), typing(room, ada, true));
        assert.deepEqual(await adas.ask(stop[0], { room_id: room.id, ...stop[1] }), {});
        const both = await bobs.heardTimes(2, "user_typing");
        assert.deepEqual(both[1], typing(room, ada, false));
        await adas.roundTrip();
        assert.deepEqual(adas.all("user_typing"), [], "nobody hears themselves type");
      });
    }

    test("the server ends it after six seconds", async () => {
      const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
      await adas.ask("typing", { room_id: room.id });
      await bobs.heard("user_typing");
      const began = Date.now();
      const both = await bobs.heardTimes(2, "user_typing", () => true, 8_000);
      const lasted = Date.now() - began;
      assert.deepEqual(both[1], typing(room, ada, false));
      assert.ok(lasted > 3_000 && lasted < 7_000, `${lasted} ms`);
    });

    test("it ends when the writer's socket goes", async () => {
      const { ada, room, adas, bobs } = await adaAndBobInARoom(transport);
      await adas.ask("typing", { room_id: room.id });
      await bobs.heard("user_typing");
      const began = Date.now();
      adas.close();
      const both = await bobs.heardTimes(2, "user_typing");
      assert.deepEqual(both[1], typing(room, ada, false));
      assert.ok(Date.now() - began < 3_000, "at once, not by expiry");
    });

    test("it is refused to strangers, and nobody hears of it", async () => {
      const { room, adas } = await adaAndBobInARoom(transport);
      const [eve] = await people(here.server, "eve");
      const eves = await eve.connect(transport);
      await eves.refused("ROOM_NOT_FOUND", "typing", { room_id: room.id });
      await eves.refused("ROOM_NOT_FOUND", "stop_typing", { room_id: room.id });
      await eves.refused("VALIDATION_ERROR", "typing", { room_id: room.id, is_typing: "yes" });
      await adas.roundTrip();
      assert.deepEqual(adas.all("user_typing"), []);
    });
  });
});
