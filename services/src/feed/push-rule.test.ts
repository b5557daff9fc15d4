import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldReason, HoldSchema, OfferSchema } from "@nix-ota/proto/nixota/v1/channel_pb";
import {
  DeviceStanding,
  DirectiveSchema,
  type Directive,
} from "@nix-ota/proto/nixota/v1/device_pb";
import { expect, test } from "vitest";

import { isNews } from "./push-rule.ts";

type Fields = Partial<Omit<Directive, "$typeName" | "$unknown">>;

const offer = (revision: bigint): Directive["verdict"] => ({
  case: "offer",
  value: create(OfferSchema, { channel: "prod", revision, payloadSha256: new Uint8Array(32) }),
});
const hold = (reason: HoldReason): Directive["verdict"] => ({
  case: "hold",
  value: create(HoldSchema, { reason }),
});
const TOLD = {
  verdict: offer(5n),
  nextCheckInMs: 60_000,
  standing: DeviceStanding.ACCEPTED,
  retryRevision: 0n,
} satisfies Fields;

test.each<[string, Fields, boolean]>([
  ["nothing", {}, false],
  [
    "what it acknowledges, and the time",
    { acknowledgedSequence: 9n, serverTime: timestampFromMs(9) },
    false,
  ],
  ["the interval by its jitter", { nextCheckInMs: 73_000 }, false],
  ["the interval", { nextCheckInMs: 90_000 }, true],
  ["the revision that is offered", { verdict: offer(6n) }, true],
  ["an offer to a hold", { verdict: hold(HoldReason.PAUSED) }, true],
  ["the wish for another try", { retryRevision: 5n }, true],
  ["the standing", { standing: DeviceStanding.PENDING }, true],
])("a directive that differs by %s", (_title, fields, expected) => {
  const next = create(DirectiveSchema, { ...TOLD, ...fields });
  expect(isNews(create(DirectiveSchema, TOLD), next)).toBe(expected);
});

test("another reason for the same hold is news, the same one is not, the first one always is", () => {
  const paused = create(DirectiveSchema, { ...TOLD, verdict: hold(HoldReason.PAUSED) });
  const pinned = create(DirectiveSchema, { ...TOLD, verdict: hold(HoldReason.PINNED) });
  expect([isNews(paused, pinned), isNews(paused, paused), isNews(undefined, paused)]).toEqual([
    true,
    false,
    true,
  ]);
});
