import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, expect, test } from "vitest";

const PROGRAM = fileURLToPath(new URL("main.ts", import.meta.url));

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-main-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function run(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...argv], {
    cwd: folder,
    env: {},
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

test("--check-config says that all is right and what it did not try, and touches nothing", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const listen = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
  try {
    const { status, stdout, stderr } = run("--check-config", "--listen", listen);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(
      /right; not tried: whether the embedded database opens, and whether port/,
    );
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    taken.close();
  }
});

test("--check-config warns of a secret that others can read, and is right all the same", () => {
  writeFileSync(join(folder, "token"), "t".repeat(32));
  chmodSync(join(folder, "token"), 0o644);
  const { status, stderr } = run("--check-config", "--admin-token-file", "token");
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringMatching(
      /^nix-ota-server: warning: the admin token file .*token is open to every user \(mode 644\); .*\n$/,
    ),
  });
});

test.each([[["--check-config"]], [[]]])(
  "with %j options and files that are wrong are told together, with exit code 2",
  (argv) => {
    writeFileSync(join(folder, "token"), "short");
    const wrong = ["--listen", "nowhere", "--publish-token-file", "token"];
    const { status, stdout, stderr } = run(...argv, ...wrong);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.split("\n")).toEqual([
      expect.stringContaining("--listen (NIX_OTA_LISTEN) must be HOST:PORT"),
      expect.stringContaining("openssl rand -hex 32"),
      "nix-ota-server: --help tells the options",
      "",
    ]);
    expect(readdirSync(folder)).toEqual(["token"]);
  },
);
