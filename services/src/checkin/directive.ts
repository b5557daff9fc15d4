import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DirectiveSchema, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import { holdMessage, offerMessage } from "../channel/offer-message.ts";
import { offer, type DeviceFacts, type HeadFacts } from "../channel/offer.ts";
import { standingMessage } from "./device-message.ts";

/** Share by which the interval differs from report to report, so that devices spread. */
const JITTER = 0.1;

/** What a directive is made from. */
export interface Directed {
  readonly device: DeviceFacts;
  readonly head: HeadFacts | undefined;
  readonly acknowledgedSequence: bigint;
  readonly acknowledgedEventIds: readonly string[];
  readonly checkInIntervalMs: number;
  readonly nowMs: number;
  /** From 0 up to 1. */
  readonly random: number;
}

/** What the server answers to a device. */
export function directiveMessage(directed: Directed): Directive {
  const { device, head } = directed;
  const decision = offer(device, head);
  return create(DirectiveSchema, {
    nextCheckInMs: Math.round(
      directed.checkInIntervalMs * (1 + JITTER * (2 * directed.random - 1)),
    ),
    verdict:
      decision.kind === "offer"
        ? { case: "offer", value: offerMessage(decision, device) }
        : { case: "hold", value: holdMessage(decision) },
    acknowledgedSequence: directed.acknowledgedSequence,
    acknowledgedEventIds: [...directed.acknowledgedEventIds],
    serverTime: timestampFromMs(directed.nowMs),
    standing: standingMessage(device.standing),
    retryRevision: device.retryRevision,
  });
}
