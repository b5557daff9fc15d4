import { spawn } from "node:child_process";

import { verifyEd25519 } from "@nix-ota/proto";
import { SIGNATURE_BYTES } from "@nix-ota/proto/ed25519";
import { fromBase64 } from "@nix-ota/proto/hash";
import type { PublicKey } from "@nix-ota/proto/key-file";

import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import type { Signer } from "./signer.ts";

/** A program and its arguments; no shell reads them. */
export type Argv = readonly [program: string, ...args: string[]];

/** Somebody may have to find a token and touch it. */
const TIME_LIMIT_MS = 120_000;

/** A signature is 88 characters in base64. */
const ANSWER_LIMIT_BYTES = 1024;

/**
 * A command as people give it: words joined by blanks, or where one holds a blank a JSON list of
 * strings.
 *
 * @throws {CliError} `usage` when it is neither.
 */
export function parseKeyCommand(text: string): Argv {
  const words = text.trimStart().startsWith("[") ? wordsOfJson(text) : text.trim().split(/\s+/u);
  const [program, ...args] = words;
  if (program !== undefined && program !== "") return [program, ...args];
  throw new CliError(
    "usage",
    `--key-command ${JSON.stringify(text)} names no program; give words joined by blanks, or a JSON list of strings`,
  );
}

/**
 * A signer that asks a program. It reads the bytes to sign (the pre-authentication encoding) from
 * its stdin until they end and writes the signature to its stdout: the 64 bytes, or their base64.
 * Its stderr is the terminal's. What it answers counts only if it verifies under the public key.
 */
export function commandSigner(
  argv: Argv,
  publicKey: PublicKey,
  host: Pick<Host, "env" | "signal">,
  timeLimitMs: number = TIME_LIMIT_MS,
): Signer {
  const [program] = argv;
  return {
    ...publicKey,
    async sign(message) {
      const answer = await askProgram(argv, message, host, timeLimitMs);
      const signature = readSignature(answer);
      if (signature === undefined)
        throw new CliError(
          "key",
          `${program} answered with ${answer.length} bytes that are no signature; it has to write 64 bytes or their base64`,
        );
      if (!verifyEd25519(publicKey.publicKey, message, signature))
        throw new CliError(
          "key",
          `what ${program} signed does not verify under --key-command-key ${publicKey.name || "given"}; check that it holds this key and signs its stdin as it is`,
        );
      return signature;
    },
  };
}

function wordsOfJson(text: string): string[] {
  try {
    const words: unknown = JSON.parse(text);
    if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
  } catch {
    // Said with what is no list.
  }
  return [];
}

function readSignature(answer: Buffer): Uint8Array | undefined {
  if (answer.length === SIGNATURE_BYTES) return Uint8Array.from(answer);
  const decoded = fromBase64(answer.toString("latin1").trim());
  return decoded?.length === SIGNATURE_BYTES ? decoded : undefined;
}

async function askProgram(
  [program, ...args]: Argv,
  message: Uint8Array,
  { env, signal }: Pick<Host, "env" | "signal">,
  timeLimitMs: number,
): Promise<Buffer> {
  const limit = AbortSignal.timeout(timeLimitMs);
  // The token for the server is no business of it.
  const { NIX_OTA_TOKEN: _, ...rest } = env;
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: rest,
    signal: AbortSignal.any([signal, limit]),
    killSignal: "SIGKILL",
  });
  // A program that ends before it read everything is judged by what it answered.
  child.stdin.on("error", () => {});
  child.stdin.end(message);
  const fail = (problem: string, cause?: unknown): CliError =>
    new CliError("key", `--key-command ${program} ${problem}`, { cause });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= ANSWER_LIMIT_BYTES) return;
      child.kill("SIGKILL");
      reject(fail(`wrote over ${ANSWER_LIMIT_BYTES} bytes; a signature has 64`));
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(error);
      else if (limit.aborted) reject(fail(`did not answer within ${timeLimitMs / 1000} s`, error));
      else reject(fail(`cannot be run: ${error.message}`, error));
    });
    child.on("close", (code, killedBy) => {
      if (code === 0) resolve(Buffer.concat(chunks));
      else reject(fail(`ended with ${killedBy ?? `exit code ${code}`}`));
    });
  });
}
