import { parseArgs } from "node:util";

import { Cache } from "./cache.ts";

// The cache as a process of its own: `node e2e/src/cache-server.ts --dir DIR [--port PORT]`.
// Says {"msg":"listening","url":…} when it is ready; SIGTERM and SIGINT end it.
const { values } = parseArgs({
  options: { dir: { type: "string" }, port: { type: "string", default: "0" } },
});
if (values.dir === undefined) {
  console.error("the folder to serve is missing: pass --dir");
  process.exitCode = 2;
} else {
  const cache = await Cache.start(values.dir, { port: Number(values.port) });
  console.log(JSON.stringify({ msg: "listening", url: cache.url }));
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void cache[Symbol.asyncDispose]());
  }
}
