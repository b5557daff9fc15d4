import { equals } from "@bufbuild/protobuf";
import { HoldSchema, OfferSchema } from "@nix-ota/proto/nixota/v1/channel_pb";
import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

/** Intervals that differ by no more than their jitter are the same one. */
const SAME_INTERVAL = 0.25;

/**
 * Whether a device that was told one thing has to be told the other. Clock,
 * acknowledgements and jitter are no news.
 */
export function isNews(told: Directive | undefined, next: Directive): boolean {
  if (told === undefined) return true;
  return (
    told.standing !== next.standing ||
    told.retryRevision !== next.retryRevision ||
    !sameVerdict(told.verdict, next.verdict) ||
    Math.abs(told.nextCheckInMs - next.nextCheckInMs) > SAME_INTERVAL * next.nextCheckInMs
  );
}

function sameVerdict(a: Directive["verdict"], b: Directive["verdict"]): boolean {
  if (a.case === "offer" && b.case === "offer") return equals(OfferSchema, a.value, b.value);
  if (a.case === "hold" && b.case === "hold") return equals(HoldSchema, a.value, b.value);
  return a.case === b.case;
}
