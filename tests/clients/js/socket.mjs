// A stock socket.io-client that remembers what it heard, so that no test depends on listening in time.

import assert from "node:assert/strict";
import { io } from "socket.io-client";

import { within } from "./deadline.mjs";

const DEADLINE = 8_000;

export class ClientSocket {
  constructor(server, transport, auth, options = {}) {
    this.heardEvents = [];
    this.waiters = new Set();
    // A connection that ends must show in the test and not be mended behind its back.
    this.io = io(server.url, {
      auth,
      transports: transport.list,
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      ...options,
    });
    this.io.onAny((event, data) => this.#note(event, data));
    this.connected = new Promise((resolve, reject) => {
      this.io.once("connect", resolve);
      this.io.once("connect_error", (error) => reject(new Error(`refused: ${error.message}`)));
    });
    this.connected.catch(() => {}); // a test that expects a refusal looks at `refusal` instead
    this.refusal = new Promise((resolve) => this.io.once("connect_error", (error) => resolve(error.message)));
    this.io.on("disconnect", (reason) => this.#note("disconnect", reason));
    server.closers.add(() => this.io.disconnect());
  }

  open() {
    this.io.connect();
  }

  close() {
    this.io.disconnect();
  }

  /** Ends the connection underneath: a client that may reconnect does. */
  drop() {
    this.io.io.engine.close();
  }

  /** The reason of the refused connection. */
  async refusalCode() {
    return within(DEADLINE, "the connection is refused", this.refusal);
  }

  #note(event, data) {
    this.heardEvents.push({ event, data });
    for (const waiter of this.waiters) waiter();
  }

  /** The data of everything heard under this name so far, in order. */
  all(event, matches = () => true) {
    return this.heardEvents.filter((one) => one.event === event && matches(one.data)).map((one) => one.data);
  }

  /** The names of everything heard so far, in order. */
  names() {
    return this.heardEvents.map((one) => one.event);
  }

  /** The first matching event, heard already or still to come. */
  async heard(event, matches = () => true) {
    const [found] = await this.heardTimes(1, event, matches);
    return found;
  }

  /** The first `count` matching events, in order. */
  async heardTimes(count, event, matches = () => true, deadline = DEADLINE) {
    let waiter;
    const enough = new Promise((resolve) => {
      waiter = () => {
        const found = this.all(event, matches);
        if (found.length >= count) resolve(found.slice(0, count));
      };
      this.waiters.add(waiter);
      waiter();
    });
    const what = () => `${count} × ${event} (heard: ${this.names().slice(-30).join(" ") || "nothing"})`;
    try {
      return await within(deadline, event, enough).catch((error) => {
        throw new Error(`${error.message}: ${what()}`);
      });
    } finally {
      this.waiters.delete(waiter);
    }
  }

  /** Emits and returns the whole ack. */
  async emit(event, ...payload) {
    try {
      return await this.io.timeout(DEADLINE).emitWithAck(event, ...payload);
    } catch (error) {
      throw new Error(`${event} was not acked: ${error.message}`);
    }
  }

  /** Emits what must be granted, and returns the data of the ack. */
  async ask(event, payload) {
    const ack = await this.emit(event, payload);
    assert.deepEqual(Object.keys(ack).sort(), ["data", "ok"], `${event}: ${JSON.stringify(ack)}`);
    assert.equal(ack.ok, true);
    return ack.data;
  }

  /** Emits what must be refused with this code, and returns the error of the ack. */
  async refused(code, event, ...payload) {
    const ack = await this.emit(event, ...payload);
    const said = `${event} ${JSON.stringify(payload)}: ${JSON.stringify(ack)}`;
    assert.deepEqual(Object.keys(ack).sort(), ["error", "ok"], said);
    assert.equal(ack.ok, false, said);
    assert.equal(ack.error.code, code, said);
    assert.ok(ack.error.message.length > 0, said);
    return ack.error;
  }

  /** A round trip: what the server had emitted to this socket before it is heard afterwards. */
  async roundTrip() {
    await this.ask("ping", { at: Date.now() });
  }

  /** Waits for the end of the connection; returns the client's reason. */
  async ended() {
    return this.heard("disconnect");
  }
}
