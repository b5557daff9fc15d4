import type { Failure } from "./failure.ts";
import type { Moment } from "./moment.ts";
import type { Committed } from "./trust.ts";

/** One try of this device at one revision. */
export interface Attempt {
  /** Random, unique on this device; also the name of everything the attempt leaves on disk. */
  readonly id: string;
  readonly channel: string;
  /** 1 to 2^53-1. */
  readonly revision: number;
  /** sha256 of the manifest's payload, 64 hex digits. */
  readonly payloadSha256: string;
  /** The toplevel to run. */
  readonly storePath: string;
  /** Whether a person brought its closure in a bundle, instead of the caches. */
  readonly bundled?: true;
  /** Set when the device was stuck as it began: it is again unless the attempt is applied. */
  readonly stuck?: Impasse;
}

/** What a device is stuck with: neither forward nor back worked. */
export interface Impasse {
  readonly attempt: Attempt;
  readonly prev: WayBack;
  readonly failure: Failure;
}

/**
 * How a closure is taken into use.
 *
 * - `prove-first`: run it, prove it, and only then let profile and boot loader name it.
 * - `switch`: profile, boot loader and running system at once, then the proof.
 * - `boot`: profile and boot loader, a reboot, then the proof.
 * - `adopt`: it runs already; only profile, boot loader and record follow.
 */
export type Order = "prove-first" | "switch" | "boot" | "adopt";

/** What inspecting a staged closure found out. */
export interface Plan {
  readonly order: Order;
  /** Whether kernel, initrd, modules or kernel parameters differ from what was booted. */
  readonly rebootRequired: boolean;
  /** Whether the boot loader can start an entry once: a boot that fails then ends on its default. */
  readonly oneShot: boolean;
  /** The closure's own health command; empty: it has none. */
  readonly healthCmd: string;
  /** Whether the running system's health command passed before anything was touched. */
  readonly healthyBefore: boolean;
  /** When the closure's contents were read. */
  readonly inspected: Moment;
}

/** The system to return to, recorded and rooted before anything is touched. */
export interface WayBack {
  /** Target of /run/current-system. */
  readonly running: string;
  /** Target of /run/booted-system; empty when the link is absent. */
  readonly booted: string;
  /** Target of the system profile; empty when there is none. */
  readonly profile: string;
  /** Generation of the system profile; 0: there is none. */
  readonly generation: number;
  /** Units that had failed before; absent: that could not be told. */
  readonly failedUnits?: readonly string[];
  /** Whether the server answered shortly before: only then can its silence be the update's fault. */
  readonly inContact: boolean;
  /** What the channel had committed before; absent: nothing. */
  readonly committed?: Committed;
}

/**
 * A committed closure whose kernel no probation has seen: its first boot has to prove it, and leads
 * back when it cannot.
 */
export interface FirstBoot {
  readonly attempt: Attempt;
  /** Of order `boot`. */
  readonly plan: Plan;
  /** The system that was booted before. */
  readonly prev: WayBack;
  /** Boot in which the closure was committed: the first boot is another one. */
  readonly bootId: string;
}
