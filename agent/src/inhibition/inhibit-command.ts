/** `nix-ota-agent inhibit`: holds updates back while a command runs, or for a time. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

import { AgentError } from "../agent-error.ts";
import type { Config } from "../config.ts";
import { CHANGING, readClocks } from "../leave.ts";
import type { Ports } from "../ports/ports.ts";
import { postpone } from "../postponement.ts";
import { identityOf } from "../process/process-group.ts";
import { spellDuration } from "../spell-duration.ts";
import { gateFile, tryLock } from "./gate.ts";
import type { InhibitOptions } from "./inhibit-options.ts";
import { writeNote } from "./inhibitor-note.ts";

/** Status when an update under way did not end in time; sysexits.h's EX_TEMPFAIL. */
const UPDATING = 75;

interface Surroundings {
  readonly config: Config;
  readonly ports: Pick<Ports, "clock" | "disk" | "journal" | "postponements">;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/**
 * @returns the command's exit status, 128 and the signal's number when a signal ended it, 127 when
 *   there is no such program; 75 when it was not run because an update was under way for too long.
 */
export async function inhibit(around: Surroundings, options: InhibitOptions): Promise<number> {
  await around.ports.disk.makeDirectory(around.config.stateDir);
  switch (options.do) {
    case "run":
      return await runInhibited(around, options);
    case "postpone":
      return await postponeFor(around, options);
    case "end":
      return await endPostponement(around);
  }
}

async function runInhibited(
  around: Surroundings,
  { command, why, waitMs }: Extract<InhibitOptions, { do: "run" }>,
): Promise<number> {
  const { ports, config, say } = around;
  const remove = await writeNote(ports.disk, config.stateDir, {
    ...(identityOf(process.pid) ?? { pid: process.pid, startTicks: "" }),
    why,
  });
  let release: (() => void) | undefined;
  try {
    release = await enter(around, waitMs ?? config.settings.inhibit.waitMs);
    if (release === undefined) {
      say("the update under way did not end in time, so the command was not run; try again later");
      return UPDATING;
    }
    return await run(command);
  } finally {
    release?.();
    await remove();
  }
}

/** Shares the gate once no update changes the device; undefined: one did for too long. */
async function enter(
  { ports, config, environment, say }: Surroundings,
  waitMs: number,
): Promise<(() => void) | undefined> {
  const { clock, journal } = ports;
  const untilMs = clock.monotonicMs() + waitMs;
  for (let looks = 0; ; looks += 1) {
    const release = tryLock(gateFile(config.stateDir), "shared", environment);
    if (release !== undefined) {
      // An agent that died in the middle holds no lock, but what it began goes on.
      const state = (await journal.read())?.machine.state.name ?? "idle";
      if (!CHANGING.has(state)) return release;
      release();
    }
    if (looks === 0) say("an update is under way; the command begins when that has ended");
    if (clock.monotonicMs() >= untilMs) return undefined;
    await clock.sleep(config.settings.inhibit.lookMs, new AbortController().signal);
  }
}

/** With the terminal and environment of the caller. It is told to end when this process dies. */
async function run([program, ...more]: readonly [string, ...string[]]): Promise<number> {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", program, ...more], {
    stdio: "inherit",
  });
  // A terminal sends these to both: the command decides, and its end is waited for.
  const ignore = () => {};
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  const ignored = ["SIGINT", "SIGQUIT"] as const;
  const passed = ["SIGTERM", "SIGHUP"] as const;
  for (const signal of ignored) process.on(signal, ignore);
  for (const signal of passed) process.on(signal, pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) => {
        reject(new AgentError("tool", "setpriv of util-linux cannot be run", cause));
      });
      child.once("exit", (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const signal of ignored) process.off(signal, ignore);
    for (const signal of passed) process.off(signal, pass);
  }
}

async function postponeFor(
  { ports, config, say }: Surroundings,
  { forMs, why }: Extract<InhibitOptions, { do: "postpone" }>,
): Promise<number> {
  const { postponeMaxMs } = config.settings.inhibit;
  if (forMs > postponeMaxMs) {
    say(`updates can be put off for ${spellDuration(postponeMaxMs)} at most`);
    return 2;
  }
  await replace(ports.postponements, postpone(forMs, why, await readClocks(ports.clock)));
  say(
    `updates are put off for ${spellDuration(forMs)}; \`nix-ota-agent inhibit --end\` takes that back`,
  );
  return 0;
}

async function endPostponement({ ports, say }: Surroundings): Promise<number> {
  const there = (await ports.postponements.read()) !== undefined;
  await replace(ports.postponements, undefined);
  say(there ? "updates go on" : "updates were not put off");
  return 0;
}

/** Whatever an agent that runs makes of the old one meanwhile. */
async function replace(
  postponements: Ports["postponements"],
  next: Parameters<Ports["postponements"]["replace"]>[1],
): Promise<void> {
  while (!(await postponements.replace(await postponements.read(), next)));
}
