import type { Clock } from "../ports/clock.ts";
import type { Space } from "../ports/host.ts";
import type { Nix } from "../ports/nix.ts";
import { runCommand } from "../process/run-command.ts";
import { copyFailure } from "./copy-failure.ts";
import type { CopySettings } from "./copy.ts";
import { copyClosure } from "./copy.ts";
import { parseDryRun } from "./dry-run.ts";
import type { NixOptions } from "./nix-tool.ts";
import { lastLine, nixTool, succeeded } from "./nix-tool.ts";
import { parsePathInfo } from "./path-info.ts";
import { plain } from "./progress.ts";

export const SYSTEM_PROFILE = "/nix/var/nix/profiles/system";

/** A closure of 50 000 paths prints some 25 MB. */
const CLOSURE_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The nix of the machine, 2.8 and later. */
export function nodeNix(
  options: NixOptions,
  settings: CopySettings,
  clock: Clock,
  space: Space,
): Nix {
  const nix = nixTool(options);

  const isValid: Nix["isValid"] = async (storePath, signal) => {
    const ended = await nix(
      {
        program: "nix-store",
        arguments: ["--check-validity", "--print-invalid"],
        paths: [storePath],
      },
      signal,
    );
    // It prints what is not valid and calls that a success: any other end says nothing about the path.
    return ended.how === "exited" && ended.code === 0 ? ended.stdout.trim() === "" : undefined;
  };

  const sync = async (path: string, signal: AbortSignal) => {
    succeeded(
      "sync",
      await runCommand(
        {
          argv: ["sync", "-f", path],
          environment: options.environment,
          limitMs: options.closureLimitMs,
          outputLimitBytes: 1024,
        },
        signal,
      ),
    );
  };

  const profile = async (
    flags: readonly string[],
    paths: readonly string[],
    signal: AbortSignal,
  ) => {
    const ended = await nix(
      { program: "nix-env", arguments: ["--profile", SYSTEM_PROFILE, ...flags], paths },
      signal,
    );
    if (ended.how !== "exited" || ended.code !== 0) {
      return `nix-env ${flags[0]} ${ended.how} with status ${ended.code}: ${plain(lastLine(ended.tail))}`;
    }
    // The link is replaced by a rename that nix brings to no disk.
    await sync("/nix/var", signal);
    return undefined;
  };

  return {
    isValid,
    async missing(copy, signal) {
      // One line for each path follows the one that counts.
      const telling: string[] = [];
      const ended = await nix(
        {
          program: "nix-store",
          arguments: ["--realise", "--dry-run"],
          substituters: copy.substituters,
          paths: [copy.storePath],
          onErrorLine: (line) => {
            if (!line.startsWith("  ") && telling.length < 100) telling.push(plain(line));
          },
        },
        signal,
      );
      return ended.how === "exited" && ended.code === 0
        ? parseDryRun(telling.join("\n"))
        : undefined;
    },
    async copy(copy, onProgress, signal) {
      return await copyClosure(
        { nix, clock, space, settings },
        copy,
        async () => (await isValid(copy.storePath, signal)) === true,
        onProgress,
        signal,
      );
    },
    async closure(storePath, signal) {
      const ended = await nix(
        {
          program: "nix",
          arguments: ["path-info", "--recursive", "--json"],
          paths: [storePath],
          limitMs: options.closureLimitMs,
          outputLimitBytes: CLOSURE_OUTPUT_BYTES,
        },
        signal,
      );
      return parsePathInfo(succeeded("nix path-info", ended));
    },
    async damaged(storePath, signal) {
      const lines: string[] = [];
      const ended = await nix(
        {
          program: "nix",
          arguments: ["store", "verify", "--no-trust", "--recursive"],
          paths: [storePath],
          limitMs: options.closureLimitMs,
          onErrorLine: (line) => {
            if (lines.length < 50_000) lines.push(plain(line));
          },
        },
        signal,
      );
      signal.throwIfAborted();
      if (ended.how === "exited" && ended.code === 0) return [];
      const named = lines.flatMap(
        (line) => /\/nix\/store\/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+/.exec(line)?.[0] ?? [],
      );
      // It failed without naming a path: nothing is known to be whole.
      return named.length > 0 ? [...new Set(named)] : [storePath];
    },
    async repair(storePaths, copy, signal) {
      for (const path of storePaths) {
        const ended = await nix(
          {
            program: "nix-store",
            arguments: ["--repair-path"],
            substituters: copy.substituters,
            paths: [path],
            limitMs: options.closureLimitMs,
          },
          signal,
        );
        signal.throwIfAborted();
        if (ended.how !== "exited" || ended.code !== 0) {
          return copyFailure(ended.code, plain(ended.tail).trim().split("\n"));
        }
      }
      return undefined;
    },
    async remove(storePaths, signal) {
      // nix deletes a path only together with what refers to it, and wants that named as well.
      const query = await nix(
        {
          program: "nix-store",
          arguments: ["--query", "--referrers-closure"],
          paths: storePaths,
          outputLimitBytes: CLOSURE_OUTPUT_BYTES,
        },
        signal,
      );
      const referrers = succeeded("nix-store --query --referrers-closure", query);
      const ended = await nix(
        {
          program: "nix-store",
          arguments: ["--delete"],
          paths: [...new Set([...storePaths, ...referrers.split("\n").filter(Boolean)])],
          limitMs: options.closureLimitMs,
        },
        signal,
      );
      return ended.how === "exited" && ended.code === 0 ? undefined : plain(lastLine(ended.tail));
    },
    syncStore: async (signal) => {
      await sync("/nix/store", signal);
    },
    setProfile: async (storePath, signal) => await profile(["--set"], [storePath], signal),
    switchGeneration: async (generation, signal) =>
      await profile(["--switch-generation", String(generation)], [], signal),
    deleteGeneration: async (generation, signal) =>
      await profile(["--delete-generations", String(generation)], [], signal),
  };
}
