import { chmod, chown, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { deleteMachine } from "./machine-folder.ts";
import type { HostUser } from "./namespace.ts";

/** A folder below the system's temporary folder that goes with its scope, read-only stores included. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(label: string, owner?: HostUser): Promise<TemporaryFolder> {
    const path = await mkdtemp(join(tmpdir(), `nix-ota-${label}-`));
    // Machines of another user live below it.
    await chmod(path, 0o755);
    if (owner !== undefined) await chown(path, owner.uid, owner.gid);
    return new TemporaryFolder(path);
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await deleteMachine(this.path);
  }
}
