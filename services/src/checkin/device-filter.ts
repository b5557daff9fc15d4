import { isId, isSystem } from "@nix-ota/proto/ids";
import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { quoted } from "@nix-ota/proto/quoted";

import { OtaError } from "../ota-error.ts";
import type { Standing } from "../standing.ts";

/** What a term asks of a device. */
export type DeviceQuestion =
  | { readonly key: "channel" | "tag"; readonly value: string }
  /** Empty: devices that have none, or did not tell. */
  | { readonly key: "target" | "system"; readonly value: string }
  | { readonly key: "id"; readonly value: string; readonly isPrefix: boolean }
  | { readonly key: "standing"; readonly value: Standing }
  /** Number of the contract's AgentState or Outcome. */
  | { readonly key: "state" | "outcome"; readonly value: number }
  /** Committed; 0: none. */
  | { readonly key: "revision"; readonly value: bigint }
  | { readonly key: "seen" | "unseen"; readonly withinMs: number }
  | { readonly key: "is"; readonly value: DeviceTrait };

/** What `is:` asks for. */
export type DeviceTrait = "cloned" | "conflict" | "behind" | "pinned";

/** A question, or its opposite. */
export type DeviceTerm = DeviceQuestion & { readonly negated: boolean };

/** Which devices: those that meet every term. Without terms: all. */
export type DeviceFilter = readonly DeviceTerm[];

/** Reads a filter as the contract's ListDevices has it, or returns the sentence that says which term is wrong. */
export function parseDeviceFilter(text: string): DeviceFilter | string {
  const terms: DeviceTerm[] = [];
  for (const word of text.split(/\s+/).filter((one) => one !== "")) {
    const [, minus, key = "", value = ""] = /^(-?)([^:]*):(.*)$/s.exec(word) ?? [];
    const read = isKey(key) ? READERS[key] : undefined;
    if (minus === undefined || read === undefined) {
      return `the filter has no key for ${quoted(word)}; a term is key:value with one of ${KEYS.join(", ")}`;
    }
    const question = read.question(value);
    if (question === undefined) {
      return `the term ${quoted(word)} cannot be read; ${key} takes ${read.wanted}`;
    }
    terms.push({ ...question, negated: minus === "-" });
  }
  return terms;
}

/** As `parseDeviceFilter`. @throws {OtaError} FILTER_INVALID with its sentence. */
export function requireFilter(text: string): DeviceFilter {
  const filter = parseDeviceFilter(text);
  if (typeof filter === "string") throw new OtaError("FILTER_INVALID", filter);
  return filter;
}

interface Reader {
  readonly question: (value: string) => DeviceQuestion | undefined;
  /** For the sentence about a value that cannot be read. */
  readonly wanted: string;
}

const STANDINGS = ["accepted", "pending", "rejected", "revoked"] as const;
const TRAITS = ["cloned", "conflict", "behind", "pinned"] as const;
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const MOST_REVISION = 2n ** 53n - 1n;

const READERS = {
  channel: named("channel", "a channel's name"),
  target: namedOrNone("target", "a target's name, or nothing for devices without one", isId),
  tag: named("tag", "one tag"),
  standing: {
    question(text) {
      const value = STANDINGS.find((one) => one === text);
      return value && { key: "standing", value };
    },
    wanted: oneOf(STANDINGS),
  },
  system: namedOrNone(
    "system",
    "a kind of machine, e.g. x86_64-linux, or nothing for devices that did not tell",
    isSystem,
  ),
  state: numbered("state", AgentState),
  outcome: numbered("outcome", Outcome),
  revision: {
    question(text) {
      const value = /^[0-9]{1,16}$/.test(text) ? BigInt(text) : undefined;
      return value === undefined || value > MOST_REVISION ? undefined : { key: "revision", value };
    },
    wanted: "a number, 0 for devices that committed none",
  },
  seen: spanned("seen"),
  unseen: spanned("unseen"),
  id: {
    question(text) {
      const isPrefix = text.endsWith("*");
      const value = isPrefix ? text.slice(0, -1) : text;
      return isId(value) || (isPrefix && value === "") ? { key: "id", value, isPrefix } : undefined;
    },
    wanted: "a device's id, or how it begins with * at the end",
  },
  is: {
    question(text) {
      const value = TRAITS.find((one) => one === text);
      return value && { key: "is", value };
    },
    wanted: oneOf(TRAITS),
  },
} as const satisfies Readonly<Record<DeviceQuestion["key"], Reader>>;

const KEYS = Object.keys(READERS);

function isKey(text: string): text is keyof typeof READERS {
  return Object.hasOwn(READERS, text);
}

function named(key: "channel" | "tag", wanted: string): Reader {
  return { question: (value) => (isId(value) ? { key, value } : undefined), wanted };
}

function namedOrNone(
  key: "target" | "system",
  wanted: string,
  isName: (text: string) => boolean,
): Reader {
  return {
    question: (value) => (value === "" || isName(value) ? { key, value } : undefined),
    wanted,
  };
}

/** Words of an enumeration of the contract, in lower case. */
function numbered(key: "state" | "outcome", numbers: Readonly<Record<string, number>>): Reader {
  const byWord = new Map(Object.entries(numbers).map(([name, at]) => [name.toLowerCase(), at]));
  return {
    question(text) {
      const value = byWord.get(text);
      return value === undefined ? undefined : { key, value };
    },
    wanted: oneOf([...byWord.keys()]),
  };
}

function spanned(key: "seen" | "unseen"): Reader {
  return {
    question(text) {
      const [, digits, unit] = /^([1-9][0-9]{0,5})([smhdw])$/.exec(text) ?? [];
      if (digits === undefined) return undefined;
      return { key, withinMs: Number(digits) * UNIT_MS[unit as keyof typeof UNIT_MS] };
    },
    wanted: "a span of time, e.g. 30s, 90m, 12h, 3d or 2w",
  };
}

function oneOf(words: readonly string[]): string {
  return `one of ${words.join(", ")}`;
}
