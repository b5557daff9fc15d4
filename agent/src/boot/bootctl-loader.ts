import type { Loader } from "../ports/activation.ts";
import { runCommand } from "../process/run-command.ts";
import { entryOf, startsOnce } from "./boot-entry.ts";

/** A menu of a thousand generations is below this. */
const LIST_BYTES = 4 * 1024 * 1024;

/** The boot loader through systemd's bootctl; where that is missing or has no such loader, no entry is started once. */
export function bootctlLoader(
  environment: Readonly<Record<string, string>>,
  settings: { readonly limitMs: number },
): Loader {
  const bootctl = async (parameters: readonly string[], signal: AbortSignal) => {
    const ended = await runCommand(
      {
        argv: ["bootctl", "--no-pager", ...parameters],
        // Its marks are told apart in this locale.
        environment: { ...environment, LANG: "C.UTF-8" },
        limitMs: settings.limitMs,
        outputLimitBytes: LIST_BYTES,
      },
      signal,
    );
    signal.throwIfAborted();
    return ended;
  };

  const oneShot = async (signal: AbortSignal) => {
    const { how, code, stdout } = await bootctl(["status"], signal);
    return how === "exited" && code === 0 && startsOnce(stdout);
  };

  const setOnce = async (id: string, signal: AbortSignal) => {
    const { how, code, tail } = await bootctl(["set-oneshot", id], signal);
    return how === "exited" && code === 0
      ? undefined
      : `bootctl set-oneshot ${how} with status ${code}: ${tail.trim().split("\n").at(-1) ?? ""}`;
  };

  return {
    oneShot,
    async bootOnce(storePath, signal) {
      if (!(await oneShot(signal)))
        return storePath === undefined ? undefined : "the boot loader starts no entry once";
      if (storePath === undefined) return await setOnce("", signal);
      const { how, code, stdout } = await bootctl(["list", "--json=short"], signal);
      if (how !== "exited" || code !== 0) return `bootctl list ${how} with status ${code}`;
      const id = entryOf(stdout, storePath);
      return id === undefined
        ? `the boot loader has no entry for ${storePath}`
        : await setOnce(id, signal);
    },
  };
}
