// A person with an account, who calls the REST API and opens sockets.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { ClientSocket } from "./socket.mjs";
import { within } from "./deadline.mjs";

const DEADLINE = 10_000;

/** One REST call: `{status, headers, body}`, whatever the answer. */
export async function request(server, method, path, { token, body, form, headers = {} } = {}) {
  const sent = { ...headers };
  if (token) sent.authorization = `Bearer ${token}`;
  if (body !== undefined) sent["content-type"] = "application/json";
  const response = await fetch(server.url + path, {
    method,
    headers: sent,
    body: form ? new URLSearchParams(form) : body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

export class Person {
  constructor(server, name) {
    this.server = server;
    // Tests share a server, so names carry something of their own.
    this.username = `${name}-${randomUUID().slice(0, 8)}`;
    this.email = `${this.username}@example.com`;
    this.password = `the password of ${name}`;
  }

  static async register(server, name) {
    const person = new Person(server, name);
    const { email, username, password } = person;
    const { status, body } = await request(server, "POST", "/api/auth/register", {
      body: { email, username, password },
    });
    assert.equal(status, 201, JSON.stringify(body));
    person.id = body.id;
    await person.login();
    return person;
  }

  /** Opens a session and makes it the one this person's calls are made with. */
  async login() {
    const { email, password } = this;
    const { status, body } = await request(this.server, "POST", "/api/auth/login", { body: { email, password } });
    assert.equal(status, 200, JSON.stringify(body));
    this.token = body.access_token;
    this.refreshToken = body.refresh_token;
    return body;
  }

  /** A REST call that must succeed, and its body. `expect` pins the status where the contract does. */
  async call(method, path, body, expect) {
    const answer = await request(this.server, method, path, { token: this.token, body });
    const said = `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`;
    if (expect) assert.equal(answer.status, expect, said);
    else assert.ok(answer.status >= 200 && answer.status < 300, said);
    return answer.body;
  }

  /** A REST call that must be refused with this status and code. */
  async refused(method, path, body, status, code) {
    const answer = await request(this.server, method, path, { token: this.token, body });
    const said = `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`;
    assert.equal(answer.status, status, said);
    assert.equal(answer.body.error_code, code, said);
    assert.equal(answer.body.status, status, said);
    assert.match(answer.headers.get("content-type"), /^application\/problem\+json/);
    return answer.body;
  }

  async openGroup(members = [], settings = {}) {
    const member_ids = members.map((member) => member.id);
    const room = { room_type: "group", name: "Engine room", member_ids, ...settings };
    return this.call("POST", "/api/chat/rooms", room, 201);
  }

  async send(roomId, content, more = {}) {
    return this.call("POST", "/api/chat/messages", { room_id: roomId, message_type: "text", content, ...more }, 201);
  }

  /** A connected socket of this person that remembers everything it hears from its first moment. */
  async connect(transport, auth = {}, options = {}) {
    const socket = this.socket(transport, auth, options);
    socket.open();
    await within(DEADLINE, `${this.username} connects`, socket.connected);
    return socket;
  }

  /** The same, connected and in `room`. */
  async enter(transport, room, auth = {}) {
    const socket = await this.connect(transport, auth);
    await socket.ask("join_room", { room_id: room.id });
    return socket;
  }

  /** A socket that is not opened yet. */
  socket(transport, auth = {}, options = {}) {
    return new ClientSocket(this.server, transport, { token: this.token, ...auth }, options);
  }
}

export async function people(server, ...names) {
  return Promise.all(names.map((name) => Person.register(server, name)));
}
