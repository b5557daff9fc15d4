import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

import { AgentError } from "./agent-error.ts";
import type { Config } from "./config.ts";
import { parseConfig } from "./config.ts";
import { credentialPath } from "./credentials.ts";

/** Most bytes of a file that holds an id. */
const MAX_ID_BYTES = 4096;

/**
 * The configuration of this device in a file.
 *
 * @throws {AgentError} kind `config` with every error, one a line.
 */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new AgentError("config", `${path} cannot be read`, cause);
  }
  // Looked at only where the configuration has no id, which is known after reading it.
  const machineId = await readFile("/etc/machine-id", "utf8").catch(() => "");
  const config = parseConfig(text, machineId, textOf);
  const place = (file: string | null) =>
    file === null ? null : credentialPath(file, process.env["CREDENTIALS_DIRECTORY"]);
  return {
    ...config,
    serverCaFile: place(config.serverCaFile),
    enrolmentTokenFile: place(config.enrolmentTokenFile),
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").slice(0, MAX_ID_BYTES);
  } catch {
    // The configuration's error names the file.
    return undefined;
  }
}
