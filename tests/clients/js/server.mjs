// Starts the real server on a free port with a data folder of its own, and stops it as an operator would.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { after, before } from "node:test";

import { within } from "./deadline.mjs";

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const target = resolve(repository, process.env.CARGO_TARGET_DIR ?? "target");
const binary = process.env.PARLOUR_BIN ?? join(target, "debug", "parlour");

/** A port below those that the system hands out: nobody is given it while a server that is started again is away. */
async function freePort() {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const probe = createServer();
    const isFree = await new Promise((found) => {
      probe.once("error", () => found(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => found(true)));
    });
    if (isFree) return String(port);
  }
}

export class Server {
  static async start(settings = {}) {
    const server = new Server();
    server.data = await mkdtemp(join(tmpdir(), "parlour-js-"));
    server.log = [];
    server.closers = new Set();
    server.settings = { PORT: await freePort(), ...settings };
    await server.launch();
    return server;
  }

  async launch() {
    // Nothing else is inherited: a DATABASE_URL of the developer's must not end up under test.
    this.child = spawn(binary, [], {
      cwd: this.data,
      env: {
        PATH: process.env.PATH,
        HOME: this.data,
        RUST_BACKTRACE: "1",
        DATA_DIR: this.data,
        PARLOUR__LIMITS__ENABLED: "false",
        ...this.settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exit = new Promise((end) => {
      this.child.once("exit", (code, signal) => end({ code, signal }));
      this.child.once("error", (error) => end({ error }));
    });
    createInterface({ input: this.child.stderr }).on("line", (line) => this.log.push(line));
    const address = new Promise((found) => {
      createInterface({ input: this.child.stdout }).on("line", (line) => {
        this.log.push(line);
        if (line.startsWith("listening on http://")) found(line.slice("listening on ".length).trim());
      });
    });
    const died = this.exit.then((end) => {
      throw new Error(`the server ended before it listened: ${JSON.stringify(end)}\n${this.log.join("\n")}`);
    });
    died.catch(() => {}); // it also ends after every test, and then nobody waits for this
    try {
      this.url = await within(20_000, "the server listens", Promise.race([address, died]));
    } catch (error) {
      this.child.kill("SIGKILL"); // nobody else will
      await rm(this.data, { recursive: true, force: true });
      throw error;
    }
  }

  /** Stops the server in good order, its clients still there, and starts it again at the same address. */
  async restart() {
    this.child.kill("SIGTERM");
    const end = await within(15_000, "the server stops after SIGTERM", this.exit);
    assert.deepEqual(end, { code: 0, signal: null }, this.log.slice(-40).join("\n"));
    await this.launch();
  }

  /** Asks the server to stop, and checks that it did so by itself, cleanly and without a panic. */
  async stop() {
    for (const close of this.closers) close();
    this.child.kill("SIGTERM");
    try {
      const end = await within(15_000, "the server stops after SIGTERM", this.exit);
      assert.deepEqual(end, { code: 0, signal: null }, this.log.slice(-40).join("\n"));
      const panics = this.log.filter((line) => line.includes("panicked"));
      assert.deepEqual(panics, [], "no panic in the log");
    } finally {
      this.child.kill("SIGKILL");
      await rm(this.data, { recursive: true, force: true });
    }
  }
}

/** One server for the tests of a file. Its address and its people are there once the tests run. */
export function serverForThisFile(settings) {
  const holder = {};
  before(async () => {
    holder.server = await Server.start(settings);
  });
  after(() => holder.server?.stop());
  return holder;
}
