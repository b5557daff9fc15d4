import { sameBytes } from "@nix-ota/proto/bytes";
import { printPublicKey, publicHalf } from "@nix-ota/proto/key-file";
import type { Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { CliError } from "../cli-error.ts";
import { shellWord } from "../shell-word.ts";
import { readSigningKey } from "../signing-key.ts";
import type { Finding } from "./finding.ts";

/** Whether a private key file can be signed with, and whether the channel knows its other half. */
export async function checkKey(file: string, channel: Channel | undefined): Promise<Finding> {
  const found = (verdict: Finding["verdict"], text: string, remedy = ""): Finding => ({
    check: "key",
    verdict,
    found: `${file}: ${text}`,
    remedy,
  });
  try {
    const key = await readSigningKey(file, async () => {
      throw new Encrypted();
    });
    const half = publicHalf(key);
    const printed = printPublicKey(half);
    if (channel === undefined || channel.publicKeys.length === 0) return found("ok", printed);
    const isKnown = channel.publicKeys.some((known) => sameBytes(known.key, half.publicKey));
    return isKnown
      ? found("ok", `${printed}, a key of ${channel.name}`)
      : found(
          "wrong",
          `${printed} is no key of ${channel.name}`,
          `sign with another, or nix-ota channel set ${shellWord(channel.name)} --public-key adds it`,
        );
  } catch (error) {
    // No passphrase is asked for here: that it can be decrypted shows when it signs.
    if (error instanceof Encrypted) return found("ok", "encrypted, for its owner only");
    if (error instanceof CliError)
      return { check: "key", verdict: "wrong", found: error.message, remedy: "" };
    throw error;
  }
}

class Encrypted extends Error {}
