import type { ListingEntry } from "@nix-ota/proto/listing";

import { AgentError } from "../agent-error.ts";

/**
 * Paths and NAR hashes of `nix path-info --json`: a list with `path` until nix 2.18, an object keyed
 * by path since. Hashes keep nix's spelling, which differs as well.
 *
 * @throws {AgentError} kind `tool` for anything else, also for a path that is not valid.
 */
export function parsePathInfo(json: string): readonly ListingEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new AgentError("tool", "nix path-info printed something else than JSON", cause);
  }
  const rows = Array.isArray(value)
    ? value.map((row: unknown) => row as Record<string, unknown>)
    : Object.entries((value ?? {}) as Record<string, Record<string, unknown> | null>).map(
        ([path, info]) => ({ ...info, path }),
      );
  return rows.map((row) => {
    const { path, narHash } = row as Record<string, unknown>;
    if (typeof path !== "string" || typeof narHash !== "string") {
      throw new AgentError(
        "tool",
        "nix path-info printed a path without a NAR hash",
        JSON.stringify(row).slice(0, 300),
      );
    }
    return { path, narHash };
  });
}
