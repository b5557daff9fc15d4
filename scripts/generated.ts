// Exits 1 and shows the difference when proto/gen is not what the contract generates.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run } from "./command.ts";

const LIMIT_MS = 60_000;

const directory = mkdtempSync(join(tmpdir(), "nix-ota-gen-"));
try {
  const generated = await run(["buf", "generate", "--output", directory], { limitMs: LIMIT_MS });
  const compared = generated.ok
    ? await run(["diff", "-ru", "proto/gen", join(directory, "proto/gen")], { limitMs: LIMIT_MS })
    : generated;
  if (!compared.ok) {
    console.error(`${compared.output}proto/gen is not up to date: run npm run gen`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
