import { readFileSync, renameSync, writeFileSync } from "node:fs";

import { postOnce } from "./post-once.ts";
import type { QuietRecord } from "./quiet-record.ts";
import { essenceOf, fingerprint, QUIET_FILE } from "./quiet-record.ts";

/**
 * A poll of a device at which nothing changed since the last one: sends the same report under its
 * next number and compares the answer. It decides nothing. Whatever is not as it was, the whole
 * agent polls instead.
 *
 * Without the lock: a whole agent that starts removes the record before it does anything, and two
 * reports of one number are one for the server.
 *
 * @returns why there is nothing to do; undefined: the whole agent has to look.
 */
export async function pollQuietly(configPath: string): Promise<string | undefined> {
  const kept = readRecord(configPath);
  if (kept === undefined) return undefined;
  const { record, token, path } = kept;
  const report = { ...record.report, sequence: String(record.nextSequence) };
  // In this boot nothing is lost of what was written, and in another the record does not count.
  writeRecord(path, { ...record, nextSequence: record.nextSequence + 1 });
  try {
    const body = await postOnce({
      url: new URL(record.url),
      ca: record.serverCaFile === null ? undefined : readFileSync(record.serverCaFile),
      headers: {
        authorization: `Bearer ${token}`,
        "connect-protocol-version": "1",
        "connect-timeout-ms": String(record.timeoutMs),
        "content-type": "application/json",
      },
      body: JSON.stringify({ report }),
      timeoutMs: record.timeoutMs,
      answerLimitBytes: record.answerLimitBytes,
    });
    return essenceOf(JSON.parse(body)) === record.answer ? record.reason : undefined;
  } catch {
    // Silence, a refusal or garbage: the whole agent meets it once more and says what it is.
    return undefined;
  }
}

interface Kept {
  readonly record: QuietRecord;
  readonly token: string;
  readonly path: string;
}

function readRecord(configPath: string): Kept | undefined {
  try {
    const { stateDir = "/var/lib/nix-ota" } = json(configPath) as { stateDir?: string };
    const path = `${stateDir}/${QUIET_FILE}`;
    const record = json(path) as QuietRecord;
    const session = json(`${stateDir}/session`) as { token: string; expiresAtS: number };
    const usable =
      record.version === 1 &&
      readFileSync(record.bootIdFile, "utf8").trim() === record.bootId &&
      Number(process.hrtime.bigint() / 1_000_000n) < record.untilMs &&
      Date.now() / 1000 < session.expiresAtS &&
      record.nextSequence < record.endSequence &&
      record.watched.includes(configPath) &&
      fingerprint(record.watched) === record.fingerprint;
    return usable ? { record, token: session.token, path } : undefined;
  } catch {
    // Absent or torn: it is only there to save work.
    return undefined;
  }
}

const json = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

function writeRecord(path: string, record: QuietRecord): void {
  writeFileSync(`${path}.next`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.next`, path);
}
