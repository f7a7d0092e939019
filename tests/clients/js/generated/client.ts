// A program on a client that was generated from the server's OpenAPI document. It is compiled, so its types are checked too.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Code = components["schemas"]["ErrorCode"];
type Problem = components["schemas"]["Problem"];

const baseUrl = process.argv[2];
const anonymous = createClient<paths>({ baseUrl });

function given<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  assert.ok(answer.data !== undefined, `${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

function code(problem: Problem | undefined): Code {
  assert.ok(problem, "it is refused");
  return problem.error_code;
}

async function person(username: string) {
  const password = "correct horse battery";
  const email = `${username}@example.com`;
  given(await anonymous.POST("/api/auth/register", { body: { email, password, username } }));
  const { access_token, user } = given(await anonymous.POST("/api/auth/login", { body: { username, password } }));
  return { user, api: createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${access_token}` } }) };
}

const [ada, bob] = [await person("ada"), await person("bob")];

const refused = await anonymous.POST("/api/auth/login", { body: { username: "ada", password: "wrong" } });
const expected: Code = "INVALID_CREDENTIALS";
assert.equal(code(refused.error), expected);

const room = given(
  await ada.api.POST("/api/chat/rooms", { body: { room_type: "group", name: "Engine room", member_ids: [bob.user.id] } }),
);
const id: string = room.id;
const role: "owner" | "admin" | "member" | "viewer" | null | undefined = room.my_role;
assert.equal(role, "owner");

const sent = given(await ada.api.POST("/api/chat/messages", { body: { room_id: id, content: "Hello" } }));
const content: string | null = sent.content;
assert.equal(content, "Hello");
assert.equal(sent.sender.username, "ada");

const page = given(await bob.api.GET("/api/chat/rooms/{id}/messages", { params: { path: { id }, query: { page: 1 } } }));
assert.ok("total" in page, "a page counts what there is");
const total: number = page.total;
assert.equal(total, 1);
const part = given(
  await bob.api.GET("/api/chat/rooms/{id}/messages", { params: { path: { id }, query: { after_seq: 0, limit: 10 } } }),
);
assert.ok("first_seq" in part, "a part by seq says where it begins");
const first: number | null = part.first_seq;
assert.equal(first, sent.seq);

const form = new FormData();
form.append("file", new Blob(["some words"], { type: "text/plain" }), "words.txt");
const file = given(
  await ada.api.POST("/api/chat/upload", { body: { file: "" }, bodySerializer: () => form }),
);
assert.equal(file.size, 10);

const hidden = await bob.api.GET("/api/chat/rooms/{id}", {
  params: { path: { id: "0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11" } },
});
assert.equal(code(hidden.error), "ROOM_NOT_FOUND" satisfies Code);
// @ts-expect-error: there is no such code; the list is closed
const unknown: Code = "RoomNotFound";
assert.ok(unknown);

console.log("all as the document says");
