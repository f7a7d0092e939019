// A chat in the terminal, with the stock socket.io-client.
//
//   node chat.mjs --user ada --password "correct horse" --room "Engine room" --with bob
//
// Signs in (with --sign-up it makes the account first, unless there is one), opens the room of that name or id, adds the
// people named by --with, shows the last events, and sends every line it reads. With --say "hello" it sends that and ends.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";

const USAGE = `usage: node chat.mjs --user NAME --password PASSWORD [options]

  --user NAME          who you are: your user name
  --password PASSWORD  your password
  --sign-up            make this account first; one that exists with this password is used as it is
  --room "NAME OR ID"  one of your rooms, "Lobby" unless given; if there is none, a group of this name is opened
  --with NAME          add this person to the room, by user name; may be given several times
  --say TEXT           send this and end; without it every line of standard input is sent
  --url URL            where the server is, http://127.0.0.1:8000 unless given
  --help               show this`;

/** Ends with one line that says why. */
function fail(why, code = 1) {
  console.error(why);
  process.exit(code);
}

const KNOWN = {
  url: { type: "string", default: "http://127.0.0.1:8000" },
  user: { type: "string" },
  password: { type: "string" },
  room: { type: "string", default: "Lobby" },
  with: { type: "string", multiple: true, default: [] },
  say: { type: "string" },
  "sign-up": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
};

function readOptions() {
  try {
    return parseArgs({ options: KNOWN }).values;
  } catch (error) {
    return fail(`${error.message}\n\n${USAGE}`, 2);
  }
}

const options = readOptions();
if (options.help) {
  console.log(USAGE);
  process.exit();
}
if (!options.user || !options.password) fail(`--user and --password are needed\n\n${USAGE}`, 2);

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let session;

async function rest(method, path, body) {
  const response = await fetch(options.url + path, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(session && { authorization: `Bearer ${session.access_token}` }),
    },
    body: body && JSON.stringify(body),
  }).catch(() => {
    throw new Error(`no server answers at ${options.url}: start it, or name another with --url`);
  });
  const answer = response.status === 204 ? undefined : await response.json();
  if (response.status === 429) {
    console.log(`  (waiting: ${answer.detail})`);
    await pause(1_000 * Number(response.headers.get("retry-after") ?? 1));
    return rest(method, path, body);
  }
  if (!response.ok) throw Object.assign(new Error(answer.detail), { code: answer.error_code });
  return answer;
}

/** Keeps the tokens of an answer, and until when the access token is good: half an hour unless configured otherwise. */
function keep(tokens) {
  session = { ...tokens, until: Date.now() + 1_000 * tokens.expires_in };
}

async function signIn() {
  const { user: username, password } = options;
  let isTaken = false;
  if (options["sign-up"]) {
    const account = { email: `${username}@example.com`, username, password };
    await rest("POST", "/api/auth/register", account).catch((error) => {
      if (error.code !== "USER_EXISTS") throw error;
      isTaken = true; // perhaps by us, the last time
    });
  }
  keep(
    await rest("POST", "/api/auth/login", { username, password }).catch((error) => {
      if (error.code !== "INVALID_CREDENTIALS") throw error;
      if (isTaken) throw new Error(`the name ${username} is taken, by an account with another password`);
      throw new Error(`there is no account ${username} with this password; --sign-up makes one`);
    }),
  );
}

async function renew() {
  keep(await rest("POST", "/api/auth/refresh", { refresh_token: session.refresh_token }));
}

async function openRoom() {
  const { rooms } = await rest("GET", "/api/chat/rooms?page_size=100");
  const found = rooms.find((room) => room.id === options.room || room.name === options.room);
  const room = found ?? (await rest("POST", "/api/chat/rooms", { room_type: "group", name: options.room }));
  for (const name of options.with) {
    const { users } = await rest("GET", `/api/users?search=${encodeURIComponent(name)}`);
    const person = users.find((user) => user.username === name);
    if (!person) throw new Error(`there is nobody called ${name}`);
    await rest("POST", `/api/chat/rooms/${room.id}/members`, { user_ids: [person.id] }).catch((error) => {
      if (error.code !== "ALREADY_MEMBER") throw error;
    });
  }
  return room;
}

let room;
try {
  await signIn();
  room = await openRoom();
} catch (error) {
  fail(error.message);
}
console.log(`in ${room.name ?? "a direct room"} (${room.id})`);

// The last place of the room that was seen. It goes along with every connection, so whatever was missed in
// between arrives first, in order.
const cursors = { [room.id]: Math.max(0, room.last_seq - 20) };

const socket = io(options.url, {
  // Asked before every connection, also after an outage that was longer than the token's life.
  auth: async (give) => {
    if (Date.now() > session.until - 10_000) await renew().catch(() => {}); // the server may be away: it is asked again then
    give({ token: session.access_token, cursors });
  },
  // A send that was not acked in time is repeated; its client_msg_id makes it one message all the same.
  ackTimeout: 5_000,
  retries: 10,
});

socket.onAny((event, data) => {
  if (data?.room_id === room.id && data.seq) cursors[room.id] = Math.max(cursors[room.id], data.seq);
});
socket.on("new_message", ({ seq, message }) => console.log(`${seq} ${message.sender.username}: ${message.content}`));
socket.on("message_edited", ({ message_id, content }) => console.log(`  edited ${message_id}: ${content}`));
socket.on("message_deleted", ({ message_id }) => console.log(`  deleted ${message_id}`));
socket.on("member_added", ({ member }) => console.log(`  ${member.user.username} is a member now`));
socket.on("user_typing", ({ user_name, is_typing }) => is_typing && console.log(`  ${user_name} is typing…`));
socket.on("resync_required", ({ after_seq, last_seq }) => console.log(`  (${last_seq - after_seq} events skipped)`));

let wasConnected = false;
socket.on("connect", () => {
  if (wasConnected) console.log("  connected again");
  wasConnected = true;
});
socket.on("session_revoked", ({ code }) => fail(`the server has ended this login (${code}): sign in again`));
socket.on("disconnect", (reason) => {
  if (reason === "io client disconnect") return; // that was us
  console.log(`  connection lost: ${reason}`);
  if (!socket.active) fail("the server has ended this connection: start again"); // no attempt follows
});

socket.on("session_expiring", () => {
  const authenticate = () => socket.emit("authenticate", { token: session.access_token }, () => {});
  renew().then(authenticate, () => {}); // the server may be away: the next connection renews
});
socket.on("connect_error", (error) => {
  if (socket.active) return; // it is tried again
  if (error.message !== "TOKEN_EXPIRED") fail(`refused: ${error.message}`);
  renew().then(() => socket.connect(), (refusal) => fail(refusal.message));
});

const seen = (seq) =>
  new Promise((resolve) => {
    const look = () => cursors[room.id] >= seq && resolve(socket.offAny(look));
    socket.onAny(look);
    look();
  });

async function send(content) {
  const message = { room_id: room.id, content, client_msg_id: randomUUID() };
  let ack = await socket.emitWithAck("send_message", message);
  while (!ack.ok && ack.error.retry_after_ms) {
    console.log(`  (waiting: ${ack.error.message})`);
    await pause(ack.error.retry_after_ms); // too many messages, or a server that is restarted
    ack = await socket.emitWithAck("send_message", message);
  }
  if (ack.ok) await seen(ack.data.message.seq); // until the room has shown it to us, too
  else console.error(`  not sent: ${ack.error.message}`);
}

if (options.say) {
  await send(options.say);
} else {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) if (line.trim()) await send(line);
}
socket.disconnect();
