import { createHmac, randomBytes } from "node:crypto";

import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

import type { CredentialLimits } from "./access/operator-check.ts";
import { networkOf } from "./client-address.ts";
import type { Limits } from "./limits.ts";
import { OtaError } from "./ota-error.ts";

/**
 * How often somebody may call, before anything is looked up for them. Whoever is
 * over a limit is answered OVERLOADED with the time to wait, and costs nothing more.
 */
export interface CallLimits extends CredentialLimits {
  /** Before authentication: a call by which a device proves itself. @throws {OtaError} OVERLOADED. */
  proof(address: string): Promise<void>;
  /** After it: a call of a device, however many share its address. @throws {OtaError} OVERLOADED. */
  device(deviceId: string): Promise<void>;
}

/** @param told Hears of the first refusal in a window, so that a flood of calls is none of log lines. */
export function createCallLimits(
  limits: Limits,
  random: () => number,
  told: (limit: string) => void,
): CallLimits {
  const window = (limit: string, points: number, seconds: number) =>
    new Window({ limit, points, seconds, slots: limits.limitSlots }, random, told);
  const proofs = window("proofs of an address", limits.proofsPerAddress, limits.proofWindowS);
  const allProofs = window("proofs of all", limits.proofsPerServer, limits.proofWindowS);
  const guesses = window("failed credentials", limits.failuresPerAddress, limits.failureWindowS);
  const devices = window("calls of a device", limits.callsPerDevice, limits.callWindowS);
  const operators = window("calls of a token", limits.callsPerToken, limits.callWindowS);
  return {
    async proof(address) {
      await proofs.take(networkOf(address));
      await allProofs.take("");
    },
    device: (deviceId) => devices.take(deviceId),
    use: (digest) => operators.take(Buffer.from(digest).toString("hex")),
    requireFewFailures: (address) => guesses.requireRoom(networkOf(address)),
    noteFailure: (address) => guesses.note(networkOf(address)),
  };
}

/**
 * So many calls of one key in a window of time. Keys fall into slots by a hash
 * that nobody outside can compute: however many keys there are the memory is
 * bounded, and nobody can choose whom to share a slot with.
 */
class Window {
  readonly #what: { readonly limit: string; readonly points: number; readonly slots: number };
  readonly #limiter: RateLimiterMemory;
  readonly #hashKey = randomBytes(16);
  readonly #windowMs: number;
  readonly #random: () => number;
  readonly #told: (limit: string) => void;

  constructor(
    what: { readonly limit: string; points: number; seconds: number; slots: number },
    random: () => number,
    told: (limit: string) => void,
  ) {
    this.#what = what;
    this.#windowMs = what.seconds * 1000;
    this.#limiter = new RateLimiterMemory({ points: what.points, duration: what.seconds });
    this.#random = random;
    this.#told = told;
  }

  /** Counts a call. @throws {OtaError} OVERLOADED beyond the limit. */
  async take(key: string): Promise<void> {
    const { isOver, consumed, waitMs } = await this.#count(key);
    if (!isOver) return;
    if (consumed === this.#what.points + 1) this.#told(this.#what.limit);
    throw this.#overloaded(waitMs);
  }

  /** Counts without refusing. */
  async note(key: string): Promise<void> {
    const { consumed } = await this.#count(key);
    if (consumed === this.#what.points) this.#told(this.#what.limit);
  }

  /** Refuses without counting. @throws {OtaError} OVERLOADED when the limit is reached. */
  async requireRoom(key: string): Promise<void> {
    const state = await this.#limiter.get(this.#slot(key));
    if (state !== null && state.msBeforeNext > 0 && state.consumedPoints >= this.#what.points) {
      throw this.#overloaded(state.msBeforeNext);
    }
  }

  async #count(key: string) {
    try {
      const { consumedPoints, msBeforeNext } = await this.#limiter.consume(this.#slot(key));
      return { isOver: false, consumed: consumedPoints, waitMs: msBeforeNext };
    } catch (over) {
      // The library's way to say that the window is full.
      if (!(over instanceof RateLimiterRes)) throw over;
      return { isOver: true, consumed: over.consumedPoints, waitMs: over.msBeforeNext };
    }
  }

  #slot(key: string): string {
    const hash = createHmac("sha256", this.#hashKey).update(key).digest();
    return String(hash.readUInt32BE() % this.#what.slots);
  }

  /** Those who wait do not come back all at once. */
  #overloaded(waitMs: number): OtaError {
    const retryAfterMs = Math.ceil(waitMs + (this.#random() * this.#windowMs) / 2);
    return new OtaError("OVERLOADED", "too many calls; wait and try again", {
      details: { retryAfterMs },
    });
  }
}
