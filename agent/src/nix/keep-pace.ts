import type { Clock } from "../ports/clock.ts";
import type { Pauses } from "../process/run-command.ts";
import { pace } from "./pace.ts";

/** Shorter ones are not worth two signals. */
const SHORTEST_REST_MS = 20;

export interface Pacer {
  begin(pauses: Pauses): void;
  /** Something may have come: rests if it came too early. */
  look(): void;
  /** Rises while it rests, whenever it is asked: a rest is a sign of life. */
  rests(): number;
}

/** Holds a running copy to a rate by stopping its process where it stands. */
export function keepPace(
  clock: Clock,
  bytesPerS: number,
  bytesDone: () => number,
  signal: AbortSignal,
): Pacer {
  if (bytesPerS === 0) return { begin: () => {}, look: () => {}, rests: () => 0 };
  const restMs = pace(bytesPerS, clock.monotonicMs());
  let pauses: Pauses | undefined;
  let resting = false;
  let rests = 0;
  const look = () => {
    const ms = restMs(bytesDone(), clock.monotonicMs());
    if (pauses === undefined || resting || ms < SHORTEST_REST_MS || signal.aborted) return;
    resting = true;
    pauses.pause();
    const goOn = () => {
      resting = false;
      pauses?.resume();
      // What nix had said before it stopped counts as well.
      look();
    };
    void clock.sleep(ms, signal).then(goOn, goOn);
  };
  return {
    begin: (given) => (pauses = given),
    look,
    rests: () => (resting ? (rests += 1) : rests),
  };
}
