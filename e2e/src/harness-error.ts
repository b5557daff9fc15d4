/** What kept the harness itself from doing its work; a failing device is a result, not one of these. */
export type HarnessFault =
  /** A program, mount point or permission of the host is missing; the message names the remedy. */
  | "host"
  /** A command of the harness ended with another exit code than 0. */
  | "command"
  /** A process did not say in time that it is ready. */
  | "not-ready"
  /** The device's boot default names no system that is there. */
  | "boot"
  /** The harness was called in a way that makes no sense, such as exec on a device that is off. */
  | "usage";

export class HarnessError extends Error {
  override readonly name = "HarnessError";
  readonly kind: HarnessFault;

  constructor(kind: HarnessFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
