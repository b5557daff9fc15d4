import { storePathName } from "@nix-ota/proto/store-path";
import { checkSubstituterUrl, ANY_SUBSTITUTER } from "@nix-ota/proto/substituter-url";

import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { openCache } from "../open-cache.ts";
import type { Finding } from "./finding.ts";
import { getPage, pageProblem } from "./page.ts";

/** Whether a binary cache is one for /nix/store, and holds what the channel's head points to. */
export async function checkCache(
  url: string,
  headPath: string | undefined,
  host: Host,
): Promise<Finding> {
  const found = (verdict: Finding["verdict"], text: string, remedy = ""): Finding => ({
    check: "cache",
    verdict,
    found: `${url}: ${text}`,
    remedy,
  });
  const problem = checkSubstituterUrl(url, ANY_SUBSTITUTER);
  if (problem !== undefined)
    return { check: "cache", verdict: "wrong", found: problem, remedy: "check --substituter" };
  if (/^https?:/u.test(url)) {
    const told = await cacheInfo(url, host.signal);
    if (typeof told !== "string") return found("wrong", told.found, told.remedy);
    const problem = storeProblem(told);
    if (problem !== undefined) return found("wrong", problem, "check the URL");
  }
  if (headPath === undefined) return found("ok", "is a cache for /nix/store");
  try {
    const held = await (await openCache(url)).lookup([headPath], host.signal);
    const name = storePathName(headPath) ?? headPath;
    const info = held.get(headPath);
    if (info === undefined)
      return found(
        "warning",
        `does not hold the head, ${name}`,
        "another cache of the release has to, or nix copy --to puts it there",
      );
    if (info.signed) return found("ok", `holds the head, ${name}, signed`);
    return found(
      "wrong",
      `holds the head, ${name}, without a signature`,
      "devices refuse it; nix store sign --recursive, then copy again",
    );
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { check: "cache", verdict: "wrong", found: error.message, remedy: "" };
  }
}

async function cacheInfo(
  url: string,
  signal: AbortSignal,
): Promise<string | { found: string; remedy: string }> {
  try {
    const { status, text } = await getPage(`${url.replace(/\/$/u, "")}/nix-cache-info`, signal);
    if (status === 200) return text;
    return {
      found: `answers HTTP ${status} for nix-cache-info`,
      remedy: status === 401 || status === 403 ? "it wants credentials" : "check the URL",
    };
  } catch (error) {
    signal.throwIfAborted();
    return pageProblem(error);
  }
}

function storeProblem(cacheInfo: string): string | undefined {
  const store = /^StoreDir: *(\S+)$/mu.exec(cacheInfo)?.[1];
  if (store === undefined) return "its nix-cache-info names no StoreDir: it is no binary cache";
  return store === "/nix/store" ? undefined : `is a cache for ${store}, not /nix/store`;
}
