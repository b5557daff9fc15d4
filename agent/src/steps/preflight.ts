import { toBeMoved } from "../copy-progress.ts";
import { shortage } from "../space-need.ts";
import type { SpaceNeed } from "../space-need.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

/** Refuses before the first byte what would not fit, with the numbers. */
export const preflight: Step<"preflight"> = async (agent, { attempt }, signal) => {
  const { ports, config } = agent;
  const { stateFreeBytes, marginPercent } = config.settings.preflight;
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };

  const missing = await ports.nix.missing(opened.copy, signal);
  signal.throwIfAborted();
  // Caches that do not answer are the copy's matter; the whole closure is the most that can be missing.
  const missingBytes = missing?.unpackedBytes ?? opened.copy.closureBytes;
  const nix = await ports.space.free("/nix");
  const state = await ports.space.free(config.stateDir);
  const needs: readonly SpaceNeed[] = [
    {
      place: `the state directory ${config.stateDir}`,
      freeBytes: state.freeBytes,
      missingBytes: 0,
      marginPercent,
      reserveBytes: stateFreeBytes,
      remedy: "free space there",
    },
    {
      place: "/nix",
      freeBytes: nix.freeBytes,
      missingBytes,
      marginPercent,
      reserveBytes: config.minFreeBytes,
      remedy: "free space with `nix-collect-garbage`, or lower minFreeBytes",
    },
  ];
  const short = needs.flatMap((need) => shortage(need) ?? []);
  if (short.length > 0)
    return { on: "unfit", failure: { code: "NO_SPACE", message: short.join("; ") } };
  if (missing !== undefined) {
    agent.notebook.setProgress(toBeMoved(missing));
    ports.log("info", "preflight", {
      missingPaths: missing.paths,
      missingBytes,
      freeBytes: nix.freeBytes,
    });
  }
  return { on: "fit" };
};
