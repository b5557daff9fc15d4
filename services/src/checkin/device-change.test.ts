import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { expect, test } from "vitest";

import { needsAdmin, problemWith, type DeviceChange } from "./device-change.ts";

const NOTHING: DeviceChange = {
  addTags: [],
  removeTags: [],
  pinnedRevision: undefined,
  retryRevision: undefined,
  standing: undefined,
  publicKey: undefined,
};
const KEY = publicKeyOf(new Uint8Array(32).fill(1));

const problem = (
  fields: Partial<DeviceChange>,
  how: { forget?: boolean; isOneId?: boolean } = {},
) => {
  const change = { ...NOTHING, ...fields };
  const order =
    how.forget === true ? ({ kind: "forget" } as const) : ({ kind: "change", change } as const);
  return problemWith(order, { change, isOneId: how.isOneId ?? false });
};

test("an order says something, and one thing", () => {
  expect([
    problem({}),
    problem({}, { forget: true }),
    problem({ addTags: ["eu"] }, { forget: true }),
    problem({ addTags: ["eu"] }),
    problem({ addTags: ["eu", "us"], removeTags: ["us"] }),
    problem({ pinnedRevision: 0n }),
    problem({ pinnedRevision: 2n ** 53n }),
    problem({ retryRevision: 2n ** 64n - 1n }),
  ]).toEqual([
    "nothing is asked to be changed; say what, or forget the devices",
    undefined,
    "a device that is forgotten cannot be changed as well",
    undefined,
    "the tag us cannot be added and removed at once",
    undefined,
    "r9007199254740992 is above the highest revision, r9007199254740991",
    "r18446744073709551615 is above the highest revision, r9007199254740991",
  ]);
});

test("a key is replaced for one device, by a key that can be one", () => {
  expect([
    problem({ publicKey: KEY }, { isOneId: true }),
    problem({ publicKey: KEY }),
    problem({ publicKey: KEY.subarray(1) }, { isOneId: true }),
    // A point of small order: whoever knows it signs for everybody.
    problem({ publicKey: new Uint8Array(32) }, { isOneId: true }),
  ]).toEqual([
    undefined,
    "a key can be replaced for one named device at a time",
    "the key is not a sound ed25519 public key of 32 bytes",
    "the key is not a sound ed25519 public key of 32 bytes",
  ]);
});

test("who may be on the fleet is decided by an admin, the rest by who steers the channel", () => {
  const needs = (fields: Partial<DeviceChange>) =>
    needsAdmin({ kind: "change", change: { ...NOTHING, ...fields } });
  expect([
    needs({ addTags: ["eu"], pinnedRevision: 3n, retryRevision: 4n }),
    needs({ standing: "accepted" }),
    needs({ publicKey: KEY }),
    needsAdmin({ kind: "forget" }),
  ]).toEqual([false, true, true, true]);
});
