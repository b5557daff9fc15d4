import { spawn } from "node:child_process";

import { CliError } from "./cli-error.ts";

/** A walk over a remote store of some thousand paths takes tens of seconds. */
const QUESTION_LIMIT_MS = 300_000;

/** It reads its configuration and prints one line. */
const VERSION_LIMIT_MS = 20_000;

/** A kernel for a slow machine under emulation takes hours. */
const BUILD_LIMIT_MS = 12 * 3_600_000;

/** A closure of 10 000 paths prints about 15 MB. */
const OUTPUT_LIMIT_BYTES = 256 * 1024 * 1024;

/** Of what nix says while it works, the end tells what went wrong. */
const KEPT_ERROR_LENGTH = 64 * 1024;

/** One line of nix is enough for a person; the rest is repetition. */
const SHOWN_ERROR_LENGTH = 400;

/** What to ask `nix path-info` about. */
export interface PathInfoQuestion {
  paths: readonly string[];
  /** Whether to follow references. */
  recursive: boolean;
  /** URL of another store than the local one. */
  store?: string;
}

/**
 * The JSON that `nix path-info` prints.
 *
 * @throws {CliError} `store` when nix is missing, fails, takes over five minutes or prints over
 *   256 MiB.
 */
export async function nixPathInfo(
  question: PathInfoQuestion,
  signal: AbortSignal,
): Promise<string> {
  return run(pathInfoArgs(question), QUESTION_LIMIT_MS, signal);
}

/** The arguments by which nix is asked. */
export function pathInfoArgs({ paths, recursive, store }: PathInfoQuestion): string[] {
  return [
    ...NIX_COMMAND,
    "path-info",
    "--json",
    ...(recursive ? ["--recursive"] : []),
    ...(store === undefined ? [] : ["--store", store]),
    // A path that begins with a dash is a path.
    "--",
    ...paths,
  ];
}

/**
 * The JSON of an installable of a flake after a function of the nix language.
 *
 * @throws {CliError} `store` as `nixPathInfo`.
 */
export async function nixEval(
  installable: string,
  apply: string,
  signal: AbortSignal,
): Promise<string> {
  const args = [...FLAKES, "eval", "--json", "--apply", apply, "--", installable];
  return run(args, QUESTION_LIMIT_MS, signal);
}

/**
 * Builds an installable of a flake; the JSON that tells its outputs.
 *
 * @param onWord Called with each line that nix says meanwhile.
 * @throws {CliError} `store` when nix is missing, fails or takes over twelve hours.
 */
export async function nixBuild(
  installable: string,
  signal: AbortSignal,
  onWord: (line: string) => void,
): Promise<string> {
  const args = [...FLAKES, "build", "--json", "--no-link", "--", installable];
  return run(args, BUILD_LIMIT_MS, signal, onWord);
}

/**
 * Copies a path with all that it refers to, signatures included, into a binary cache.
 *
 * @param from URL of the cache it comes from; undefined: the local store.
 * @param onWord Called with each line that nix says meanwhile.
 * @throws {CliError} `store` when nix is missing, fails or takes over twelve hours.
 */
export async function nixCopy(
  storePath: string,
  stores: { from: string | undefined; to: string },
  signal: AbortSignal,
  onWord: (line: string) => void,
): Promise<void> {
  const from = stores.from === undefined ? [] : ["--from", stores.from];
  const args = ["copy", ...from, "--to", stores.to, "--", storePath];
  await run([...NIX_COMMAND, ...args], BUILD_LIMIT_MS, signal, onWord);
}

/**
 * Signs a path with all that it refers to in a binary cache.
 *
 * @param keyFile in nix's form, as `nix-store --generate-binary-cache-key` writes it.
 * @throws {CliError} `store` as `nixCopy`.
 */
export async function nixSign(
  storePath: string,
  store: string,
  keyFile: string,
  signal: AbortSignal,
): Promise<void> {
  const args = ["store", "sign", "--recursive", "--store", store, "--key-file", keyFile];
  await run([...NIX_COMMAND, ...args, "--", storePath], BUILD_LIMIT_MS, signal);
}

/**
 * What nix calls itself, e.g. `nix (Nix) 2.30.1`.
 *
 * @throws {CliError} `store` as `nixPathInfo`.
 */
export async function nixVersion(signal: AbortSignal): Promise<string> {
  const args = [...NIX_COMMAND, "--version"];
  return (await run(args, VERSION_LIMIT_MS, signal)).trim();
}

const NIX_COMMAND = ["--extra-experimental-features", "nix-command"];
const FLAKES = ["--extra-experimental-features", "nix-command flakes"];

async function run(
  args: readonly string[],
  timeLimitMs: number,
  signal: AbortSignal,
  onWord: (line: string) => void = () => {},
): Promise<string> {
  const command = `nix ${args[2]}`;
  const limit = AbortSignal.timeout(timeLimitMs);
  const child = spawn("nix", args, {
    stdio: ["ignore", "pipe", "pipe"],
    signal: AbortSignal.any([signal, limit]),
  });
  const fail = (problem: string, cause?: unknown): CliError =>
    new CliError("store", problem, { cause });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= OUTPUT_LIMIT_BYTES) return;
      child.kill("SIGKILL");
      reject(fail(`${command} printed more than ${OUTPUT_LIMIT_BYTES} bytes`));
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-KEPT_ERROR_LENGTH);
      onWord(text.trimEnd().split("\n").at(-1) ?? "");
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(error);
      else if (limit.aborted)
        reject(fail(`${command} did not end within ${timeLimitMs / 1000} s`, error));
      else if (error.code === "ENOENT")
        reject(fail("nix is not on the PATH; install it, or publish where it is", error));
      else reject(fail(`${command} cannot be run: ${error.message}`, error));
    });
    child.on("close", (code, killedBy) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString("utf8"));
      else
        reject(fail(`${command} failed: ${lastLine(said) || (killedBy ?? `exit code ${code}`)}`));
    });
  });
}

function lastLine(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const line = lines.findLast((line) => line.includes("error:")) ?? lines.at(-1) ?? "";
  return line.replace(/^\s*error:\s*/u, "").slice(0, SHOWN_ERROR_LENGTH);
}
