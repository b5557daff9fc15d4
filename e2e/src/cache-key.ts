import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { chown, writeFile } from "node:fs/promises";

import type { HostUser } from "./namespace.ts";

/** DER prefix of a PKCS#8 Ed25519 private key; the 32 bytes of the seed follow (RFC 8410). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A binary cache's signing key in nix's own formats. */
export class CacheKey {
  readonly name: string;
  /** `name:base64`, for trusted-public-keys. */
  readonly publicKey: string;
  /** Path of the secret key, mode 0600, for `nix store sign --key-file`. */
  readonly file: string;
  readonly #seed: Buffer;

  private constructor(name: string, seed: Buffer, publicBytes: Buffer, file: string) {
    this.name = name;
    this.publicKey = `${name}:${publicBytes.toString("base64")}`;
    this.file = file;
    this.#seed = seed;
  }

  /** Makes a key; `owner` is who may read its file when that is not the caller. */
  static async create(name: string, file: string, owner?: HostUser): Promise<CacheKey> {
    // The 32 raw bytes are the end of either DER form (RFC 8410).
    const { privateKey, publicKey } = generateKeyPairSync("ed25519", {
      privateKeyEncoding: { format: "der", type: "pkcs8" },
      publicKeyEncoding: { format: "der", type: "spki" },
    });
    const seed = privateKey.subarray(-32);
    const publicBytes = publicKey.subarray(-32);
    const secret = Buffer.concat([seed, publicBytes]).toString("base64");
    await writeFile(file, `${name}:${secret}`, { mode: 0o600, flag: "wx" });
    if (owner !== undefined) await chown(file, owner.uid, owner.gid);
    return new CacheKey(name, seed, publicBytes, file);
  }

  /** A `Sig:` value over the fingerprint of a path, as nix signs narinfo. */
  sign(fingerprint: string): string {
    const key = createPrivateKey({
      key: Buffer.concat([PKCS8_ED25519, this.#seed]),
      format: "der",
      type: "pkcs8",
    });
    return `${this.name}:${sign(null, Buffer.from(fingerprint), key).toString("base64")}`;
  }
}
