/** What keeps a system from taking over without a reboot. Pure. */

/** A system's own account; undefined: it has no such file. */
export interface SwitchFiles {
  readonly initInterface: string | undefined;
  readonly inhibitors: string | undefined;
}

/**
 * Why switch-to-configuration would refuse to run the closure live (status 100), as a sentence's
 * middle; undefined: it would not. The inhibitors are an object of names and values in newer NixOS,
 * compared where both systems have the name, and one text in the first that had them.
 */
export function switchInhibitor(running: SwitchFiles, closure: SwitchFiles): string | undefined {
  if (running.initInterface !== closure.initInterface)
    return "it has another init interface than the running system";
  if (running.inhibitors === undefined || closure.inhibitors === undefined) return undefined;
  const [before, after] = [named(running.inhibitors), named(closure.inhibitors)];
  if (before === undefined || after === undefined) {
    return running.inhibitors.trim() === closure.inhibitors.trim()
      ? undefined
      : "it changes what must not change in a running system";
  }
  const changed = Object.keys(after).filter(
    (name) => name in before && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  return changed.length === 0
    ? undefined
    : `it changes ${changed.toSorted().slice(0, 5).join(", ")}, which must not change in a running system`;
}

function named(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
