import { isSystem } from "@nix-ota/proto/ids";
import { ANY_SUBSTITUTER, checkSubstituterUrl } from "@nix-ota/proto/substituter-url";

import { CliError } from "../cli-error.ts";
import { parseCount } from "../count-argument.ts";
import { parseDeadline } from "../deadline.ts";
import { parseName } from "../name-argument.ts";
import { parseRevision } from "../revision-argument.ts";
import { MAX_SIGNERS } from "../signing/read-signers.ts";
import { leaveFor, type Leave } from "./content.ts";
import type { ReleaseWishes } from "./publish.ts";

/** What a command line says of the manifests that are to be made. */
export interface ContentOptions {
  channel: string;
  fleet: string;
  substituter: string[];
  system?: string | undefined;
  message: string;
  sourceRevision: string;
  notAfter?: string | undefined;
  nextChannel: string;
  allowAgentRemoval: boolean;
  allowKeyChange: boolean;
  trustCache: boolean;
}

/** What is the same in every manifest, with every value in its range. */
export interface ContentWishes {
  channel: string;
  fleet: string;
  substituters: readonly string[];
  system: string | undefined;
  message: string;
  sourceRevision: string;
  /** Seconds since 1970 UTC, 0: never expires. */
  notAfterS: bigint;
  leave: Leave;
  trustCache: boolean;
}

/** How a command line says it is to be published. */
export interface HowOptions {
  channel: string;
  publicKey: string[];
  threshold: string;
  revision?: string | undefined;
  dryRun?: boolean;
  yes?: boolean;
  requireVerifiable?: boolean;
}

const MAX_SUBSTITUTERS = 8;
/** Text for people; the payload as a whole has 16 KiB. */
const MAX_TEXT = 1024;

/**
 * Judges the command line before anything is read or asked.
 *
 * @throws {CliError} `usage` naming the flag.
 */
export function readContentWishes(options: ContentOptions, nowMs: number): ContentWishes {
  const { fleet, system, nextChannel, allowAgentRemoval, allowKeyChange } = options;
  if (fleet !== "") parseName("--fleet", fleet);
  if (nextChannel !== "") parseName("--next-channel", nextChannel);
  if (system !== undefined && !isSystem(system))
    throw new CliError(
      "usage",
      `--system ${JSON.stringify(system)} is no system such as x86_64-linux`,
    );
  if (options.trustCache && system === undefined)
    throw new CliError("usage", "--trust-cache reads nothing locally; say --system x86_64-linux");
  return {
    channel: parseName("--channel", options.channel),
    fleet,
    system,
    substituters: readSubstituters(options.substituter),
    message: readText("--message", options.message),
    sourceRevision: readText("--source-revision", options.sourceRevision),
    notAfterS: options.notAfter === undefined ? 0n : parseDeadline(options.notAfter, nowMs),
    leave: leaveFor({ nextChannel, allowAgentRemoval, allowKeyChange }),
    trustCache: options.trustCache,
  };
}

/**
 * The same for how it is to be published.
 *
 * @param signerCount Keys that sign.
 */
export function readReleaseWishes(options: HowOptions, signerCount: number): ReleaseWishes {
  return {
    channel: parseName("--channel", options.channel),
    threshold: readThreshold(options, signerCount),
    revision: options.revision === undefined ? undefined : parseRevision(options.revision),
    dryRun: options.dryRun ?? false,
    yes: options.yes ?? false,
    requireVerifiable: options.requireVerifiable ?? false,
  };
}

/** Checks a text for people that is signed with a manifest. */
export function readText(flag: string, text: string): string {
  if (text.length > MAX_TEXT)
    throw new CliError("usage", `${flag} has ${text.length} characters, over ${MAX_TEXT}`);
  if (/[\n\r]/u.test(text)) throw new CliError("usage", `${flag} has several lines; give one`);
  return text;
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

function readThreshold({ publicKey, threshold }: HowOptions, signerCount: number): number {
  const keys = signerCount + publicKey.length;
  if (keys === 0)
    throw new CliError("usage", "no key is named that proves the head; give --public-key");
  if (keys > MAX_SIGNERS)
    throw new CliError("usage", `${keys} keys are named altogether, over ${MAX_SIGNERS}`);
  return parseCount("--threshold", threshold, 1, keys);
}
