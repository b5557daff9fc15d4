import { nothingMoved, onTopOf, withMissing } from "../copy-progress.ts";
import type { Step } from "./effect-result.ts";
import { storedManifest } from "./stored-manifest.ts";

/** Holds a path, valid or not yet: a collection between copy and use must find it kept. */
export const root: Step<"root"> = async ({ ports }, { name, storePath }) => {
  await ports.links.root(name, storePath);
  return undefined;
};

export const copy: Step<"copy"> = async (agent, { attempt }, signal) => {
  const opened = await storedManifest(agent, attempt);
  if (!opened.ok) return { on: "withdrawn", code: opened.code, message: opened.message };
  // Asking first spares a device that has the closure every contact with its caches.
  if (await agent.ports.nix.isValid(attempt.storePath, signal)) return { on: "fetched" };
  const { notebook, ports } = agent;
  const before = notebook.progress ?? nothingMoved;
  const failure = await ports.nix.copy(
    opened.copy,
    (moved) => notebook.setProgress(onTopOf(before, moved)),
    signal,
  );
  const missing = failure === undefined ? 0 : (await ports.nix.missing(opened.copy, signal))?.paths;
  notebook.setProgress(withMissing(notebook.progress ?? before, missing));
  return failure === undefined ? { on: "fetched" } : { on: "fetchFailed", failure };
};
