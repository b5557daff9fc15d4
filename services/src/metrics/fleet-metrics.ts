import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { Gauge, Registry } from "prom-client";

import type { FleetNumbers } from "./fleet-queries.ts";

/**
 * The fleet's numbers as metrics. They are counted when somebody asks, and kept
 * for a while, so that many who ask cost the database no more than one.
 */
export function fleetMetrics(options: {
  readonly count: () => Promise<FleetNumbers>;
  readonly keptMs: number;
  readonly monotonicMs: () => number;
  /** Hears why the numbers are missing; the other metrics are told all the same. */
  readonly onFailure: (error: unknown) => void;
}): { readonly text: () => Promise<string> } {
  let last: { readonly atMs: number; readonly text: Promise<string> } | undefined;
  return {
    text() {
      const nowMs = options.monotonicMs();
      if (last === undefined || nowMs - last.atMs >= options.keptMs) {
        const text = options.count().then(textOf);
        last = { atMs: nowMs, text: text.catch((error) => (options.onFailure(error), "")) };
      }
      return last.text;
    },
  };
}

async function textOf(numbers: FleetNumbers): Promise<string> {
  const registry = new Registry();
  const gauge = (name: string, help: string, labelNames: readonly string[]) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  const standings = gauge("nix_ota_devices", "Devices by standing.", ["standing"]);
  for (const [standing, count] of numbers.standings) standings.set({ standing }, count);
  const states = gauge("nix_ota_device_states", "Accepted devices by state.", ["state"]);
  for (const [state, count] of numbers.states) {
    states.inc({ state: nameOf(AgentState, state) }, count);
  }
  const seen = gauge(
    "nix_ota_devices_seen",
    "Accepted devices that reported within so many seconds.",
    ["within"],
  );
  for (const [within, count] of numbers.seenWithin) seen.set({ within }, count);

  const heads = gauge("nix_ota_channel_head_revision", "Highest published revision.", ["channel"]);
  const devices = gauge(
    "nix_ota_channel_devices",
    "Accepted devices of a channel, by whether they committed its head.",
    ["channel", "on"],
  );
  const attempts = gauge(
    "nix_ota_head_attempts",
    "Attempts at the head of a channel, by how they ended.",
    ["channel", "outcome"],
  );
  const applied = gauge(
    "nix_ota_publish_to_applied_seconds",
    "From the publish of a channel's head to its commit on the devices that have it.",
    ["channel", "quantile"],
  );
  for (const { name: channel, ...numbersOf } of numbers.channels) {
    heads.set({ channel }, numbersOf.headRevision);
    devices.set({ channel, on: "head" }, numbersOf.onHead);
    devices.set({ channel, on: "older" }, numbersOf.behind);
    for (const [outcome, count] of numbersOf.outcomes) {
      attempts.inc({ channel, outcome: nameOf(Outcome, outcome) }, count);
    }
    if (numbersOf.toApplied === undefined) continue;
    applied.set({ channel, quantile: "0.5" }, numbersOf.toApplied.medianS);
    applied.set({ channel, quantile: "1" }, numbersOf.toApplied.mostS);
  }
  return await registry.metrics();
}

/** A number that the contract does not have is one label value, whatever devices write. */
function nameOf(names: Readonly<Record<string, number>>, number: number): string {
  const found = Object.entries(names).find(([, value]) => value === number);
  return found?.[0].toLowerCase() ?? "unknown";
}
