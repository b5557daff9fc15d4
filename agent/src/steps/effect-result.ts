import type { Agent } from "../agent.ts";
import type { Effect } from "../effects.ts";
import type { Event } from "../events.ts";

/**
 * What an effect came to: an event for the machine; `undefined`, the next effect of the state is to
 * be done; or `rest`, there is nothing to do before the next poll.
 */
export type EffectResult = Event | undefined | "rest";

export type Step<Kind extends Effect["do"]> = (
  agent: Agent,
  effect: Extract<Effect, { readonly do: Kind }>,
  signal: AbortSignal,
) => Promise<EffectResult>;
