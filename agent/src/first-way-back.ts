import type { Attempt, WayBack } from "./attempt.ts";

/**
 * What a device was to return to in the first place: an attempt that began while it was stuck would
 * lead back to what it is stuck with. Pure.
 */
export const firstWayBack = (of: { readonly attempt: Attempt; readonly prev: WayBack }): WayBack =>
  of.attempt.stuck?.prev ?? of.prev;
