// A page in a browser, of another origin than the server: what it uploads is shown in an <img>.

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { people } from "./person.mjs";
import { png } from "./picture.mjs";
import { serverForThisFile } from "./server.mjs";

const here = serverForThisFile();

const DEADLINE = 20_000;

const BROWSER = process.env.PARLOUR_TEST_CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const CLIENT = fileURLToPath(new URL("node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url));

let browser;
let site;

before(async () => {
  site = createServer((request, response) => {
    if (request.url === "/socket.io.min.js") {
      response.setHeader("content-type", "text/javascript");
      createReadStream(CLIENT).pipe(response);
    } else {
      response.setHeader("content-type", "text/html");
      response.end('<!DOCTYPE html><title>Parlour</title><script src="/socket.io.min.js"></script>');
    }
  });
  await new Promise((listening) => site.listen(0, "127.0.0.1", listening));
  browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS, timeout: DEADLINE });
});

after(async () => {
  await browser?.close();
  site?.close();
});

/** Opens the page, and keeps what it complains about. */
async function open() {
  const page = await browser.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.complaints = [];
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(`http://localhost:${site.address().port}/`);
  return page;
}

/** Uploads and sends from one page; the other hears of it and shows it. Returns the size that the browser sees. */
const roundTrip = async ({ server, room, sender, reader, bytes, directly }) => {
  const connect = (token) =>
    new Promise((resolve, reject) => {
      const socket = io(server, { auth: { token }, forceNew: true, reconnection: false });
      socket.once("connect", () => resolve(socket));
      socket.once("connect_error", reject);
    });
  const call = async (path, options = {}) => {
    const headers = { authorization: `Bearer ${sender}`, ...options.headers };
    const response = await fetch(new URL(path, server), { ...options, headers });
    const answer = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer;
  };
  const byForm = async (file) => {
    const form = new FormData();
    form.append("file", file);
    return call("/api/chat/upload", { method: "POST", body: form });
  };
  const byAddress = async (file) => {
    const query = new URLSearchParams({ filename: file.name, mime_type: file.type, size: file.size });
    const direct = await call(`/api/chat/upload/signed-url?${query}`);
    const { method, headers } = direct;
    const stored = await fetch(new URL(direct.upload_url, server), { method, headers, body: file });
    if (!stored.ok) throw new Error(`PUT: ${stored.status}`);
    return call(`/api/chat/media/${direct.media_id}/complete`, { method: "POST" });
  };

  const [sending, hearing] = [await connect(sender), await connect(reader)];
  const heard = new Promise((resolve) => hearing.once("new_message", resolve));
  await hearing.emitWithAck("join_room", { room_id: room });
  const file = new File([new Uint8Array(bytes)], "picture.png", { type: "image/png" });
  const uploaded = await (directly ? byAddress : byForm)(file);
  const ack = await sending.emitWithAck("send_message", { room_id: room, media_id: uploaded.id });
  if (!ack.ok) throw new Error(JSON.stringify(ack));
  const { message } = await heard;

  const show = (url) =>
    new Promise((resolve, reject) => {
      const image = document.body.appendChild(new Image());
      image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
      image.onerror = () => reject(new Error(`an <img> cannot load ${url}`));
      image.src = new URL(url, server);
    });
  const whole = await show(message.media_url);
  const small = await show(message.thumbnail_url);
  sending.close();
  hearing.close();
  return { whole, small };
};

for (const directly of [false, true]) {
  const way = directly ? "directly to the store" : "with a form";
  test(`a picture that a page uploads ${way} loads in an <img> of a reader`, { timeout: DEADLINE * 3 }, async () => {
    const [ada, bob] = await people(here.server, "ada", "bob");
    const room = await ada.openGroup([bob]);
    const page = await open();
    const bytes = [...png(320, 200)];
    const seen = await page.evaluate(roundTrip, {
      server: here.server.url,
      room: room.id,
      sender: ada.token,
      reader: bob.token,
      bytes,
      directly,
    });
    assert.deepEqual(seen.whole, [320, 200]);
    assert.ok(seen.small[0] > 0, "the small picture has pixels");
    assert.deepEqual(page.complaints, []);
    await page.close();
  });
}

test("a page that was uploaded does not run when it is opened", { timeout: DEADLINE * 3 }, async () => {
  const [ada] = await people(here.server, "ada");
  const page = await open();
  for (const [name, type, text] of [
    ["page.html", "text/html", "<!DOCTYPE html><script>document.title='taken over'</script>"],
    ["drawing.svg", "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="x"</script></svg>'],
  ]) {
    const form = new FormData();
    form.append("file", new Blob([text], { type }), name);
    const headers = { authorization: `Bearer ${ada.token}` };
    const response = await fetch(`${here.server.url}/api/chat/upload`, { method: "POST", headers, body: form });
    if (response.status === 415) continue;
    assert.equal(response.status, 201);
    const { url } = await response.json();
    const saved = page.waitForEvent("download", { timeout: DEADLINE });
    // a navigation that becomes a download ends as an error
    await page.goto(new URL(url, here.server.url).href).catch(() => {});
    await saved;
    assert.equal(await page.title(), "Parlour", `${name} is saved, and the page stays`);
  }
  await page.close();
});
