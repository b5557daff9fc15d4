import { execFile, type ExecFileException } from "node:child_process";

import { CliError } from "./cli-error.ts";

/** A walk over a remote store of some thousand paths takes tens of seconds. */
const TIME_LIMIT_MS = 300_000;

/** A closure of 10 000 paths prints about 15 MB. */
const OUTPUT_LIMIT_BYTES = 256 * 1024 * 1024;

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
  return run(pathInfoArgs(question), signal);
}

/** The arguments by which nix is asked. */
export function pathInfoArgs({ paths, recursive, store }: PathInfoQuestion): string[] {
  return [
    "--extra-experimental-features",
    "nix-command",
    "path-info",
    "--json",
    ...(recursive ? ["--recursive"] : []),
    ...(store === undefined ? [] : ["--store", store]),
    // A path that begins with a dash is a path.
    "--",
    ...paths,
  ];
}

async function run(args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      "nix",
      args,
      { timeout: TIME_LIMIT_MS, maxBuffer: OUTPUT_LIMIT_BYTES, signal, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(explain(error, stderr));
      },
    );
  });
}

function explain(error: ExecFileException, stderr: string): Error {
  if (error.name === "AbortError") return error;
  const sentence = ((): string => {
    switch (error.code) {
      case "ENOENT":
        return "nix is not on the PATH; install it, or publish from a machine that has it";
      case "ERR_CHILD_PROCESS_STDIO_MAXBUFFER":
        return `nix printed more than ${OUTPUT_LIMIT_BYTES} bytes; the closure is too large to read`;
      default:
        if (error.killed) return `nix path-info did not end within ${TIME_LIMIT_MS / 1000} s`;
        return `nix path-info failed: ${lastLine(stderr) || error.message}`;
    }
  })();
  return new CliError("store", sentence, { cause: error });
}

function lastLine(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const line = lines.findLast((line) => line.includes("error:")) ?? lines.at(-1) ?? "";
  return line.replace(/^\s*error:\s*/u, "").slice(0, SHOWN_ERROR_LENGTH);
}
