import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "vitest";

import { createPostgresDatabase, type DatabaseKind } from "./databases.testkit.ts";
import { Ledger } from "./loaded-server.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";

const TOKEN = "t".repeat(40);

/** Kills a server so many times in the middle of publishes and check-ins, and looks each time at what it kept. */
export async function killAgainAndAgain(kind: DatabaseKind, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "nix-ota-killed-"));
  try {
    writeFileSync(join(folder, "token"), TOKEN);
    const env: Record<string, string> =
      kind === "postgresql" ? { DATABASE_URL: await createPostgresDatabase() } : {};
    const ledger = new Ledger();
    const start = async () =>
      await ServerProcess.start(serverArguments(join(folder, "data"), join(folder, "token")), env);
    for (let round = 0; round < rounds; round += 1) {
      await using server = await start();
      const access = { url: server.url, token: TOKEN };
      await ledger.check(access);
      await ledger.load(access, momentOf(round), () => server.end("SIGKILL"));
    }
    await using server = await start();
    await ledger.check({ url: server.url, token: TOKEN });
    const { publishes, reports } = ledger.acknowledged;
    expect(publishes).toBeGreaterThan(rounds);
    expect(reports).toBeGreaterThan(rounds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The arguments of a server on a free port. */
export function serverArguments(dataDir: string, tokenFile: string): readonly string[] {
  const files = ["--data-dir", dataDir, "--publish-token-file", tokenFile];
  return ["--listen", "127.0.0.1:0", ...files];
}

/** When a round's death comes: another moment of the work each time, the same ones in every run. */
export function momentOf(round: number): {
  readonly publishes: number;
  readonly reports: number;
  readonly afterMs: number;
} {
  return { publishes: 1 + (round % 3), reports: 1 + ((round * 5) % 7), afterMs: (round * 7) % 13 };
}
