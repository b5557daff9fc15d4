import type { Failure, FailureCodeName } from "./failure.ts";

const REMEDY: Partial<Record<FailureCodeName, string>> = {
  UNTRUSTED_PATH:
    "make the bundle with `nix-ota bundle --cache-key` and a key that the device trusts for its caches",
  CORRUPT_CACHE: "copy the bundle once more, or make it anew with `nix-ota bundle`",
  NOT_IN_CACHE: "copy the bundle once more, or make it anew with `nix-ota bundle`",
};

/** A copy's failure where the cache is a bundle that somebody made: what helps is done there. */
export function ofBundle({ code, message }: Failure): Failure {
  const remedy = REMEDY[code];
  if (remedy === undefined) return { code, message };
  return { code, message: `${message.split("; ").slice(0, -1).join("; ") || message}; ${remedy}` };
}
