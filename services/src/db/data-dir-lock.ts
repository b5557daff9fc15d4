import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, linkSync, openSync, readdirSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { basename, join } from "node:path";

const CONNECT_LIMIT_MS = 2_000;
/** Of a unix socket's name, without the zero at its end: sockaddr_un of Linux. */
const MOST_NAME_BYTES = 107;

/** Another process uses the data directory. */
export class DataDirInUse extends Error {
  override readonly name = "DataDirInUse";

  constructor(folder: string, holder: string) {
    super(
      `the data directory ${folder} is in use by ${holder}; ` +
        "stop it, give this server another --data-dir, or let both use one PostgreSQL",
    );
  }
}

/** Held until it is released or the process ends, however it ends. */
export interface DataDirLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only user of a data directory.
 *
 * The lock is a unix socket that its holder listens on: whether the holder
 * lives is the kernel's knowledge, so no file of a killed process has to be
 * judged by a pid that something else may have by then, and the lock is seen
 * from other containers that share the directory.
 *
 * Sockets are numbered and a number is taken by link(2), which fails when it
 * exists. The highest one is never removed, so numbers only rise: of all who
 * find the same holder dead one gets the next number, and one who was slow
 * finds a higher number than its own and gives way.
 *
 * @throws {DataDirInUse} when the holder of the highest number answers.
 */
export async function lockDataDir(folder: string): Promise<DataDirLock> {
  const last = highest(folder);
  if (last > 0) await refuseLiving(folder, last);

  const server = createServer((caller) => {
    // A caller that goes away in the middle has learnt what it wanted.
    caller.on("error", () => undefined);
    caller.end(`process ${process.pid}`);
  });
  const release = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  const draft = join(folder, `.lock-${randomBytes(8).toString("hex")}`);
  await withSocketName(folder, draft, async (name) => {
    server.listen(name);
    await once(server, "listening");
  });
  server.unref();
  const mine = last + 1;
  try {
    linkSync(draft, socketPath(folder, mine));
    rmSync(draft);
    if (highest(folder) !== mine) throw new DataDirInUse(folder, "a process that was faster");
  } catch (cause) {
    await release();
    rmSync(draft, { force: true });
    if (isExisting(cause)) throw new DataDirInUse(folder, "a process that was faster");
    throw cause;
  }
  for (const number of numbers(folder)) {
    if (number < mine) rmSync(socketPath(folder, number), { force: true });
  }
  return { release };
}

async function refuseLiving(folder: string, number: number): Promise<void> {
  await withSocketName(folder, socketPath(folder, number), async (name) => {
    await refuseAnswering(folder, name);
  });
}

async function refuseAnswering(folder: string, name: string): Promise<void> {
  const caller = connect(name);
  caller.setTimeout(CONNECT_LIMIT_MS, () => caller.destroy());
  let answer = "";
  caller.on("data", (text) => {
    answer = (answer + text.toString("utf8")).slice(0, 64);
  });
  try {
    await once(caller, "connect");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    // Nobody listens, or a faster process took the number's place meanwhile.
    if (code === "ECONNREFUSED" || code === "ENOENT") return;
    throw cause;
  }
  if (!caller.closed) await once(caller, "close");
  throw new DataDirInUse(folder, answer === "" ? "another process" : answer);
}

/**
 * A socket's name has 107 bytes at most, a path has more: where it is longer,
 * the folder is named by its open descriptor.
 */
async function withSocketName(
  folder: string,
  path: string,
  use: (name: string) => Promise<void>,
): Promise<void> {
  if (Buffer.byteLength(path) <= MOST_NAME_BYTES) return await use(path);
  const descriptor = openSync(folder, "r");
  try {
    await use(join("/proc/self/fd", `${descriptor}`, basename(path)));
  } finally {
    closeSync(descriptor);
  }
}

function socketPath(folder: string, number: number): string {
  return join(folder, `lock.${number}`);
}

function numbers(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const number = /^lock\.([1-9][0-9]{0,14})$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

function highest(folder: string): number {
  return Math.max(0, ...numbers(folder));
}

function isExisting(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EEXIST";
}
