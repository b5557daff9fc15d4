import { accessSync, constants, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";

import { readSecretFile } from "./access/secret-file.ts";
import { readSessionKeys } from "./access/session-key-file.ts";
import type { Readable } from "./config.ts";
import { exposureOf } from "./exposed-file.ts";
import { readTlsIdentity, type TlsFiles } from "./tls-identity.ts";

/**
 * Looks at every file and directory that a configuration names, and makes none.
 * Returns a sentence for each that a start would stumble over. Options that
 * could not be read are absent and pass.
 */
export function fileProblems(config: Readable): readonly string[] {
  const { dataDir, sessionKeyFile, publishTokenFile, adminTokenFile } = config;
  const tlsFiles = tlsFilesOf(config);
  return [
    dataDir === undefined ? undefined : directoryProblem(dataDir),
    sessionKeyFile === undefined ? undefined : sessionKeyProblem(sessionKeyFile),
    secretProblem(publishTokenFile, "publish token"),
    secretProblem(adminTokenFile, "admin token"),
    tlsFiles === undefined ? undefined : sentence(readTlsIdentity(tlsFiles)),
  ].filter((problem) => problem !== undefined);
}

/** A sentence for each secret that others on this host can read; a start goes on with them. */
export function exposedSecrets(config: Readable): readonly string[] {
  const { sessionKeyFile, publishTokenFile, adminTokenFile, tlsKeyFile } = config;
  const secrets = [
    [sessionKeyFile, "session key"],
    [publishTokenFile, "publish token"],
    [adminTokenFile, "admin token"],
    [tlsKeyFile, "TLS key"],
  ] as const;
  return secrets
    .map(([file, what]) => (file === undefined ? undefined : exposureOf(file, what)))
    .filter((sentence) => sentence !== undefined);
}

/** The files of its certificate; undefined: it speaks without TLS. */
export function tlsFilesOf({ tlsCertFile, tlsKeyFile }: Readable): TlsFiles | undefined {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined;
  return { cert: tlsCertFile, key: tlsKeyFile };
}

function directoryProblem(path: string): string | undefined {
  const found = lookAt(path);
  if (found === undefined) {
    const above = nearest(dirname(path));
    return isWritable(above)
      ? undefined
      : `the data directory ${path} cannot be made: this user may not write to ${above}`;
  }
  if (!found.isDirectory()) return `the data directory ${path} is no directory; give another one`;
  if (isWritable(path)) return undefined;
  return `the data directory ${path} is not writable for this user; change its owner`;
}

function sessionKeyProblem(path: string): string | undefined {
  // One that is there is read; one that is not is made at the start.
  if (lookAt(path) !== undefined) {
    return sentence(readSessionKeys(path));
  }
  const above = nearest(dirname(path));
  if (isWritable(above)) return undefined;
  return `the session key file ${path} is not there and cannot be made: this user may not write to ${above}`;
}

function secretProblem(
  path: string | undefined,
  what: "publish token" | "admin token",
): string | undefined {
  return path === undefined ? undefined : sentence(readSecretFile(path, what));
}

function sentence(read: unknown): string | undefined {
  return typeof read === "string" ? read : undefined;
}

/** The path, or the lowest directory above it that exists. */
function nearest(path: string): string {
  return lookAt(path) !== undefined || path === dirname(path) ? path : nearest(dirname(path));
}

/** Undefined: it is not there, or where this user may not look. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function isWritable(path: string): boolean {
  if (lookAt(path)?.isDirectory() !== true) return false;
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
