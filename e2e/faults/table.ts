/**
 * The fault matrix: every fault in every state, in both orders. A cell says where the device has to
 * come to rest, or why the fault cannot happen there; `a|b` differs between prove-first and switch.
 */
import type { StateName } from "@nix-ota/agent/states";

import type { FaultName } from "./faults.ts";
import type { Where } from "./invariants.ts";

export const ORDERS = ["prove-first", "switch"] as const;
export type Order = (typeof ORDERS)[number];

export const STATES = [
  "fetching",
  "staged",
  "armed",
  "activating",
  "probation",
  "committing",
  "rollingBack",
] as const satisfies readonly StateName[];
export type FaultState = (typeof STATES)[number];

/** Why a fault does not happen in a state. */
export const reasons = {
  "-here": "the whole closure is in the store",
  "-idle": "the state runs no such command",
  "-before": "such a system never gets so far",
  "-after": "such a system shows that later",
  "-done": "it went by before",
} as const;
export type Reason = keyof typeof reasons;

type One = Exclude<Where, "broken"> | Reason;
/** One for both orders, or one for each. */
type Cell = One | `${One}|${One}`;

type Row = readonly [
  fault: FaultName,
  fetching: Cell,
  staged: Cell,
  armed: Cell,
  activating: Cell,
  probation: Cell,
  committing: Cell,
  rollingBack: Cell,
];

// oxfmt-ignore
export const table: readonly Row[] = [
  // fault            fetching   staged      armed       activating           probation   committing           rollingBack
  ["killed",          "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["killedAfter",     "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["powerCut",        "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["powerCutAfter",   "new",     "new",      "new",      "new",               "new",      "new",               "previous"],

  ["networkLost",     "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["serverDeaf",      "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["server503",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["server429",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["serverGarbage",   "new",     "new",      "new",      "new",               "new",      "new",               "previous"],

  ["journalTorn",     "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["journalLost",     "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["trustTorn",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["trustLost",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],

  ["rebuild",         "new",     "new",      "new",      "new",               "new",      "new",               "by hand"],
  ["collection",      "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["secondAgent",     "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["newerManifest",   "new",     "new",      "new",      "new",               "new",      "new",               "new"],
  ["previousGone",    "new",     "new",      "new",      "new",               "new",      "new",               "stuck"],

  ["clock1970",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["clock2099",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["clockStepped",    "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["expired",         "previous","previous", "new",      "new",               "new",      "new",               "previous"],

  ["nixFull",         "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["bootFull",        "new",     "new",      "new",      "new",               "new",      "new",               "previous"],
  ["stateFull",       "new",     "new",      "new",      "new",               "new",      "new",               "previous"],

  ["nixHangs",        "new",     "new",      "-idle",    "-idle",             "-idle",    "-idle",             "-idle"],
  ["nixStoreHangs",   "new",     "-idle",    "new",      "-idle",             "-idle",    "-idle",             "-idle"],
  ["nixEnvHangs",     "-idle",   "-idle",    "-idle",    "-idle|new",         "-idle",    "new|-idle",         "-idle|previous"],
  ["syncHangs",       "-idle",   "new",      "-idle",    "previous|new",      "-idle",    "new|-idle",         "previous"],
  ["flockHangs",      "-idle",   "-idle",    "-idle",    "previous",          "-idle",    "new|-idle",         "previous"],
  ["shHangs",         "-idle",   "new",      "new",      "previous",          "new",      "new|-idle",         "previous"],

  ["cacheUnsigned",   "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheWrongKey",   "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheCorrupt",    "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheEndless",    "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheTrickle",    "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheStalls",     "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheDeaf",       "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cache401",        "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cache404",        "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cache500",        "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cacheCut",        "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],
  ["cachePoisoned",   "new",     "-here",    "-here",    "-here",             "-here",    "-here",             "-here"],

  ["exit1",           "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-before"],
  ["exit2",           "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["exit3",           "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["exit4",           "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["exit4Before",     "-after",  "-after",   "-after",   "new",               "-done",    "-done",             "-before"],
  ["exit11",          "-after",  "-after",   "-after",   "new",               "-done",    "new|-idle",         "previous"],
  ["crashes",         "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["activationHangs", "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["activationDeaf",  "-after",  "-after",   "-after",   "previous",          "-before",  "-before",           "-done"],
  ["empty",           "-after",  "previous", "-before",  "-before",           "-before",  "-before",           "-before"],
  ["orphans",         "-after",  "previous", "-before",  "-before",           "-before",  "-before",           "-before"],
  ["noLoader",        "-after",  "-after",   "-after",   "-after|previous",   "-after|-before", "previous|-before", "-done"],

  ["sick",            "-after",  "-after",   "-after",   "-after",            "previous", "-before",           "-done"],
  ["flaps",           "-after",  "-after",   "-after",   "-after",            "previous", "-before",           "-done"],
  ["healthHangs",     "-after",  "-after",   "-after",   "-after",            "previous", "-before",           "-done"],
  ["noHealth",        "-after",  "-after",   "-after",   "-after",            "previous", "-before",           "-done"],
  ["sickBefore",      "-after",  "-after",   "-after",   "-after",            "new",      "-done",             "-before"],
];
