// The OpenAPI document is what clients are generated from: the generated one compiles and works.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "node:test";

import { within } from "./deadline.mjs";
import { serverForThisFile } from "./server.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const run = promisify(execFile);
const under = serverForThisFile();

/** Runs a program of a package or a file with Node; a failure shows what it wrote. */
async function node(cwd, ...args) {
  try {
    return await within(90_000, args.join(" "), run(process.execPath, args, { cwd }));
  } catch (error) {
    throw new Error(`${args.join(" ")}: ${error.message}\n${error.stdout ?? ""}${error.stderr ?? ""}`);
  }
}

test("a TypeScript client that is generated from the document compiles and works", async () => {
  // Inside this folder, so that what is generated finds the packages.
  const folder = await mkdtemp(join(here, "generated", "run-"));
  try {
    const document = await fetch(`${under.server.url}/openapi.json`);
    await writeFile(join(folder, "openapi.json"), await document.text());
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await copyFile(join(here, "generated", "client.ts"), join(folder, "client.ts"));
    const packages = join(here, "node_modules");
    await node(folder, join(packages, "openapi-typescript/bin/cli.js"), "openapi.json", "-o", "api.d.ts");
    const compiler = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck"];
    await writeFile(join(folder, "node.d.ts"), NODE);
    await node(folder, join(packages, "typescript/bin/tsc"), ...compiler, "client.ts", "node.d.ts");
    const { stdout } = await node(folder, "client.js", under.server.url);
    assert.match(stdout, /all as the document says/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The little of Node that the program names; the types of all of it are a large package. */
const NODE = `
declare module "node:assert/strict" {
  const assert: {
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
  };
  export default assert;
}
declare const process: { argv: string[] };
`;
