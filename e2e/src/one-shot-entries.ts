import { join } from "node:path";

import type { Device } from "./device.ts";

/** Gives a device a boot loader that starts an entry once when `bootctl` asks for it. */
export async function startEntriesOnce(device: Device): Promise<void> {
  const program = join(import.meta.dirname, "../nix/bootctl.sh");
  await device.run(["install", "-m", "755", program, join(device.dir, "bin/bootctl")]);
}
