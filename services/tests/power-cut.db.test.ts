import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { momentOf, serverArguments } from "./killed-server.testkit.ts";
import { Ledger } from "./loaded-server.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";

const ROUNDS = 50;
const TOKEN = "t".repeat(40);

test("an embedded database that loses power 50 times keeps what was acknowledged, and nothing half-written", async (context) => {
  if (process.getuid?.() !== 0) context.skip("mounting an image needs root");
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-power-"));
  const disk = new Disk(folder);
  try {
    writeFileSync(join(folder, "token"), TOKEN);
    const argv = serverArguments(join(disk.mounted, "data"), join(folder, "token"));
    const ledger = new Ledger();
    disk.plugIn();
    for (let round = 0; round < ROUNDS; round += 1) {
      await using server = await ServerProcess.start(argv);
      const access = { url: server.url, token: TOKEN };
      await ledger.check(access);
      await ledger.load(access, momentOf(round), async () => {
        await server.end("SIGKILL");
        disk.cutPower();
      });
    }
    await using server = await ServerProcess.start(argv);
    await ledger.check({ url: server.url, token: TOKEN });
    const { publishes, reports } = ledger.acknowledged;
    expect(publishes).toBeGreaterThanOrEqual(ROUNDS);
    expect(reports).toBeGreaterThanOrEqual(ROUNDS);
    await server.end("SIGTERM");
  } finally {
    disk.pullOut();
    rmSync(folder, { recursive: true });
  }
}, 1_200_000);

/**
 * An ext4 image on a loop device. What the kernel has not yet written to the
 * image when it is copied is what a power cut takes away.
 */
class Disk {
  readonly mounted: string;
  readonly #image: string;

  constructor(folder: string) {
    this.mounted = join(folder, "mounted");
    this.#image = join(folder, "disk");
    mkdirSync(this.mounted);
    run("truncate", "-s", "256M", this.#image);
    run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", this.#image);
  }

  plugIn(): void {
    run("mount", "-o", "loop", this.#image, this.mounted);
  }

  cutPower(): void {
    run("cp", "--sparse=always", this.#image, `${this.#image}.cut`);
    this.pullOut();
    run("mv", `${this.#image}.cut`, this.#image);
    this.plugIn();
  }

  pullOut(): void {
    spawnSync("umount", [this.mounted]);
  }
}

function run(command: string, ...argv: string[]): void {
  const { status, stderr, error } = spawnSync(command, argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`);
}
