import { create } from "@bufbuild/protobuf";
import {
  HoldReason,
  HoldSchema,
  OfferSchema,
  type Hold,
  type Offer,
} from "@nix-ota/proto/nixota/v1/channel_pb";

import type { OfferDecision } from "./offer.ts";

/** The contract's Hold. */
export function holdMessage(decision: OfferDecision & { readonly kind: "hold" }): Hold {
  const { reason, explanation } = decision;
  return create(HoldSchema, { reason: HoldReason[reason], explanation });
}

/** The contract's Offer. */
export function offerMessage(
  decision: OfferDecision & { readonly kind: "offer" },
  device: { readonly channel: string; readonly target: string },
): Offer {
  const { revision, payloadSha256 } = decision;
  return create(OfferSchema, {
    channel: device.channel,
    target: device.target,
    revision,
    payloadSha256,
  });
}
