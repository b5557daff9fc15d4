import { signEd25519 } from "@nix-ota/proto/ed25519";
import { publicHalf, type PublicKey, type SecretKey } from "@nix-ota/proto/key-file";

/** A key that signs, wherever its private half is. */
export interface Signer extends PublicKey {
  /**
   * Ed25519 signature of a message, 64 bytes.
   *
   * @throws {CliError} `key` when it could not be made.
   */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A signer whose private key is in this process. */
export function keySigner(key: SecretKey): Signer {
  return { ...publicHalf(key), sign: async (message) => signEd25519(message, key.seed) };
}
