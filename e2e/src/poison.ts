import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Builder } from "./builder.ts";
import type { CacheKey } from "./cache-key.ts";
import { fingerprint, formatNarInfo, narInfoUrl, parseNarInfo } from "./narinfo.ts";

export type PoisonOptions = {
  readonly builder: Builder;
  /** The cache whose path is replaced; only read. */
  readonly cacheDir: string;
  /** The stolen key of that cache. */
  readonly key: CacheKey;
  readonly storePath: string;
  /** File within the path that gets one more line, such as `share/package0/data`. */
  readonly file: string;
  /** Where the replacement is laid down, as a cache folder, for the fault "poisoned". */
  readonly outDir: string;
};

/**
 * The stolen cache key: the same store path with other contents, correctly hashed and signed.
 * Input-addressed paths do not commit to contents, so nothing in nix objects.
 */
export async function poisonPath(options: PoisonOptions): Promise<void> {
  const { builder, cacheDir, key, storePath, outDir } = options;
  const info = parseNarInfo(await readFile(join(cacheDir, narInfoUrl(storePath)), "utf8"));
  const tree = join(builder.dir, "tmp", `poison-${info.StorePath.slice(11, 43)}`);
  await builder.run(["cp", "-r", "--", storePath, tree]);
  await builder.run(["chmod", "-R", "u+w", tree]);
  await builder.run(["tee", "-a", join(tree, options.file)], { input: "changed by a thief\n" });
  await builder.run(["chmod", "-R", "a-w", tree]);
  const nar = `${tree}.nar`;
  await builder.run(["sh", "-c", 'nix-store --dump "$1" > "$2"', "sh", tree, nar]);
  const narHash = await builder.run(["nix-hash", "--type", "sha256", "--base32", "--flat", nar]);
  await mkdir(join(outDir, "nar"), { recursive: true });
  const bytes = await readFile(nar);
  const url = `nar/${narHash}.nar`;
  await writeFile(join(outDir, url), bytes);
  const poisoned = {
    ...info,
    URL: url,
    Compression: "none",
    NarHash: `sha256:${narHash}`,
    NarSize: `${bytes.length}`,
  };
  const signed = { ...poisoned, signatures: [key.sign(fingerprint(poisoned))] };
  await writeFile(join(outDir, narInfoUrl(storePath)), formatNarInfo(signed));
}
