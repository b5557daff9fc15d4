import { toBeMoved } from "../copy-progress.ts";
import type { Event } from "../events.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

const mib = (bytes: number) => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;

const noSpace = (message: string): Event => ({
  on: "unfit",
  failure: { code: "NO_SPACE", message },
});

/** Refuses before the first byte what would not fit, with the numbers. */
export const preflight: Step<"preflight"> = async (agent, { attempt }, signal) => {
  const { ports, config } = agent;
  const { stateFreeBytes, marginPercent } = config.settings.preflight;
  const state = await ports.space.free(config.stateDir);
  if (state.freeBytes < stateFreeBytes) {
    return noSpace(
      `${mib(state.freeBytes)} are free under ${config.stateDir}, ${mib(stateFreeBytes)} are needed; free space there`,
    );
  }
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };

  const missing = await ports.nix.missing(opened.copy, signal);
  signal.throwIfAborted();
  // Caches that do not answer are the copy's matter; the whole closure is the most that can be missing.
  const missingBytes = missing?.unpackedBytes ?? opened.copy.closureBytes;
  const neededBytes = missingBytes * (1 + marginPercent / 100) + config.minFreeBytes;
  const { freeBytes } = await ports.space.free("/nix");
  if (freeBytes < neededBytes) {
    return noSpace(
      `${mib(missingBytes)} are missing and ${mib(config.minFreeBytes)} are to stay free, but only ${mib(freeBytes)} are free on /nix; free space, or lower minFreeBytes`,
    );
  }
  if (missing !== undefined) {
    agent.notebook.setProgress(toBeMoved(missing));
    ports.log("info", "preflight", { missingPaths: missing.paths, missingBytes, freeBytes });
  }
  return { on: "fit" };
};
