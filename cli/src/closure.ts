import { narHashHex } from "@nix-ota/proto/hash";
import { isStorePath } from "@nix-ota/proto/store-path";

import { CliError } from "./cli-error.ts";

/** One path of a closure as a store describes it. */
export interface ClosurePath {
  path: string;
  /** sha256 of the NAR as listings spell it: `sha256:` and 64 hex digits. */
  narHash: string;
  /** Bytes. */
  narSize: number;
  /** Paths it names, possibly itself. */
  references: readonly string[];
}

/**
 * Reads what `nix path-info --json` prints: a list with `path` in each entry up to nix 2.18, a map
 * from path to entry from 2.19 on. Paths that the store does not have are left out: the list marks
 * them `valid: false`, the map has null for them.
 *
 * @throws {CliError} `store` for anything else.
 */
export function parsePathInfo(json: string): ClosurePath[] {
  const document = parseJson(json);
  const entries: Array<[path: unknown, entry: unknown]> = Array.isArray(document)
    ? document.map((entry) => [isRecord(entry) ? entry["path"] : undefined, entry])
    : Object.entries(isRecord(document) ? document : failShape("neither a list nor a map"));
  return entries
    .filter(([, entry]) => entry !== null && !(isRecord(entry) && entry["valid"] === false))
    .map(([path, entry]) => readEntry(path, entry));
}

/** Sum of the NAR sizes, bytes. */
export function closureBytes(closure: readonly ClosurePath[]): bigint {
  return closure.reduce((sum, entry) => sum + BigInt(entry.narSize), 0n);
}

function readEntry(path: unknown, entry: unknown): ClosurePath {
  if (typeof path !== "string" || !isStorePath(path)) failShape("an entry without a store path");
  if (!isRecord(entry)) failShape(`no entry for ${path}`);
  const { narHash, narSize, references } = entry;
  const hash = typeof narHash === "string" ? narHashHex(narHash) : undefined;
  if (hash === undefined) failShape(`no sha256 NAR hash for ${path}`);
  if (typeof narSize !== "number" || !Number.isSafeInteger(narSize) || narSize < 0)
    failShape(`no NAR size for ${path}`);
  if (!Array.isArray(references) || !references.every((name) => typeof name === "string"))
    failShape(`no references for ${path}`);
  return { path, narHash: `sha256:${hash}`, narSize, references };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new CliError("store", "nix path-info did not print JSON; check the nix on the PATH", {
      cause: error,
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function failShape(problem: string): never {
  throw new CliError(
    "store",
    `nix path-info printed ${problem}; nix 2.8 to 2.30 are known to work`,
  );
}
