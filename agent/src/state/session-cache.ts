import type { Disk } from "../ports/disk.ts";

/** A session with the server. */
export interface Session {
  /** Opaque bearer token. */
  readonly token: string;
  /** When it ends, seconds since 1970 UTC by the server's clock. */
  readonly expiresAtS: number;
  /** Server and device it is for: another configuration starts another session. */
  readonly holder: string;
  /** No report was sent with a sequence at or above this one. */
  readonly sequenceCeiling: number;
}

const NAME = "session";

/** The session on disk, so that `once` need not prove itself at each poll. */
export async function readSession(
  disk: Disk,
  stateDir: string,
  holder: string,
): Promise<Session | undefined> {
  const bytes = await disk.read(`${stateDir}/${NAME}`, 4096);
  if (bytes === undefined) return undefined;
  try {
    const session = JSON.parse(new TextDecoder().decode(bytes)) as Session;
    return session.holder === holder && typeof session.token === "string" ? session : undefined;
  } catch {
    // A session is cheap: whatever is wrong with the file, the device proves itself again.
    return undefined;
  }
}

export async function writeSession(disk: Disk, stateDir: string, session: Session): Promise<void> {
  await disk.writeDurably(stateDir, NAME, new TextEncoder().encode(JSON.stringify(session)), 0o600);
}

/** The next process proves itself anew. Not synced: a power cut within seconds may bring the session back. */
export async function forgetSession(disk: Disk, stateDir: string): Promise<void> {
  await disk.remove(`${stateDir}/${NAME}`);
}
