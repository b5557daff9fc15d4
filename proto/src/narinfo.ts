import { narHashHex } from "./hash.ts";
import { isStorePath } from "./store-path.ts";

/** Most bytes of a narinfo; real ones have a few thousand. */
export const MAX_NARINFO_BYTES = 1024 * 1024;

/** What a binary cache says of one path. */
export interface Narinfo {
  readonly path: string;
  /** sha256 of the NAR as listings spell it: `sha256:` and 64 hex digits. */
  readonly narHash: string;
  /** Bytes. */
  readonly narSize: number;
  /** Paths it names, possibly itself. */
  readonly references: readonly string[];
  /** Bytes that a device downloads; the NAR size where the cache does not say. */
  readonly fileSize: number;
  /** Whether it carries a signature, or proves itself by a content address. Devices want one. */
  readonly signed: boolean;
}

/** What the file of a path in a cache says. */
export interface NarinfoFile extends Narinfo {
  /** Where its NAR is, beside the narinfo; empty: it does not say. Nothing is known of its form. */
  readonly url: string;
}

/** Outcome of reading a narinfo: it, or what is wrong with it. */
export type ReadNarinfo =
  | { readonly ok: true; readonly info: NarinfoFile }
  | { readonly ok: false; readonly problem: string };

/** Reads the text of a narinfo that should describe `path`. */
export function parseNarinfo(text: string, path: string): ReadNarinfo {
  const fields = fieldsOf(text);
  // A cache may answer with any path of that hash part; a device would not find its own in it.
  const told = fields.get("StorePath");
  if (told !== path)
    return {
      ok: false,
      // What is no store path may hold anything, and is not to be repeated.
      problem: `describes ${told !== undefined && isStorePath(told) ? told : "no path of a store"}`,
    };
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
  const info: NarinfoFile = {
    path,
    narHash: `sha256:${narHash}`,
    narSize,
    references,
    fileSize: sizeOf(fields.get("FileSize")) ?? narSize,
    signed: fields.has("Sig") || Boolean(fields.get("CA")),
    url: fields.get("URL") ?? "",
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
