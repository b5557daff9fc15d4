import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { fromBinary } from "@bufbuild/protobuf";
import { signManifest } from "@nix-ota/proto";
import { parseSecretKey } from "@nix-ota/proto/key-file";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import { HarnessError } from "./harness-error.ts";
import { type NarInfo, narInfoUrl, parseNarInfo } from "./narinfo.ts";

/** A copy of a bundle in a stranger's hands, who may hold any key that a test gives. */
export class ForgedBundle {
  readonly dir: string;
  readonly storePath: string;

  private constructor(dir: string, storePath: string) {
    this.dir = dir;
    this.storePath = storePath;
  }

  static async of(bundle: string, dir: string): Promise<ForgedBundle> {
    await cp(bundle, dir, { recursive: true });
    return new ForgedBundle(dir, (await manifestOf(dir)).storePath);
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  /** Changes the manifest and signs it. */
  async resign(changes: Partial<Manifest>, seed: Uint8Array): Promise<void> {
    const manifest = { ...(await manifestOf(this.dir)), ...changes };
    await writeFile(this.file("manifest"), signManifest(manifest, [seed]));
  }

  /** Where the narinfo of a path is; the system's own by default. */
  narinfo(path = this.storePath): string {
    return this.file(`cache${narInfoUrl(path)}`);
  }

  async readNarinfo(path = this.storePath): Promise<NarInfo> {
    return parseNarInfo(await readFile(this.narinfo(path), "utf8"));
  }

  /** Changes the lines of the system's narinfo. */
  async editNarinfo(edit: (text: string) => string): Promise<void> {
    await writeFile(this.narinfo(), edit(await readFile(this.narinfo(), "utf8")));
  }

  /** The NAR of the system itself. */
  async nar(): Promise<string> {
    return this.file(join("cache", (await this.readNarinfo()).URL));
  }
}

/** The seed in a file that `nix-ota keygen` wrote. */
export async function seedIn(file: string): Promise<Uint8Array> {
  const key = parseSecretKey((await readFile(file, "utf8")).trim());
  if (typeof key === "string") throw new HarnessError("usage", `${file}: ${key}`);
  return key.seed;
}

async function manifestOf(dir: string): Promise<Manifest> {
  const decoded = decodeEnvelope(await readFile(join(dir, "manifest")));
  if (!decoded.ok) throw new HarnessError("usage", `${dir}: ${decoded.message}`);
  return fromBinary(ManifestSchema, decoded.envelope.payload);
}
