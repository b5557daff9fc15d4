import type { FileSecrets } from "../access/operator-check.ts";
import { readSecretFile } from "../access/secret-file.ts";
import { ensureSessionKeys, type SessionKeys } from "../access/session-key-file.ts";
import { tlsFilesOf } from "../config-files.ts";
import type { Config } from "../config.ts";
import { readTlsIdentity, type TlsIdentity } from "../tls-identity.ts";

/** A file that the server needs is missing or wrong; the sentence names the remedy. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
}

/** What the files hold that a server starts with; the database has the rest. */
export interface StartFiles {
  readonly secrets: FileSecrets;
  readonly sessionKeys: SessionKeys;
  /** Absent: it speaks plain HTTP. */
  readonly tls: TlsIdentity | undefined;
}

/**
 * Reads them, and makes the session keys when they are not there.
 *
 * @throws {StartRefused} with a line for each that is wrong.
 */
export function readStartFiles(config: Config): StartFiles {
  const problems: string[] = [];
  const good = <Value extends object>(read: Value | string): Value | undefined => {
    if (typeof read !== "string") return read;
    problems.push(read);
    return undefined;
  };
  const secret = (file: string | undefined, what: "publish token" | "admin token") =>
    file === undefined ? undefined : good(readSecretFile(file, what));
  const sessionKeys = good(ensureSessionKeys(config.sessionKeyFile));
  const publishToken = secret(config.publishTokenFile, "publish token");
  const adminToken = secret(config.adminTokenFile, "admin token");
  const tlsFiles = tlsFilesOf(config);
  const tls = tlsFiles === undefined ? undefined : good(readTlsIdentity(tlsFiles));
  if (sessionKeys === undefined || problems.length > 0) {
    throw new StartRefused(problems.join("\n"));
  }
  return { secrets: { publishToken, adminToken }, sessionKeys, tls };
}
