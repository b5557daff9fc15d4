import { join } from "node:path";

import { ProcessHandle } from "./process-handle.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

/** Path of a part's entry file, `entryFile("cli")`; run with `process.execPath`. */
export function entryFile(part: "services" | "cli" | "agent"): string {
  return join(REPOSITORY, part, "src/main.ts");
}

export type RunningProcess = {
  /** Base URL that the process announced. */
  readonly url: string;
  readonly handle: ProcessHandle;
} & AsyncDisposable;

export type ServerOptions = {
  readonly dataDir: string;
  /** PostgreSQL; without it the server keeps its own database in `dataDir`. */
  readonly databaseUrl?: string;
  /** Default 127.0.0.1:0, a free port; a restarted server needs the one it had. */
  readonly listen?: string;
  readonly publishTokenFile?: string;
  readonly arguments?: readonly string[];
  readonly timeoutMs?: number;
};

/** Starts the real server and waits until it says that it listens. */
export async function startServer(options: ServerOptions): Promise<RunningProcess> {
  const token = options.publishTokenFile;
  const argv = [
    process.execPath,
    entryFile("services"),
    "--listen",
    options.listen ?? "127.0.0.1:0",
    "--data-dir",
    options.dataDir,
    ...(token === undefined ? [] : ["--publish-token-file", token]),
    ...(options.arguments ?? []),
  ];
  const database = options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl };
  return await startListening(
    argv,
    { ...hostEnvironment(), ...database },
    options.timeoutMs ?? 60_000,
  );
}

/** The cache of `cache.ts` as a process that outlives a crash of its starter's event loop. */
export async function startCacheServer(dir: string): Promise<RunningProcess> {
  const argv = [process.execPath, join(import.meta.dirname, "cache-server.ts"), "--dir", dir];
  return await startListening(argv, hostEnvironment(), 20_000);
}

async function startListening(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  timeoutMs: number,
): Promise<RunningProcess> {
  const handle = await ProcessHandle.start(argv, { env });
  const stop = async () => void (await handle.stop());
  try {
    const url = await handle.waitForLine(announcedUrl, timeoutMs);
    return { url, handle, [Symbol.asyncDispose]: stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

function announcedUrl(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  const said = JSON.parse(line) as { msg?: unknown; url?: unknown };
  return said.msg === "listening" && typeof said.url === "string" ? said.url : undefined;
}

/** A server takes its configuration from its arguments; only what node needs is inherited. */
function hostEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG, TMPDIR, NODE_COMPILE_CACHE } = process.env;
  const inherited = { PATH, HOME, LANG, TMPDIR, NODE_COMPILE_CACHE };
  return Object.fromEntries(Object.entries(inherited).filter(([, value]) => value !== undefined));
}
