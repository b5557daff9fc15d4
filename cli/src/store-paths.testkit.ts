import { createHash } from "node:crypto";

import type { ClosurePath } from "./closure.ts";

const NIX_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz";

/** The same well-formed store path for the same name. */
export function storePathOf(name: string): string {
  const digest = createHash("sha256").update(name).digest();
  const hash = [...digest].map((byte) => NIX_BASE32[byte % 32]).join("");
  return `/nix/store/${hash}-${name}`;
}

/** The NAR hash of made-up contents. */
export function narHashOf(contents: string): string {
  return `sha256:${createHash("sha256").update(contents).digest("hex")}`;
}

/** A path of a closure; `contents` differ from build to build. */
export function closurePath(
  name: string,
  given: { contents?: string; narSize?: number; references?: readonly string[] } = {},
): ClosurePath {
  return {
    path: storePathOf(name),
    narHash: narHashOf(given.contents ?? name),
    narSize: given.narSize ?? 1000,
    references: (given.references ?? []).map(storePathOf),
  };
}

/** The narinfo that a cache serves for a path. */
export function narinfoText(
  path: ClosurePath,
  given: { fileSize?: number; signed?: boolean } = {},
): string {
  const references = path.references.map((name) => name.slice("/nix/store/".length)).join(" ");
  return [
    `StorePath: ${path.path}`,
    `URL: nar/${path.narHash.slice(7)}.nar.zst`,
    "Compression: zstd",
    `FileHash: ${path.narHash}`,
    `FileSize: ${given.fileSize ?? path.narSize / 2}`,
    `NarHash: ${path.narHash}`,
    `NarSize: ${path.narSize}`,
    `References: ${references}`,
    ...(given.signed === false ? [] : ["Sig: cache-1:c2lnbmF0dXJl"]),
    "",
  ].join("\n");
}
