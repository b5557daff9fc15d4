/** What takes a system into use, and out of it. */
import type { Action } from "../effects.ts";

/** How a run of switch-to-configuration ended. */
export type ActivationResult =
  | { readonly ended: "exited"; readonly code: number; readonly tail: string }
  | { readonly ended: "timed out" }
  /** A tool of the device hung or failed before the program began: nothing was switched. */
  | { readonly ended: "not begun" }
  /** The program ended, and a tool of the device hung or failed over telling how. */
  | { readonly ended: "untold" }
  /** It is gone and left no result: it was killed, or the machine was. */
  | { readonly ended: "vanished" };

/**
 * Runs of switch-to-configuration that outlive the agent: in a session of their own (or a transient
 * unit), with their result in a file.
 */
export interface Activation {
  /**
   * Starts the run, or adopts it when one of this name runs or has ended, and waits for the result.
   * The signal ends the waiting, not the run.
   */
  run(
    name: string,
    command: { readonly storePath: string; readonly action: Action },
    signal: AbortSignal,
  ): Promise<ActivationResult>;
  /** Whether a run of this name was ever started. */
  begun(name: string): Promise<boolean>;
  /** Whether a switch holds the lock of switch-to-configuration. */
  busy(signal: AbortSignal): Promise<boolean>;
  /** Ends every run whose name begins so, and returns when they are gone. */
  end(prefix: string, signal: AbortSignal): Promise<void>;
  /** Deletes results of other attempts; undefined: of all. */
  forget(keep: string | undefined): Promise<void>;
}

/** When and by what an attempt is ended that its agent does not end. */
export interface DeadManOrder {
  readonly attemptId: string;
  /** The system to return to, whose agent goes back. */
  readonly prev: string;
  /** From this moment, on the monotonic clock. */
  readonly afterMs: number;
}

/**
 * Goes back when the agent hangs or is dead: `nix-ota-agent dead-man` of the system to return to,
 * started by the machine and not by the agent. A reboot drops it.
 */
export interface DeadMan {
  /** Arms it in place of one that is armed. Sentence of the failure or undefined. */
  arm(order: DeadManOrder, signal: AbortSignal): Promise<string | undefined>;
  /** Whether it is armed for the attempt. */
  armed(attemptId: string, signal: AbortSignal): Promise<boolean>;
  /** Drops what is armed. One that fired already is left to itself: it finds nothing to do. */
  drop(signal: AbortSignal): Promise<void>;
}

/** The boot loader, beyond what switch-to-configuration does with it. */
export interface Loader {
  /** Whether it can start an entry at the next boot alone. */
  oneShot(signal: AbortSignal): Promise<boolean>;
  /**
   * Lets the next boot, and no other, start a system that has an entry; undefined: takes that back.
   * A variable of the firmware, which is there when this returns.
   * Sentence of the failure or undefined.
   */
  bootOnce(storePath: string | undefined, signal: AbortSignal): Promise<string | undefined>;
}
