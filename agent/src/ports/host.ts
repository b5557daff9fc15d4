/** The machine itself. */

/** What the machine is, for the gate and for reports. */
export interface Host {
  /** e.g. `x86_64-linux`. */
  system(): string;
  describe(
    signal: AbortSignal,
  ): Promise<{ readonly hostname: string; readonly kernel: string; readonly nixVersion: string }>;
}

export interface Space {
  /** Bytes free for root on the file system that holds the path. */
  free(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** The same; undefined when there is no such path. */
  freeIfThere(
    path: string,
  ): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
}

export interface Power {
  /** Asks for a reboot, and returns before it comes. Sentence of the failure or undefined. */
  reboot(signal: AbortSignal): Promise<string | undefined>;
}
