import { realpath, stat } from "node:fs/promises";

import { exposure } from "@nix-ota/proto/secret-exposure";

import type { Config } from "./config.ts";

/** A sentence for each secret of the device that others on it can read; the agent works all the same. */
export async function exposedSecrets({
  stateDir,
  enrolmentTokenFile,
}: Pick<Config, "stateDir" | "enrolmentTokenFile">): Promise<readonly string[]> {
  const sentences = [
    await exposureOf(`${stateDir}/device.key`, "device key"),
    enrolmentTokenFile === null
      ? undefined
      : await exposureOf(enrolmentTokenFile, "enrolment token"),
  ];
  return sentences.filter((sentence) => sentence !== undefined);
}

async function exposureOf(file: string, what: string): Promise<string | undefined> {
  try {
    const path = await realpath(file);
    const found = await stat(path);
    if (!found.isFile()) return undefined;
    return exposure(what, { file, path, ...found }, process.geteuid?.() ?? 0);
  } catch {
    // Not made yet, or it cannot be read, which is told where it is read.
    return undefined;
  }
}
