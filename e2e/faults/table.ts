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
  "idle",
  "accepted",
  "fetching",
  "staged",
  "armed",
  "activating",
  "awaitingReboot",
  "probation",
  "committing",
  "rollingBack",
  "stuck",
] as const satisfies readonly StateName[];
export type FaultState = (typeof STATES)[number];

/** Why a fault does not happen in a state. */
export const reasons = {
  "-here": "the whole closure is in the store",
  "-idle": "the state runs no such command",
  "-before": "such a system never gets so far",
  "-after": "such a system shows that later",
  "-done": "it went by before",
  "-rest": "nothing follows that the device would leave the state for",
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
  idle: Cell,
  accepted: Cell,
  fetching: Cell,
  staged: Cell,
  armed: Cell,
  activating: Cell,
  awaitingReboot: Cell,
  probation: Cell,
  committing: Cell,
  rollingBack: Cell,
  stuck: Cell,
];

// oxfmt-ignore
export const table: readonly Row[] = [
  // fault            idle             accepted         fetching         staged           armed            activating                 awaitingReboot probation         committing          rollingBack                stuck
  ["killed",         "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["killedAfter",    "-rest",         "new",           "new",           "new",           "new",           "new",                     "-off",        "new",            "new",              "previous",                "-rest"],
  ["powerCut",       "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "-dead|stuck|-dead"],
  ["powerCutAfter",  "-rest",         "new",           "new",           "new",           "new",           "new",                     "-off",        "new",            "new",              "previous",                "-rest"],

  ["networkLost",    "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["serverDeaf",     "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["server503",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["server429",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["serverGarbage",  "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],

  ["journalTorn",    "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["journalLost",    "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"  ],
  ["trustTorn",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["trustLost",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],

  ["rebuild",        "by hand|by hand|-live", "new",           "new",           "new",           "new",           "new",                     "new",         "new|new|-live",  "new|new|-live",    "by hand|by hand|-live",   "by hand|by hand|-dead"],
  ["collection",     "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["secondAgent",    "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["newerManifest",  "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "new",                     "new|new|-dead"],
  ["previousGone",   "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "stuck|stuck|-dead",       "-done"],

  ["clock1970",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["clock2099",      "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["clockStepped",   "new",           "new",           "new",           "new",           "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],
  ["expired",        "new",           "previous",      "previous",      "previous",      "new",           "new",                     "new",         "new",            "new",              "previous",                "stuck|stuck|-dead"],

  ["nixFull",        "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk", "stuck|stuck|-dead"],
  ["bootFull",       "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk", "stuck|stuck|-dead"],
  ["stateFull",      "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk", "new|new|-disk",           "-disk",       "new|new|-disk",  "new|new|-disk",    "previous|previous|-disk", "stuck|stuck|-dead"],

  ["nixHangs",       "-idle",         "-idle",         "new",           "new",           "-idle",         "-idle",                   "-idle",       "-idle",          "-idle",            "-idle",                   "-idle"],
  ["nixStoreHangs",  "-idle",         "new",           "new",           "-idle",         "new",           "-idle",                   "-idle",       "-idle",          "-idle",            "-idle",                   "-idle"],
  ["nixEnvHangs",    "-idle",         "-idle",         "-idle",         "-idle",         "-idle",         "-idle|new",               "-idle",       "-idle",          "new",              "-idle|previous",          "-idle"],
  ["syncHangs",      "-idle",         "-idle",         "-idle",         "new",           "-idle",         "new",                     "-idle",       "-idle",          "new",              "previous",                "-idle"],
  ["flockHangs",     "-idle",         "-idle",         "-idle",         "-idle",         "-idle",         "new",                     "-idle",       "-idle",          "new",              "previous",                "-idle"],
  ["shHangs",        "-idle",         "-idle",         "-idle",         "new",           "new",           "new",                     "-idle",       "new",            "new",              "previous",                "-idle"],

  ["cacheUnsigned",  "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheWrongKey",  "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheCorrupt",   "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheEndless",   "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheTrickle",   "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheStalls",    "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheDeaf",      "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cache401",       "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cache404",       "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cache500",       "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cacheCut",       "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],
  ["cachePoisoned",  "-here",         "-idle",         "new",           "-here",         "-here",         "-here",                   "-here",       "-here",          "-here",            "-here",                   "-here"],

  ["exit1",          "-done",         "-after",        "-after",        "-after",        "-after",        "previous",                "-before",     "-before",        "-before",          "-before",                 "-done"],
  ["exit2",          "-done",         "-after",        "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done",                   "-done"],
  ["exit3",          "-done",         "-after",        "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done",                   "-done"],
  ["exit4",          "-done",         "-after",        "-after",        "-after",        "-after",        "previous",                "-after",      "-before",        "-before",          "-done",                   "-done"],
  ["exit4Before",    "-done",         "-after",        "-after",        "-after",        "-after",        "new",                     "-after",      "-done",          "-done",            "-before",                 "-done"],
  ["exit11",         "-done",         "-after",        "-after",        "-after",        "-after",        "new",                     "-idle",       "-done",          "new",              "previous",                "-done"],
  ["crashes",        "-done",         "-after",        "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done",                   "-done"],
  ["activationHangs","-done",         "-after",        "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done",                   "-done"],
  ["activationDeaf", "-done",         "-after",        "-after",        "-after",        "-after",        "previous|previous|-live", "-live",       "-before",        "-before",          "-done",                   "-done"],
  ["empty",          "-done",         "-after",        "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before",                 "-done"],
  ["orphans",        "-done",         "-after",        "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before",                 "-done"],
  ["agentMissing",   "-done",         "-after",        "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before",                 "-done"],
  ["noBootService",  "-done",         "-after",        "-after",        "previous",      "-before",       "-before",                 "-before",     "-before",        "-before",          "-before",                 "-done"],
  ["noLoader",       "-done",         "-after",        "-after",        "-after",        "-after",        "-after|previous",         "-before",     "-after|-before", "previous|-before", "-done",                   "-done"],

  ["sick",           "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["flaps",          "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["healthHangs",    "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["noHealth",       "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["sickBefore",     "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "new",            "-done",            "-before",                 "-done"],
  ["agentBroken",    "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["agentHangs",     "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
  ["agentUnfit",     "-done",         "-after",        "-after",        "-after",        "-after",        "-after",                  "-after",      "previous",       "-before",          "-done",                   "-done"],
];
