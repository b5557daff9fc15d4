import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";

const TOKEN = "t".repeat(40);
const PUBLIC_KEYS = [{ key: KEY, name: "" }];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-durability-"));
  writeFileSync(join(folder, "token"), TOKEN);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const argv = () => {
  const files = ["--data-dir", join(folder, "data"), "--publish-token-file", join(folder, "token")];
  return ["--listen", "127.0.0.1:0", ...files];
};
const hasStrace = spawnSync("strace", ["-V"]).status === 0;

test("on the embedded database the disk has a publish and a report before their answer goes out", async (context) => {
  if (!hasStrace) context.skip("strace is not installed, so system calls cannot be watched");
  const trace = join(folder, "trace");
  const calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg";
  await using server = await ServerProcess.start(argv(), {}, [
    "strace",
    "-f",
    "-yy",
    "-s",
    "120",
    "-e",
    calls,
    "-o",
    trace,
  ]);
  const { publish } = clientsOf(server.url, TOKEN);
  const device = new TestDevice(server.url, "gw-1", seed(1));
  await device.enrol({ channel: "prod" });
  await device.authenticate();
  await publish.publish({ envelopes: [envelope({ revision: 1n })], publicKeys: PUBLIC_KEYS });
  await device.report();
  await device.clients.channel.getCurrent({ channel: "prod" });
  await server.end("SIGTERM");

  // In the order of the calls: d for the disk having the log of changes, a for an answer.
  const picture = readFileSync(trace, "utf8")
    .split("\n")
    .flatMap((line) => {
      if (/\bfsync\([0-9]+<[^>]*\/pg_wal\/[0-9A-F]{24}>/.test(line)) return ["d"];
      return /\b(?:write|writev|sendto|sendmsg)\([0-9]+<TCP.*HTTP\/1\.1 200/.test(line)
        ? ["a"]
        : [];
    })
    .join("");
  // Challenge, enrolment, challenge, session, publish, report, read.
  expect(picture).toMatch(/^d*ad+aaad+ad+aad*$/);
});
