/**
 * The fault matrix: every fault in every state, in both orders. A cell says where the device has to
 * come to rest, or why the fault cannot happen there; `a|b|c` differs between the orders, and the last
 * one given stands for those that follow.
 */
import type { StateName } from "@nix-ota/agent/states";

import type { FaultName } from "./faults.ts";
import type { Where } from "./invariants.ts";

export const ORDERS = ["prove-first", "switch", "boot"] as const;
export type Order = (typeof ORDERS)[number];

export const STATES = [
  "fetching",
  "staged",
  "armed",
  "activating",
  "awaitingReboot",
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
  "-live": "happens only to a system that takes over live",
  "-boot": "only the order boot has this state",
  "-off": "the reboot itself ends the state",
  "-disk": "this disk does not outlast the reboot of a test",
  "-dead": "nothing is left to boot, which is beyond software",
} as const;
export type Reason = keyof typeof reasons;

type One = Exclude<Where, "broken"> | Reason;
/** One for all orders, or one for each. */
type Cell = One | `${One}|${string}`;

type Row = readonly [
  fault: FaultName,
  fetching: Cell,
  staged: Cell,
  armed: Cell,
  activating: Cell,
  awaitingReboot: Cell,
  probation: Cell,
  committing: Cell,
  rollingBack: Cell,
];

// oxfmt-ignore
export const table: readonly Row[] = [
  // fault            fetching         staged           armed            activating                 awaitingReboot probation         committing          rollingBack
  ["killed",          "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["killedAfter",     "new",           "new",           "new",           "new",                     "-off",        "new",            "new",              "previous"],
  ["powerCut",        "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["powerCutAfter",   "new",           "new",           "new",           "new",                     "-off",        "new",            "new",              "previous"],

  ["networkLost",     "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["serverDeaf",      "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["server503",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["server429",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["serverGarbage",   "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],

  ["journalTorn",     "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["journalLost",     "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["trustTorn",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["trustLost",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],

  ["rebuild",         "new",           "new",           "new",           "new",                     "new",         "new|new|-live",  "new|new|-live",    "by hand|by hand|-live"],
  ["collection",      "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["secondAgent",     "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["newerManifest",   "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "new"],
  ["previousGone",    "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "stuck|stuck|-dead"],

  ["clock1970",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["clock2099",       "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["clockStepped",    "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous"],
  ["expired",         "previous",      "previous",      "new",           "new",                     "new",         "new",            "new",              "previous"],

  ["nixFull",         "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk"],
  ["bootFull",        "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk"],
  ["stateFull",       "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk"],

  ["nixHangs",        "new",           "new",           "-idle",         "-idle",                   "-idle",       "-idle",          "-idle",            "-idle"],
  ["nixStoreHangs",   "new",           "-idle",         "new",           "-idle",                   "-idle",       "-idle",          "-idle",            "-idle"],
  ["nixEnvHangs",     "-idle",         "-idle",         "-idle",         "-idle|new",               "-idle",       "-idle",          "new",              "-idle|previous"],
  ["syncHangs",       "-idle",         "new",           "-idle",         "new",                     "-idle",       "-idle",          "new",              "previous"],
  ["flockHangs",      "-idle",         "-idle",         "-idle",         "new",                     "-idle",       "-idle",          "new",              "previous"],
  ["shHangs",         "-idle",         "new",           "new",           "new",                     "-idle",       "new",            "new",              "previous"],

  ["cacheUnsigned",   "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheWrongKey",   "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheCorrupt",    "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheEndless",    "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheTrickle",    "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheStalls",     "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheDeaf",       "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cache401",        "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cache404",        "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cache500",        "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cacheCut",        "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],
  ["cachePoisoned",   "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here"],

  ["exit1",           "-after",        "-after",        "-after",        "previous",                "-before",     "-before",        "-before",          "-before"],
  ["exit2",           "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done"],
  ["exit3",           "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done"],
  ["exit4",           "-after",        "-after",        "-after",        "previous",                "-after",      "-before",        "-before",          "-done"],
  ["exit4Before",     "-after",        "-after",        "-after",        "new",                     "-after",      "-done",          "-done",            "-before"],
  ["exit11",          "-after",        "-after",        "-after",        "new",                     "-idle",       "-done",          "new",              "previous"],
  ["crashes",         "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done"],
  ["activationHangs", "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done"],
  ["activationDeaf",  "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done"],
  ["empty",           "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before"],
  ["orphans",         "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before"],
  ["agentMissing",    "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before"],
  ["noBootService",   "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before"],
  ["noLoader",        "-after",        "-after",        "-after",        "-after|previous",         "-before",     "-after|-before", "previous|-before", "-done"],

  ["sick",            "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["flaps",           "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["healthHangs",     "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["noHealth",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["sickBefore",      "-after",        "-after",        "-after",        "-after",                  "-after",      "new",            "-done",            "-before"],
  ["agentBroken",     "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["agentHangs",      "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
  ["agentUnfit",      "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done"],
];
