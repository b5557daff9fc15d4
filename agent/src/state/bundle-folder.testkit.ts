import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { BUNDLE, narinfoOfBundle } from "@nix-ota/proto/bundle";
import { storePathHash } from "@nix-ota/proto/store-path";

const NAR = "contents";
/** A process may have only so many files open. */
const AT_ONCE = 64;

/** The store path of that number. */
export const pathOf = (number: number): string =>
  `/nix/store/${String(number).padStart(32, "0")}-part`;

/** A path of a bundle: its number, and those of what it refers to. */
interface Part {
  readonly number: number;
  readonly refersTo?: readonly number[];
  /** A line more in its narinfo. */
  readonly line?: string;
}

/** Makes a bundle whose paths say that somebody signed them. */
export async function makeBundleFolder(
  folder: string,
  envelope: Uint8Array,
  parts: readonly Part[],
): Promise<void> {
  await mkdir(join(folder, BUNDLE.cache, "nar"), { recursive: true });
  await writeFile(join(folder, BUNDLE.manifest), envelope);
  await writeFile(join(folder, BUNDLE.cacheInfo), "StoreDir: /nix/store\n");
  for (let from = 0; from < parts.length; from += AT_ONCE)
    await Promise.all(
      parts.slice(from, from + AT_ONCE).map(async (part) => {
        const hash = storePathHash(pathOf(part.number)) ?? "";
        await writeFile(join(folder, narinfoOfBundle(hash)), narinfo(part));
        await writeFile(join(folder, BUNDLE.cache, "nar", `${hash}.nar`), NAR);
      }),
    );
}

function narinfo({ number, refersTo = [], line }: Part): string {
  const path = pathOf(number);
  const references = refersTo.map((other) => pathOf(other).replace("/nix/store/", ""));
  const lines = [
    `StorePath: ${path}`,
    `URL: nar/${storePathHash(path) ?? ""}.nar`,
    `FileSize: ${NAR.length}`,
    `NarHash: sha256:${"0".repeat(64)}`,
    `NarSize: ${NAR.length}`,
    `References: ${references.join(" ")}`,
    "Sig: cache.example.org-1:AAAA",
    ...(line === undefined ? [] : [line]),
  ];
  return `${lines.join("\n")}\n`;
}
