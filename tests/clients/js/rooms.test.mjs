// The REST routes of rooms and their members.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, request } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";

const here = serverForThisFile();
const NOBODY = "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11";

const roles = (members) => Object.fromEntries(members.map((member) => [member.user_id, member.role]));

describe("rooms", { concurrency: 4 }, () => {
  test("a group is opened with its settings, and its maker owns it", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const { status, headers, body } = await request(here.server, "POST", "/api/chat/rooms", {
      token: ada.token,
      body: {
        room_type: "group",
        name: "Engine room",
        description: "Where the work is",
        visibility: "invite_only",
        member_ids: [bob.id],
        max_members: 10,
      },
    });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(headers.get("location"), `/api/chat/rooms/${body.id}`);
    assert.equal(body.room_type, "group");
    assert.equal(body.name, "Engine room");
    assert.equal(body.description, "Where the work is");
    assert.equal(body.visibility, "invite_only");
    assert.equal(body.created_by, ada.id);
    assert.equal(body.member_count, 2);
    assert.equal(body.max_members, 10);
    assert.equal(body.is_active, true);

    const room = await bob.call("GET", `/api/chat/rooms/${body.id}`, undefined, 200);
    assert.deepEqual(roles(room.members), { [ada.id]: "owner", [bob.id]: "member" });
    assert.equal(room.my_role, "member");
    assert.equal(room.unread_count, 0);
    assert.equal(room.last_message, null);
    const [owner] = room.members.filter((member) => member.user_id === ada.id);
    assert.equal(owner.is_admin, true);
    assert.equal(owner.is_active, true);
    assert.equal(owner.user.email, ada.email);
  });

  test("a direct room of two is one room, whoever asks and however often, also at once", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const ask = (from, to) =>
      request(here.server, "POST", "/api/chat/rooms", {
        token: from.token,
        body: { room_type: "direct", member_ids: [to.id] },
      });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? ask(ada, bob) : ask(bob, ada))));
    answers.push(await ask(ada, bob));
    assert.equal(new Set(answers.map((answer) => answer.body.id)).size, 1);
    const statuses = answers.map((answer) => answer.status).sort();
    assert.deepEqual(statuses, [...Array(10).fill(200), 201]);
  });

  test("a direct room takes exactly one other person who exists", async () => {
    const [ada, bob, eve] = await people(here.server, "ada", "bob", "eve");
    const direct = (member_ids) => ({ room_type: "direct", member_ids });
    await ada.refused("POST", "/api/chat/rooms", direct([ada.id]), 422, "VALIDATION_ERROR");
    await ada.refused("POST", "/api/chat/rooms", direct([]), 422, "VALIDATION_ERROR");
    await ada.refused("POST", "/api/chat/rooms", direct([bob.id, eve.id]), 422, "VALIDATION_ERROR");
    await ada.refused("POST", "/api/chat/rooms", direct([NOBODY]), 404, "USER_NOT_FOUND");
  });

  test("a group needs a name that can be read", async () => {
    const [ada] = await people(here.server, "ada");
    for (const name of [undefined, "", "   ", "x".repeat(101), "evil\u202Etxt"]) {
      await ada.refused("POST", "/api/chat/rooms", { room_type: "group", name }, 422, "VALIDATION_ERROR");
    }
  });

  test("my rooms are listed by newest activity, with what is unread", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const first = await ada.openGroup([bob], { name: "First" });
    const second = await ada.openGroup([bob], { name: "Second" });
    await ada.openGroup([], { name: "Not yours" });
    await ada.send(first.id, "one");
    const last = await ada.send(first.id, "two");
    const listed = await bob.call("GET", "/api/chat/rooms", undefined, 200);
    assert.deepEqual(listed.rooms.map((room) => room.id), [first.id, second.id]);
    assert.equal(listed.total, 2);
    assert.equal(listed.rooms[0].last_message.id, last.id);
    assert.equal(listed.rooms[0].unread_count, 2);
    assert.equal(listed.rooms[0].my_role, "member");
    assert.equal(listed.rooms[1].last_message, null);
    assert.equal(listed.rooms[1].unread_count, 0);

    const page = await bob.call("GET", "/api/chat/rooms?page=2&page_size=1", undefined, 200);
    assert.deepEqual(page.rooms.map((room) => room.id), [second.id]);
    assert.equal(page.pages, 2);
    assert.equal(page.has_more, false);
  });

  test("settings are changed in part by who may, and null clears", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const { id } = await ada.openGroup([bob], { description: "old" });
    const patched = await ada.call("PATCH", `/api/chat/rooms/${id}`, { name: "New name" }, 200);
    assert.equal(patched.name, "New name");
    assert.equal(patched.description, "old");
    const put = await ada.call("PUT", `/api/chat/rooms/${id}`, { description: null, visibility: "public" }, 200);
    assert.equal(put.description, null);
    assert.equal(put.visibility, "public");
    assert.equal(put.name, "New name");
    await bob.refused("PATCH", `/api/chat/rooms/${id}`, { name: "Mine" }, 403, "PERMISSION_DENIED");
  });

  test("only the owner deletes a room, and then it is gone for all", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const { id } = await ada.openGroup([bob]);
    await bob.refused("DELETE", `/api/chat/rooms/${id}`, undefined, 403, "PERMISSION_DENIED");
    await ada.call("DELETE", `/api/chat/rooms/${id}`);
    for (const person of [ada, bob]) {
      await person.refused("GET", `/api/chat/rooms/${id}`, undefined, 404, "ROOM_NOT_FOUND");
      assert.deepEqual((await person.call("GET", "/api/chat/rooms")).rooms, []);
    }
  });

  test("a stranger cannot tell a room from one that does not exist", async () => {
    const [ada, eve] = await people(here.server, "ada", "eve");
    const { id } = await ada.openGroup();
    for (const [method, path, body] of [
      ["GET", ""],
      ["PATCH", "", { name: "Mine" }],
      ["DELETE", ""],
      ["GET", "/members"],
      ["POST", "/members", { user_ids: [eve.id] }],
      ["DELETE", `/members/${ada.id}`],
      ["POST", "/leave"],
      ["GET", "/messages"],
      ["POST", "/read", { up_to_seq: 1 }],
    ]) {
      const answers = [];
      for (const room of [id, NOBODY]) {
        const answer = await eve.refused(method, `/api/chat/rooms/${room}${path}`, body, 404, "ROOM_NOT_FOUND");
        delete answer.request_id;
        delete answer.timestamp;
        answers.push(answer);
      }
      assert.deepEqual(answers[0], answers[1]);
    }
    await eve.refused("POST", "/api/chat/messages", { room_id: id, content: "hi" }, 404, "ROOM_NOT_FOUND");
    await eve.refused("GET", "/api/chat/rooms/abc", undefined, 422, "VALIDATION_ERROR");
  });
});

describe("members", { concurrency: 4 }, () => {
  test("members are added together or one by one, and listed", async () => {
    const [ada, bob, cleo, dan] = await people(here.server, "ada", "bob", "cleo", "dan");
    const { id } = await ada.openGroup();
    await ada.call("POST", `/api/chat/rooms/${id}/members`, { user_ids: [bob.id, cleo.id] });
    await ada.call("POST", `/api/chat/rooms/${id}/members/${dan.id}`);
    const listed = await dan.call("GET", `/api/chat/rooms/${id}/members`, undefined, 200);
    assert.deepEqual(roles(listed.members), {
      [ada.id]: "owner",
      [bob.id]: "member",
      [cleo.id]: "member",
      [dan.id]: "member",
    });
    assert.equal(listed.total, 4);
    assert.equal((await ada.call("GET", `/api/chat/rooms/${id}`)).member_count, 4);
    await ada.refused("POST", `/api/chat/rooms/${id}/members/${dan.id}`, undefined, 409, "ALREADY_MEMBER");
    await ada.refused("POST", `/api/chat/rooms/${id}/members`, { user_ids: [NOBODY] }, 404, "USER_NOT_FOUND");
    await ada.refused("POST", `/api/chat/rooms/${id}/members`, { user_ids: [] }, 422, "VALIDATION_ERROR");
  });

  test("a full room takes nobody more", async () => {
    const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
    const { id } = await ada.openGroup([bob], { max_members: 2 });
    await ada.refused("POST", `/api/chat/rooms/${id}/members`, { user_ids: [cleo.id] }, 409, "ROOM_FULL");
  });

  test("roles are given, by PATCH and PUT, within the table", async () => {
    const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
    const { id } = await ada.openGroup([bob, cleo]);
    const of = (person) => `/api/chat/rooms/${id}/members/${person.id}`;
    const promoted = await ada.call("PATCH", of(bob), { role: "admin" }, 200);
    assert.equal(promoted.role, "admin");
    assert.equal(promoted.is_admin, true);
    assert.equal((await bob.call("PUT", of(cleo), { role: "viewer" }, 200)).role, "viewer");

    await bob.refused("PATCH", of(bob), { role: "owner" }, 403, "PERMISSION_DENIED");
    await bob.refused("PATCH", of(ada), { role: "member" }, 403, "PERMISSION_DENIED");
    await bob.refused("DELETE", of(ada), undefined, 403, "PERMISSION_DENIED");
    await cleo.refused("PATCH", of(bob), { role: "viewer" }, 403, "PERMISSION_DENIED");
    await ada.refused("PATCH", of(cleo), { role: "emperor" }, 422, "VALIDATION_ERROR");
    await ada.refused("PATCH", of(ada), { role: "member" }, 409, "LAST_OWNER");
  });

  test("a viewer reads and does not write", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const { id } = await ada.openGroup([bob]);
    await ada.send(id, "for your eyes");
    await ada.call("PATCH", `/api/chat/rooms/${id}/members/${bob.id}`, { role: "viewer" }, 200);
    const { messages } = await bob.call("GET", `/api/chat/rooms/${id}/messages`, undefined, 200);
    assert.equal(messages[0].content, "for your eyes");
    await bob.refused("POST", "/api/chat/messages", { room_id: id, content: "me too" }, 403, "PERMISSION_DENIED");
  });

  test("a muted member is silent until the time is over or lifted", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const { id } = await ada.openGroup([bob]);
    const path = `/api/chat/rooms/${id}/members/${bob.id}`;
    const muted = await ada.call("PATCH", path, { muted_until: "2999-01-01T00:00:00Z" }, 200);
    assert.equal(Date.parse(muted.muted_until), Date.parse("2999-01-01T00:00:00Z"));
    await bob.refused("POST", "/api/chat/messages", { room_id: id, content: "mm" }, 403, "PERMISSION_DENIED");
    assert.equal((await ada.call("PATCH", path, { muted_until: null }, 200)).muted_until, null);
    await bob.send(id, "at last");
  });

  test("one leaves by either route; the last owner cannot", async () => {
    const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
    const { id } = await ada.openGroup([bob, cleo]);
    await bob.call("POST", `/api/chat/rooms/${id}/leave`);
    await cleo.call("DELETE", `/api/chat/rooms/${id}/members/${cleo.id}`);
    for (const gone of [bob, cleo]) {
      await gone.refused("GET", `/api/chat/rooms/${id}`, undefined, 404, "ROOM_NOT_FOUND");
    }
    assert.equal((await ada.call("GET", `/api/chat/rooms/${id}`)).member_count, 1);
    await ada.refused("POST", `/api/chat/rooms/${id}/leave`, undefined, 409, "LAST_OWNER");
  });

  test("a member is removed by an admin, and by no member", async () => {
    const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
    const { id } = await ada.openGroup([bob, cleo]);
    const of = (person) => `/api/chat/rooms/${id}/members/${person.id}`;
    await cleo.refused("DELETE", of(bob), undefined, 403, "PERMISSION_DENIED");
    await ada.call("PATCH", of(bob), { role: "admin" }, 200);
    await bob.call("DELETE", of(cleo));
    await cleo.refused("GET", `/api/chat/rooms/${id}`, undefined, 404, "ROOM_NOT_FOUND");
    await ada.refused("DELETE", of(cleo), undefined, 404, "USER_NOT_FOUND");
  });

  test("nobody adds to, removes from, or deletes a direct room", async () => {
    const [ada, bob, cleo] = await people(here.server, "ada", "bob", "cleo");
    const { id } = await ada.call("POST", "/api/chat/rooms", { room_type: "direct", member_ids: [bob.id] }, 201);
    const rooms = `/api/chat/rooms/${id}`;
    await ada.refused("POST", `${rooms}/members`, { user_ids: [cleo.id] }, 403, "PERMISSION_DENIED");
    await ada.refused("DELETE", `${rooms}/members/${bob.id}`, undefined, 403, "PERMISSION_DENIED");
    await ada.refused("DELETE", rooms, undefined, 403, "PERMISSION_DENIED");
    await bob.send(id, "still here");
  });
});
