import { takeUpAtBoot } from "../boot.ts";
import type { Command } from "./command.ts";
import { servicePorts } from "./follow.ts";
import { underLock } from "./under-lock.ts";

/** `boot`: what `nix-ota-boot.service` runs. */
export const boot: Command = {
  run: async (call) =>
    await underLock(call, async (signal) => {
      await takeUpAtBoot(await servicePorts(call), call.config, signal);
      return 0;
    }),
};
