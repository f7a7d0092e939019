// The REST routes of accounts and people.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, Person, request } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";

const here = serverForThisFile();

describe("accounts", { concurrency: 4 }, () => {
  test("registering answers the account, without a secret", async () => {
    const { username, email, password } = new Person(here.server, "ada");
    const { status, body } = await request(here.server, "POST", "/api/auth/register", {
      body: { email, password, username, full_name: "Ada Lovelace", is_superuser: true },
    });
    assert.equal(status, 201);
    assert.equal(body.email, email);
    assert.equal(body.username, username);
    assert.equal(body.full_name, "Ada Lovelace");
    assert.equal(body.is_active, true);
    assert.equal(body.is_verified, false);
    assert.equal(body.is_superuser, false, "nobody makes themselves a superuser");
    assert.equal(body.is_bot, false);
    assert.match(body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.match(body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.doesNotMatch(JSON.stringify(body), /password|hash|argon2/i);
  });

  test("an e-mail address or user name is taken once, without regard to case", async () => {
    const [ada] = await people(here.server, "ada");
    for (const taken of [
      { email: ada.email.toUpperCase(), username: `${ada.username}x` },
      { email: `x${ada.email}`, username: ada.username.toUpperCase() },
    ]) {
      const { status, body } = await request(here.server, "POST", "/api/auth/register", {
        body: { ...taken, password: "a long password" },
      });
      assert.equal(status, 409);
      assert.equal(body.error_code, "USER_EXISTS");
    }
  });

  test("a registration that does not fit names the fields", async () => {
    const { status, body } = await request(here.server, "POST", "/api/auth/register", {
      body: { email: "nonsense", password: "short" },
    });
    assert.equal(status, 422);
    assert.equal(body.error_code, "VALIDATION_ERROR");
    const fields = body.errors.map((error) => error.field);
    assert.ok(fields.includes("email") && fields.includes("password"), JSON.stringify(body));
    assert.ok(body.request_id && body.timestamp && body.detail && body.title && body.type, JSON.stringify(body));
  });

  test("login takes the e-mail address, the user name, and the OAuth2 password form", async () => {
    const [ada] = await people(here.server, "ada");
    const { password, username, email } = ada;
    for (const [path, credentials] of [
      ["/api/auth/login", { body: { email, password } }],
      ["/api/auth/login", { body: { username, password } }],
      ["/api/auth/login", { form: { username, password } }],
      ["/api/auth/jwt/login", { form: { username: email, password } }],
      ["/api/auth/jwt/login", { body: { email, password } }],
    ]) {
      const { status, body } = await request(here.server, "POST", path, credentials);
      assert.equal(status, 200, `${path} ${JSON.stringify(credentials)}: ${JSON.stringify(body)}`);
      assert.equal(body.token_type, "bearer");
      assert.equal(body.expires_in, 1800);
      assert.equal(body.user.id, ada.id);
      assert.ok(body.user.last_login);
      const me = await request(here.server, "GET", "/api/auth/me", { token: body.access_token });
      assert.equal(me.body.id, ada.id);
    }
  });

  test("an unknown user and a wrong password get the same answer", async () => {
    const [ada] = await people(here.server, "ada");
    const answers = [];
    for (const email of [ada.email, `nobody-${ada.email}`]) {
      const { status, body } = await request(here.server, "POST", "/api/auth/login", {
        body: { email, password: "not the password" },
      });
      assert.equal(status, 401);
      assert.equal(body.error_code, "INVALID_CREDENTIALS");
      delete body.request_id;
      delete body.timestamp;
      answers.push(body);
    }
    assert.deepEqual(answers[0], answers[1]);
  });

  test("me is served at both places, and only to who has a token", async () => {
    const [ada] = await people(here.server, "ada");
    const me = await ada.call("GET", "/api/users/me", undefined, 200);
    assert.equal(me.email, ada.email);
    assert.deepEqual(await ada.call("GET", "/api/auth/me", undefined, 200), me);
    for (const path of ["/api/users/me", "/api/auth/me", "/api/chat/rooms"]) {
      const { status, body } = await request(here.server, "GET", path);
      assert.equal(status, 401);
      assert.equal(body.error_code, "UNAUTHORIZED");
    }
  });

  test("a profile is changed in part, and null clears", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const avatar_url = "https://example.com/ada.png";
    const changed = await ada.call("PATCH", "/api/users/me", { full_name: "Ada", avatar_url }, 200);
    assert.equal(changed.full_name, "Ada");
    assert.equal(changed.avatar_url, avatar_url);
    assert.equal(changed.username, ada.username);
    const cleared = await ada.call("PUT", "/api/users/me", { avatar_url: null }, 200);
    assert.equal(cleared.avatar_url, null);
    assert.equal(cleared.full_name, "Ada", "what is absent stays");
    await ada.refused("PATCH", "/api/users/me", { username: bob.username }, 409, "USER_EXISTS");
    await ada.refused("PATCH", "/api/users/me", { avatar_url: "javascript:alert(1)" }, 422, "VALIDATION_ERROR");
  });

  test("a new password needs the old one, and replaces it", async () => {
    const [ada] = await people(here.server, "ada");
    const password = "another long password";
    const wrong = await request(here.server, "PATCH", "/api/users/me", {
      token: ada.token,
      body: { password, current_password: "not the password" },
    });
    assert.ok([401, 403, 422].includes(wrong.status), JSON.stringify(wrong.body));
    await ada.call("PATCH", "/api/users/me", { password, current_password: ada.password }, 200);
    const old = await request(here.server, "POST", "/api/auth/login", {
      body: { email: ada.email, password: ada.password },
    });
    assert.equal(old.body.error_code, "INVALID_CREDENTIALS");
    ada.password = password;
    await ada.login();
  });

  test("a deactivated account is out: token, login and list", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    await ada.call("DELETE", "/api/users/me");
    const me = await request(here.server, "GET", "/api/users/me", { token: ada.token });
    assert.equal(me.status, 401);
    const login = await request(here.server, "POST", "/api/auth/login", {
      body: { email: ada.email, password: ada.password },
    });
    assert.equal(login.status, 401);
    const { users } = await bob.call("GET", `/api/users?search=${ada.username}`);
    assert.deepEqual(users, []);
  });

  test("people are found by name, at both addresses, with an address only for contacts", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const listed = await ada.call("GET", `/api/users?search=${bob.username}`, undefined, 200);
    assert.deepEqual(await ada.call("GET", `/api/users/users?search=${bob.username}`, undefined, 200), listed);
    assert.equal(listed.total, 1);
    assert.equal(listed.page, 1);
    assert.equal(listed.pages, 1);
    assert.equal(listed.has_more, false);
    const [found] = listed.users;
    assert.equal(found.id, bob.id);
    assert.equal(found.email, "b***@example.com");
    assert.equal(found.room_id, null);
    assert.equal(found.last_message, null);
    assert.equal(found.unread_count, 0);
    assert.ok(!("last_login" in found), "only your own");
    assert.equal((await ada.call("GET", `/api/users/${bob.id}`)).email, "b***@example.com");
  });

  test("the list of people carries the direct room with you", async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.call("POST", "/api/chat/rooms", { room_type: "direct", member_ids: [bob.id] }, 201);
    await bob.send(room.id, "hello");
    const last = await bob.send(room.id, "are you there?");
    const { users } = await ada.call("GET", `/api/users?search=${bob.username}`);
    assert.equal(users[0].room_id, room.id);
    assert.equal(users[0].last_message.id, last.id);
    assert.equal(users[0].unread_count, 2);
    assert.equal(users[0].email, bob.email, "he has written in a room that they share");
  });

  test("lists refuse pages that do not exist", async () => {
    const [ada] = await people(here.server, "ada");
    for (const query of ["page=0", "page=-1", "page=1e20", "page_size=0", "page_size=101", "size=101"]) {
      await ada.refused("GET", `/api/users?${query}`, undefined, 422, "VALIDATION_ERROR");
    }
  });

  test("someone who does not exist is not found", async () => {
    const [ada] = await people(here.server, "ada");
    await ada.refused("GET", "/api/users/0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11", undefined, 404, "USER_NOT_FOUND");
    await ada.refused("GET", "/api/users/abc", undefined, 422, "VALIDATION_ERROR");
    await ada.refused("GET", "/api/nothing/here", undefined, 404, "NOT_FOUND");
  });
});
