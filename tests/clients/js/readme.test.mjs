// The program that README.md shows for one's own app: it runs as it stands there.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { io } from "socket.io-client";

import { within } from "./deadline.mjs";
import { people } from "./person.mjs";
import { serverForThisFile } from "./server.mjs";

const DEADLINE = 10_000;

const here = serverForThisFile();

/** What the program calls of its app; it remembers with what. */
class Told {
  values = [];
  #looks = new Set();
  tell = (value) => {
    this.values.push(value);
    for (const look of this.#looks) look();
  };

  /** The first value that `fits`, once it was told. */
  first(what, fits) {
    const told = new Promise((resolve) => {
      const look = () => {
        const found = this.values.find(fits);
        if (found !== undefined) resolve(found);
      };
      this.#looks.add(look);
      look();
    });
    return within(DEADLINE, what, told);
  }
}

/** Runs the program for a person until the test ends. */
async function run(t, person) {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const [, text] = readme.split("**In your own app**")[1].match(/```js\n([^]*?)```/);
  const body = text.replace(/^import .*\n/, "").replace("http://127.0.0.1:8000", here.server.url);
  assert.notEqual(body, text);
  const AsyncFunction = (async () => {}).constructor;
  const given = ["io", "crypto", "username", "password", "show", "complain", "signInAgain"];
  const program = new AsyncFunction(...given, `${body}; return { socket, seen, call, send, read, loadHistory };`);
  const told = { show: new Told(), complain: new Told(), signInAgain: new Told() };
  const { show, complain, signInAgain } = told;
  const app = await program(
    io, { randomUUID }, person.username, person.password, show.tell, complain.tell, signInAgain.tell,
  );
  t.after(() => app.socket.disconnect());
  return { ...app, told };
}

describe("the program of README.md", () => {
  test("sends, hears and marks as read", async (t) => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.openGroup([bob]);
    const { send, read, seen, told } = await run(t, ada);
    await send(room.id, "from the program");
    const own = await told.show.first("its own message", (message) => message.content === "from the program");
    const { seq } = await bob.send(room.id, "an answer");
    await told.show.first("the answer", (message) => message.content === "an answer");
    assert.equal(own.seq, seq - 1);
    assert.equal(seen[room.id], seq);
    const watching = await bob.enter("websocket", room);
    t.after(() => watching.close());
    read(room.id);
    const mark = await watching.heard("messages_read", (data) => data.user_id === ada.id);
    assert.equal(mark.last_read_seq, seq);
    await send(randomUUID(), "nowhere");
    assert.deepEqual(told.complain.values, ["ROOM_NOT_FOUND"]);
  });

  test("loads a history of several pages", async (t) => {
    const [ada] = await people(here.server, "ada");
    const room = await ada.openGroup();
    for (let number = 0; number < 101; number++) await ada.send(room.id, `message ${number}`);
    const { loadHistory, told } = await run(t, ada);
    await loadHistory(room.id, 0);
    const shown = told.show.values.filter((message) => message.room_id === room.id).map(({ content }) => content);
    assert.deepEqual(shown, Array.from({ length: 101 }, (_, number) => `message ${number}`));
  });

  test("comes back after an end by the server, and asks to sign in again when its login is over", async (t) => {
    const [ada] = await people(here.server, "ada");
    const { call, told } = await run(t, ada);
    await call("POST", "/api/auth/logout");
    const refusal = await told.signInAgain.first("sign in again", () => true);
    assert.equal(refusal.message, "UNAUTHORIZED");
  });
});
