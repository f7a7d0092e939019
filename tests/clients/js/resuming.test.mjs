// Coming back: cursors at connection, after_seq, sync, and rooms that moved on too far.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

// A small replay limit shows what happens beyond it without thousands of messages.
const here = serverForThisFile({ PARLOUR__REALTIME__REPLAY_EVENTS: "50" });

const DURABLE = ["new_message", "message_edited", "message_deleted", "member_added", "room_updated"];

/** Every kind of change, and the room's log before and after. */
async function aRoomThatMovesOn() {
  const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
  const room = await ada.openGroup([bob]);
  const before = await ada.send(room.id, "before");
  const moveOn = async () => {
    const first = await ada.send(room.id, "first");
    const second = await ada.send(room.id, "second");
    await ada.call("PATCH", `/api/chat/messages/${first.id}`, { content: "first, edited" });
    await ada.call("DELETE", `/api/chat/messages/${second.id}`);
    await ada.call("POST", `/api/chat/rooms/${room.id}/members`, { user_ids: [cleo.id] });
    await ada.call("PATCH", `/api/chat/rooms/${room.id}`, { name: "Moved on" });
    return { count: 6, first, second };
  };
  return { ada, bob, room, before, moveOn };
}

const log = (socket, room) =>
  socket.heardEvents
    .filter((one) => DURABLE.includes(one.event) && one.data.room_id === room.id)
    .map((one) => [one.data.seq, one.event]);

const missed = (from) =>
  ["new_message", "new_message", "message_edited", "message_deleted", "member_added", "room_updated"].map(
    (event, n) => [from + 1 + n, event],
  );

describe("resuming", () => {
  overEachTransport((transport) => {
    test("cursors join their rooms and replay what was missed, in order, before anything newer", async () => {
      const { ada, bob, room, before, moveOn } = await aRoomThatMovesOn();
      const other = await ada.openGroup([bob]);
      await moveOn();
      await ada.send(other.id, "no cursor, no replay");
      const socket = await bob.connect(transport, { cursors: { [room.id]: before.seq } });
      await ada.send(room.id, "live");
      await socket.heard("new_message", (event) => event.message.content === "live");
      assert.deepEqual(log(socket, room), [...missed(before.seq), [before.seq + 7, "new_message"]]);
      assert.deepEqual(log(socket, other), []);
      assert.equal(socket.names()[0], "connected");
    });

    test("a replay of more packets than one polling answer has arrives whole", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob]);
      const before = await ada.send(room.id, "before");
      for (let n = 0; n < 45; n += 1) await ada.send(room.id, `missed ${n}`);
      const socket = await bob.connect(transport, { cursors: { [room.id]: before.seq } });
      await ada.send(room.id, "live");
      await socket.heard("new_message", (event) => event.message.content === "live");
      const places = log(socket, room).map(([seq]) => seq);
      assert.deepEqual(places, Array.from({ length: 46 }, (_, n) => before.seq + 1 + n));
    });

    test("what is gone by now is gone from the replay as well", async () => {
      const { bob, room, before, moveOn } = await aRoomThatMovesOn();
      await moveOn();
      const socket = await bob.connect(transport, { cursors: { [room.id]: before.seq } });
      await socket.heard("room_updated");
      assert.doesNotMatch(JSON.stringify(socket.all("new_message")), /"content":"second"/);
    });

    test("join_room with after_seq replays the same", async () => {
      const { bob, room, before, moveOn } = await aRoomThatMovesOn();
      const { count } = await moveOn();
      const socket = await bob.connect(transport);
      const joined = await socket.ask("join_room", { room_id: room.id, after_seq: before.seq });
      assert.deepEqual(joined, { room_id: room.id, last_seq: before.seq + count, replayed: count });
      await socket.heard("room_updated");
      assert.deepEqual(log(socket, room), missed(before.seq));
    });

    test("a client that reconnects by itself with its newest cursors hears every event once", async () => {
      const { ada, bob, room, before, moveOn } = await aRoomThatMovesOn();
      const cursors = { [room.id]: before.seq };
      const socket = bob.socket(transport, {}, { reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 10 });
      socket.io.auth = (give) => give({ token: bob.token, cursors });
      socket.io.onAny((_event, data) => {
        if (data?.seq && data.room_id in cursors) cursors[data.room_id] = Math.max(cursors[data.room_id], data.seq);
      });
      socket.open();
      await socket.heard("connected");
      await ada.send(room.id, "heard live");
      await socket.heard("new_message");
      socket.drop();
      await socket.heard("disconnect");
      await moveOn();
      await socket.heardTimes(2, "connected");
      await ada.send(room.id, "the end");
      await socket.heard("new_message", (event) => event.message.content === "the end");
      const places = log(socket, room).map(([seq]) => seq);
      assert.deepEqual(places, Array.from({ length: 8 }, (_, n) => before.seq + 1 + n));
    });

    test("sync pages through many rooms, and tells of rooms gained and lost", async () => {
      const { ada, bob, room, before, moveOn } = await aRoomThatMovesOn();
      const lost = await ada.openGroup([bob]);
      const gained = await ada.openGroup([bob]);
      await ada.call("DELETE", `/api/chat/rooms/${lost.id}/members/${bob.id}`);
      const { first, second, count } = await moveOn();
      const socket = await bob.connect(transport);
      const cursors = { [room.id]: before.seq, [lost.id]: 1 };
      const page = await socket.ask("sync", { cursors, limit: 4 });
      assert.deepEqual(page.left, [lost.id]);
      assert.deepEqual(page.joined.map((one) => one.id), [gained.id]);
      const [part] = page.rooms;
      assert.equal(part.room_id, room.id);
      assert.equal(part.has_more, true);
      assert.equal(part.last_seq, before.seq + count);
      assert.deepEqual(part.events.map((one) => [one.data.seq, one.event]), missed(before.seq).slice(0, 4));
      assert.equal(part.events[2].data.message_id, first.id);
      assert.equal(part.events[3].data.message_id, second.id);

      const rest = await socket.ask("sync", { cursors: { [room.id]: part.events.at(-1).data.seq } });
      assert.deepEqual(rest.rooms[0].events.map((one) => [one.data.seq, one.event]), missed(before.seq).slice(4));
      assert.equal(rest.rooms[0].has_more, false);
    });

    test("a room too far ahead is announced by resync_required and heard live", async () => {
      const { ada, bob, room, before } = await aRoomThatMovesOn();
      const adas = await ada.enter(transport, room);
      const acks = await Promise.all(
        Array.from({ length: 60 }, (_, n) => adas.ask("send_message", { room_id: room.id, content: `${n}` })),
      );
      const last_seq = acks.at(-1).message.seq;
      const expected = { room_id: room.id, after_seq: before.seq, last_seq };
      const socket = await bob.connect(transport, { cursors: { [room.id]: before.seq } });
      assert.deepEqual(await socket.heard("resync_required"), expected);
      const joining = await bob.connect(transport);
      const joined = await joining.ask("join_room", { room_id: room.id, after_seq: before.seq });
      assert.deepEqual(joined, { room_id: room.id, last_seq, replayed: 0 });
      assert.deepEqual(await joining.heard("resync_required"), expected);

      await ada.send(room.id, "live");
      for (const one of [socket, joining]) {
        await one.heard("new_message", (event) => event.message.content === "live");
        assert.equal(one.all("new_message").length, 1, "nothing of the gap");
      }
      const gap = await socket.ask("sync", { cursors: { [room.id]: before.seq }, limit: 1000 });
      assert.equal(gap.rooms[0].events.length, 61);
    });

    test("a cursor ahead of the log or below zero is refused", async () => {
      const { bob, room, before } = await aRoomThatMovesOn();
      const socket = await bob.connect(transport);
      await socket.refused("RESYNC_REQUIRED", "join_room", { room_id: room.id, after_seq: before.seq + 1000 });
      await socket.refused("VALIDATION_ERROR", "join_room", { room_id: room.id, after_seq: -1 });
      await socket.refused("VALIDATION_ERROR", "sync", { cursors: { [room.id]: -1 } });
      await socket.refused("VALIDATION_ERROR", "sync", { cursors: {}, limit: 1001 });
    });

    test("the cursor of a room one is not in brings nothing", async () => {
      const { ada, before, room } = await aRoomThatMovesOn();
      const [eve] = await people(here.server, "eve");
      const socket = await eve.connect(transport, { cursors: { [room.id]: 0 } });
      const adas = await ada.enter(transport, room);
      await ada.send(room.id, "private");
      await adas.heard("new_message");
      await socket.roundTrip();
      assert.deepEqual(log(socket, room), []);
      assert.ok(before.seq > 0);
      assert.deepEqual((await socket.ask("sync", { cursors: { [room.id]: 0 } })).left, [room.id]);
    });
  });
});
