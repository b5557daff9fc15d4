import { narHashHex } from "@nix-ota/proto/hash";
import { isStorePath } from "@nix-ota/proto/store-path";

import type { ClosurePath } from "./closure.ts";

/** What a binary cache says of one path. */
export interface Narinfo extends ClosurePath {
  /** Bytes that a device downloads; the NAR size where the cache does not say. */
  fileSize: number;
  /** Whether it carries a signature, or proves itself by a content address. Devices want one. */
  signed: boolean;
}

/** Outcome of reading a narinfo: it, or what is wrong with it. */
export type ReadNarinfo = { ok: true; info: Narinfo } | { ok: false; problem: string };

/** Reads the text of a narinfo that should describe `path`. */
export function parseNarinfo(text: string, path: string): ReadNarinfo {
  const fields = fieldsOf(text);
  // A cache may answer with any path of that hash part; a device would not find its own in it.
  if (fields.get("StorePath") !== path)
    return { ok: false, problem: `describes ${fields.get("StorePath") ?? "no path"}` };
  const narHash = narHashHex(fields.get("NarHash") ?? "");
  if (narHash === undefined) return { ok: false, problem: "has no sha256 NarHash" };
  const narSize = sizeOf(fields.get("NarSize"));
  if (narSize === undefined) return { ok: false, problem: "has no NarSize" };
  const references = (fields.get("References") ?? "")
    .split(" ")
    .filter((name) => name !== "")
    .map((name) => `/nix/store/${name}`);
  if (!references.every((name) => isStorePath(name)))
    return { ok: false, problem: "refers to something that is no store path" };
  const info: Narinfo = {
    path,
    narHash: `sha256:${narHash}`,
    narSize,
    references,
    fileSize: sizeOf(fields.get("FileSize")) ?? narSize,
    signed: fields.has("Sig") || Boolean(fields.get("CA")),
  };
  return { ok: true, info };
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2).trim());
  }
  return fields;
}

function sizeOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/u.test(text)) return undefined;
  return Number(text);
}
