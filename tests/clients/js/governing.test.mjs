// Rooms that people govern: finding, joining, inviting, banning, searching, taking a copy.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, request } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport, websocket } from "./transports.mjs";

const here = serverForThisFile();

describe("governed rooms", { concurrency: 4 }, () => {
  test("a public room is found and joined, a private one is neither", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const name = `Harbour ${ada.username}`;
    const open = await ada.openGroup([], { name, visibility: "public" });
    const closed = await ada.openGroup([], { name });
    const search = `/api/chat/rooms/public?search=${encodeURIComponent(ada.username.toUpperCase())}`;
    const found = await bob.call("GET", search, undefined, 200);
    assert.deepEqual(found.rooms.map((room) => room.id), [open.id]);
    assert.equal(found.total, 1);
    await bob.refused("POST", `/api/chat/rooms/${closed.id}/join`, undefined, 404, "ROOM_NOT_FOUND");
    const joined = await bob.call("POST", `/api/chat/rooms/${open.id}/join`, undefined, 200);
    assert.equal(joined.my_role, "member");
    await bob.refused("POST", `/api/chat/rooms/${open.id}/join`, undefined, 409, "ALREADY_MEMBER");
  });

  test("a link shows little and lets in as many as it says", async () => {
    const [ada, bob, cyd] = await people(here.server, "ada", "bob", "cyd");
    const room = await ada.openGroup([], { visibility: "invite_only", description: "not for strangers" });
    const invite = await ada.call("POST", `/api/chat/rooms/${room.id}/invite`, { max_uses: 1, expires_in: 3600 }, 201);
    assert.ok(invite.code.length >= 22, "128 bits");
    const preview = await bob.call("GET", `/api/chat/invites/${invite.code}`, undefined, 200);
    assert.deepEqual(preview, { name: room.name, avatar_url: null, member_count: 1 });
    assert.equal((await bob.call("POST", `/api/chat/invites/${invite.code}/join`)).id, room.id);
    await cyd.refused("POST", `/api/chat/invites/${invite.code}/join`, undefined, 404, "INVITE_NOT_FOUND");
    await bob.refused("GET", `/api/chat/rooms/${room.id}/invite`, undefined, 403, "PERMISSION_DENIED");
    await ada.call("DELETE", `/api/chat/rooms/${room.id}/invite`, undefined, 204);
    await ada.refused("GET", `/api/chat/rooms/${room.id}/invite`, undefined, 404, "INVITE_NOT_FOUND");
  });

  test("a person is invited by name", async () => {
    const [ada, bob, cyd] = await people(here.server, "ada", "bob", "cyd");
    const room = await ada.openGroup([], { visibility: "invite_only" });
    const path = `/api/chat/rooms/${room.id}/invitations`;
    const invitation = await ada.call("POST", path, { username: bob.username }, 201);
    assert.equal(invitation.is_used, false);
    const days = (Date.parse(invitation.expires_at) - Date.parse(invitation.created_at)) / 86_400_000;
    assert.equal(days, 7);
    const join = `/api/chat/invites/${invitation.invitation_code}/join`;
    await cyd.refused("POST", join, undefined, 404, "INVITE_NOT_FOUND");
    assert.equal((await bob.call("POST", join)).id, room.id);
  });

  test("a room's messages are found by a part of a word, by its members", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.openGroup();
    const message = await ada.send(room.id, "we run qwen3.6 <here>");
    const found = await ada.call("GET", "/api/chat/search?q=QWEN", undefined, 200);
    assert.deepEqual(found.messages.map((one) => one.id), [message.id]);
    assert.equal(found.messages[0].excerpt, "we run <mark>qwen</mark>3.6 &lt;here&gt;");
    assert.equal((await bob.call("GET", "/api/chat/search?q=qwen")).total, 0);
    await ada.call("DELETE", `/api/chat/messages/${message.id}`);
    assert.equal((await ada.call("GET", "/api/chat/search?q=qwen")).total, 0);
  });

  test("an owner takes a copy, a line an entry", async () => {
    const [ada] = await people(here.server, "ada");
    const room = await ada.openGroup();
    await ada.send(room.id, "one");
    await ada.send(room.id, "two");
    const response = await fetch(`${here.server.url}/api/chat/rooms/${room.id}/export`, {
      headers: { authorization: `Bearer ${ada.token}` },
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type"), /^application\/x-ndjson/);
    const lines = (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => line.type), ["room", "member", "message", "message", "end"]);
    assert.deepEqual(lines.slice(2, 4).map((line) => line.message.content), ["one", "two"]);
    assert.equal(lines[4].messages, 2);
  });

  test("who erases their account leaves no name behind", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.openGroup([bob]);
    const message = await bob.send(room.id, "remember me");
    const { status } = await request(here.server, "DELETE", "/api/users/me?erase=true&erase_messages=true", {
      token: bob.token,
    });
    assert.equal(status, 204);
    const kept = await ada.call("GET", `/api/chat/messages/${message.id}`);
    assert.equal(kept.is_deleted, true);
    assert.equal(kept.content, null);
    assert.equal(JSON.stringify(kept).includes(bob.username), false);
    await bob.refused("GET", "/api/users/me", undefined, 401, "UNAUTHORIZED");
  });

  overEachTransport((transport) => {
    test("who is banned hears nothing more and does not come back", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob], { visibility: "public" });
      const adas = await ada.enter(websocket, room);
      const bobs = await bob.enter(transport, room);
      const ban = await ada.call("PUT", `/api/chat/rooms/${room.id}/bans/${bob.id}`, { reason: "spam" }, 200);
      assert.equal(ban.reason, "spam");
      assert.equal((await adas.heard("member_removed")).reason, "banned");
      await bobs.heard("member_removed");
      await ada.send(room.id, "without bob");
      await adas.heard("new_message");
      await bobs.roundTrip();
      assert.deepEqual(bobs.all("new_message"), []);
      await bobs.refused("ROOM_NOT_FOUND", "send_message", { room_id: room.id, content: "let me in" });
      await bob.refused("POST", `/api/chat/rooms/${room.id}/join`, undefined, 403, "BANNED");
      await ada.call("DELETE", `/api/chat/rooms/${room.id}/bans/${bob.id}`, undefined, 204);
      await bob.call("POST", `/api/chat/rooms/${room.id}/join`, undefined, 200);
      const { entries } = await ada.call("GET", `/api/chat/rooms/${room.id}/audit`, undefined, 200);
      const deeds = entries.map((entry) => entry.action);
      assert.deepEqual(deeds.slice(0, 3), ["member_joined", "member_unbanned", "member_banned"]);
    });

    test("slow mode makes members wait, and says how long", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const room = await ada.openGroup([bob], { slow_mode_seconds: 60 });
      const bobs = await bob.connect(transport);
      await bobs.ask("send_message", { room_id: room.id, content: "one" });
      const error = await bobs.refused("RATE_LIMITED", "send_message", { room_id: room.id, content: "two" });
      assert.ok(error.retry_after_ms > 50_000 && error.retry_after_ms <= 60_000, error.retry_after_ms);
      await ada.send(room.id, "owners do not wait");
      await ada.send(room.id, "at all");
    });
  });
});
