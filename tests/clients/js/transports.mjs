// The ways a client may connect. Each test of a socket runs over all of them.

import { describe } from "node:test";

export const websocket = { name: "websocket", list: ["websocket"] };
export const polling = { name: "polling", list: ["polling"] };
/** What a client does that is told nothing: polling, then the upgrade. */
export const upgrade = { name: "polling, then upgrade", list: undefined };

export function overEachTransport(define) {
  for (const transport of [websocket, polling, upgrade]) {
    describe(`over ${transport.name}`, { concurrency: 4 }, () => define(transport));
  }
}
