import type { Failure, FailureCodeName } from "../failure.ts";
import { foreignWords } from "../foreign-words.ts";

interface Reading {
  readonly pattern: RegExp;
  readonly code: FailureCodeName;
  readonly remedy: string;
}

const notFound: Reading = {
  pattern:
    /no substituter that can build it|don't know how to build these paths|does not exist in (the )?binary cache|is not valid|HTTP error 4\d\d|path .* is required/i,
  code: "NOT_IN_CACHE",
  // Nix 2.8 tells of a path that it is denied as of one that is not there.
  remedy:
    "upload the whole closure before publishing, and see that the cache lets the device read it",
};

/**
 * What nix says when a copy fails, by versions 2.8 to 2.36. The first that matches decides, so what
 * concerns trust stands before what merely ended the copy. Never read for success: that is exit
 * status 0 and a valid path.
 */
// oxfmt-ignore
const readings: readonly Reading[] = [
  { pattern: /lacks a valid signature|lacks a signature by a trusted key|not signed by any of the keys/i,
    code: "UNTRUSTED_PATH",    remedy: "sign the closure with a key that the device trusts, or add the key" },
  { pattern: /hash mismatch|size mismatch|NAR info file .* is corrupt|failed to read compressed data|bad archive|NAR hash|is corrupt|unexpected end-of-file|Failed to open archive|failed to extract archive|input compression not recogni[sz]ed|NAR contains invalid|NAR for .* is incomplete|non-zero padding/i,
    code: "CORRUPT_CACHE",     remedy: "upload the path to the cache again" },
  { pattern: /No space left on device|disk full|ENOSPC/i,
    code: "NO_SPACE",          remedy: "free space on /nix" },
  { pattern: /HTTP error 40[137]|Access Denied/i,
    code: "CACHE_DENIED",      remedy: "give the device credentials for the cache" },
  { pattern: /does not appear to be a binary cache/i,
    code: "CACHE_DENIED",      remedy: "check the cache's URL and credentials" },
  { pattern: /HTTP error (429|5\d\d)|Couldn't connect|Could not connect|Couldn't resolve|Could not resolve|SSL|certificate|Failure when receiving|Recv failure|Connection reset|partial file|Empty reply|Server returned nothing/i,
    code: "CACHE_UNREACHABLE", remedy: "check the cache and the network" },
  { pattern: /Timeout was reached|timed out|Operation too slow/i,
    code: "CACHE_STALLED",     remedy: "check the cache and the network" },
  // What unpacks a NAR met its end too early or too late, where nothing else tells why.
  { pattern: /coroutine has finished/i,
    code: "CORRUPT_CACHE",     remedy: "upload the path to the cache again" },
  notFound,
];

/** What nix says at the end, whatever it was that failed before. */
const followsFromAnything = /some substitutes .* failed|build of .* failed|cannot build/i;

/**
 * Codes in the order of how much they tell: a signature problem before a missing path. That a path
 * was not found comes last: it may be what an error that nobody foresaw has led to.
 */
const telling: readonly FailureCodeName[] = [
  "UNTRUSTED_PATH",
  "CORRUPT_CACHE",
  "NO_SPACE",
  "CACHE_DENIED",
  "CACHE_STALLED",
  "CACHE_UNREACHABLE",
  "TOOL_FAILED",
  "NOT_IN_CACHE",
];

/** The failure of a copy that ended with this exit status and these messages. */
export function copyFailure(code: number, messages: readonly string[]): Failure {
  const causes = messages.filter((line) => !followsFromAnything.test(line));
  const text = causes.join("\n");
  const reading =
    readings.find(({ pattern }) => pattern.test(text)) ??
    // Nothing else was said: a path that no cache has and that nothing here can make.
    (causes.length === 0 && messages.length > 0 ? notFound : undefined);
  const said =
    causes.find((line) => reading?.pattern.test(line)) ??
    causes.at(-1) ??
    messages.at(-1) ??
    `nix exited with ${code}`;
  const sentence = foreignWords(said.replace(/^error:\s*/i, ""), 700);
  return reading === undefined
    ? { code: "TOOL_FAILED", message: `nix could not copy the closure: ${sentence}` }
    : { code: reading.code, message: `${sentence}; ${reading.remedy}` };
}

/** Of two failures of one closure the one that tells more. */
export function moreTelling(a: Failure, b: Failure): Failure {
  return telling.indexOf(a.code) <= telling.indexOf(b.code) ? a : b;
}
