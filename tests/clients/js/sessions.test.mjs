// Tokens over time: rotation, reuse, logout, expiry; and what each does to open sockets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { people, request } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";
import { overEachTransport } from "./transports.mjs";

const here = serverForThisFile({ PARLOUR__AUTH__REFRESH_LEEWAY_SECONDS: "0" });
const lenient = serverForThisFile();

const refresh = (token, { server } = here) =>
  request(server, "POST", "/api/auth/refresh", { body: { refresh_token: token } });

describe("sessions", () => {
  test("within the leeway a used refresh token gets the newest pair of its login", async () => {
    const [ada] = await people(lenient.server, "ada");
    const first = await refresh(ada.refreshToken, lenient);
    assert.equal(first.status, 200, JSON.stringify(first.body));
    const again = await refresh(ada.refreshToken, lenient);
    assert.equal(again.status, 200, JSON.stringify(again.body));
    assert.notEqual(again.body.refresh_token, ada.refreshToken);
    for (const { body } of [first, again]) {
      const me = await request(lenient.server, "GET", "/api/users/me", { token: body.access_token });
      assert.equal(me.status, 200);
    }
    const next = await refresh(again.body.refresh_token, lenient);
    assert.equal(next.status, 200, JSON.stringify(next.body));
  });

  test("after the leeway a refresh token is good once; used again, everything it led to is revoked", async () => {
    const [ada] = await people(here.server, "ada");
    const first = await refresh(ada.refreshToken);
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.notEqual(first.body.refresh_token, ada.refreshToken);
    assert.equal(first.body.user.id, ada.id);
    const second = await refresh(first.body.refresh_token);
    assert.equal(second.status, 200, JSON.stringify(second.body));

    const reused = await refresh(ada.refreshToken);
    assert.equal(reused.status, 401);
    assert.equal(reused.body.error_code, "TOKEN_REUSED");
    assert.equal((await refresh(second.body.refresh_token)).status, 401);
    const me = await request(here.server, "GET", "/api/users/me", { token: second.body.access_token });
    assert.equal(me.status, 401);
  });

  test("each kind of token is refused in the other's place", async () => {
    const [ada] = await people(here.server, "ada");
    const exchanged = await refresh(ada.token);
    assert.equal(exchanged.status, 401);
    assert.equal(exchanged.body.error_code, "WRONG_TOKEN_TYPE");
    const me = await request(here.server, "GET", "/api/users/me", { token: ada.refreshToken });
    assert.equal(me.status, 401);
    assert.equal(me.body.error_code, "WRONG_TOKEN_TYPE");
  });

  test("logging out, at either address, ends the session and no other", async () => {
    for (const path of ["/api/auth/logout", "/api/auth/jwt/logout"]) {
      const [ada] = await people(here.server, "ada");
      const { token, refreshToken } = ada;
      await ada.login();
      const left = await request(here.server, "POST", path, { token });
      assert.equal(left.status, 204);
      assert.equal((await request(here.server, "GET", "/api/users/me", { token })).status, 401);
      assert.equal((await refresh(refreshToken)).status, 401);
      await ada.call("GET", "/api/users/me", undefined, 200);
    }
  });

  overEachTransport((transport) => {
    test("logging out tells that session's sockets why and ends them, and no others", async () => {
      const [ada] = await people(here.server, "ada");
      const ending = await ada.connect(transport);
      const { token } = ada;
      await ada.login();
      const staying = await ada.connect(transport);
      await request(here.server, "POST", "/api/auth/logout", { token });
      assert.ok((await ending.heard("session_revoked")).code);
      await ending.ended();
      await staying.roundTrip();
      assert.deepEqual(staying.all("session_revoked"), []);
    });

    test("a reused refresh token ends the sockets of its family", async () => {
      const [ada] = await people(here.server, "ada");
      const socket = await ada.connect(transport);
      assert.equal((await refresh(ada.refreshToken)).status, 200);
      assert.equal((await refresh(ada.refreshToken)).status, 401);
      await socket.heard("session_revoked");
      await socket.ended();
    });

    test("a new password ends the other sessions' sockets and keeps the one it was set with", async () => {
      const [ada] = await people(here.server, "ada");
      const other = await ada.connect(transport);
      await ada.login();
      const own = await ada.connect(transport);
      await ada.call("PATCH", "/api/users/me", { password: "a newer password", current_password: ada.password }, 200);
      await other.heard("session_revoked");
      await other.ended();
      await own.roundTrip();
    });

    test("deactivating the account ends its sockets", async () => {
      const [ada] = await people(here.server, "ada");
      const socket = await ada.connect(transport);
      await ada.call("DELETE", "/api/users/me");
      await socket.heard("session_revoked");
      await socket.ended();
    });

    test("authenticate takes this person's tokens only", async () => {
      const [ada, bob] = await people(here.server, "ada", "bob");
      const socket = await ada.connect(transport);
      const { expires_at } = await socket.heard("connected");
      await ada.login();
      const renewed = await socket.ask("authenticate", { token: ada.token });
      assert.ok(Date.parse(renewed.expires_at) >= Date.parse(expires_at));
      await socket.refused("UNAUTHORIZED", "authenticate", { token: "garbage" });
      await socket.refused("WRONG_TOKEN_TYPE", "authenticate", { token: ada.refreshToken });
      const stolen = await socket.emit("authenticate", { token: bob.token });
      assert.equal(stolen.ok, false, "a socket never changes hands");
      await socket.refused("VALIDATION_ERROR", "authenticate", {});
    });
  });
});
