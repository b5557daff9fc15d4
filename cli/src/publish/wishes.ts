import { isSystem } from "@nix-ota/proto/ids";
import { ANY_SUBSTITUTER, checkSubstituterUrl } from "@nix-ota/proto/substituter-url";

import { CliError } from "../cli-error.ts";
import { parseCount } from "../count-argument.ts";
import { parseDeadline } from "../deadline.ts";
import { parseName } from "../name-argument.ts";
import { parseRevision } from "../revision-argument.ts";

/** The command line of publish as it was given. */
export interface PublishOptions {
  channel: string;
  target: string;
  fleet: string;
  storePath: string;
  key: string[];
  passphraseFile?: string | undefined;
  publicKey: string[];
  threshold: string;
  substituter: string[];
  system?: string | undefined;
  message: string;
  sourceRevision: string;
  notAfter?: string | undefined;
  revision?: string | undefined;
  dryRun: boolean;
  yes: boolean;
  trustCache: boolean;
}

/** What is to be published, with every value in its range. */
export interface Wishes {
  channel: string;
  target: string;
  fleet: string;
  substituters: readonly string[];
  system: string | undefined;
  message: string;
  sourceRevision: string;
  /** Seconds since 1970 UTC, 0: never expires. */
  notAfterS: bigint;
  threshold: number;
  revision: bigint | undefined;
  dryRun: boolean;
  yes: boolean;
}

const MAX_SUBSTITUTERS = 8;
const MAX_KEYS = 16;
/** Text for people; the payload as a whole has 16 KiB. */
const MAX_TEXT = 1024;

/**
 * Judges the command line before anything is read or asked.
 *
 * @throws {CliError} `usage` naming the flag.
 */
export function readWishes(options: PublishOptions, nowMs: number): Wishes {
  const { channel, target, fleet, system } = options;
  parseName("--channel", channel);
  if (target !== "") parseName("--target", target);
  if (fleet !== "") parseName("--fleet", fleet);
  if (system !== undefined && !isSystem(system))
    throw new CliError(
      "usage",
      `--system ${JSON.stringify(system)} is no system such as x86_64-linux`,
    );
  if (options.trustCache && system === undefined)
    throw new CliError("usage", "--trust-cache reads nothing locally; say --system x86_64-linux");
  return {
    channel,
    target,
    fleet,
    system,
    substituters: readSubstituters(options.substituter),
    message: readText("--message", options.message),
    sourceRevision: readText("--source-revision", options.sourceRevision),
    notAfterS: options.notAfter === undefined ? 0n : parseDeadline(options.notAfter, nowMs),
    threshold: readThreshold(options),
    revision: options.revision === undefined ? undefined : parseRevision(options.revision),
    dryRun: options.dryRun,
    yes: options.yes,
  };
}

function readSubstituters(urls: readonly string[]): readonly string[] {
  if (urls.length === 0)
    throw new CliError("usage", "no cache is named; give --substituter, where devices fetch from");
  if (urls.length > MAX_SUBSTITUTERS)
    throw new CliError(
      "usage",
      `--substituter is given ${urls.length} times, over ${MAX_SUBSTITUTERS}`,
    );
  for (const url of urls) {
    const problem = checkSubstituterUrl(url, ANY_SUBSTITUTER);
    if (problem !== undefined) throw new CliError("usage", `${problem}; check --substituter`);
  }
  return urls;
}

function readText(flag: string, text: string): string {
  if (text.length > MAX_TEXT)
    throw new CliError("usage", `${flag} has ${text.length} characters, over ${MAX_TEXT}`);
  if (/[\n\r]/u.test(text)) throw new CliError("usage", `${flag} has several lines; give one`);
  return text;
}

function readThreshold(options: PublishOptions): number {
  const keys = options.key.length + options.publicKey.length;
  if (options.key.length === 0)
    throw new CliError("usage", "no signing key is named; give --key, made by nix-ota keygen");
  if (keys > MAX_KEYS)
    throw new CliError("usage", `--key and --public-key name ${keys} keys, over ${MAX_KEYS}`);
  return parseCount("--threshold", options.threshold, 1, keys);
}
