import { once } from "node:events";
import { emitKeypressEvents } from "node:readline";

import type { SystemMode } from "../src/builder.ts";
import { entryFile } from "../src/processes.ts";
import type { Stage } from "./stage.ts";

type Key = {
  readonly key: string;
  readonly does: string;
  readonly act: (stage: Stage) => Promise<void>;
};

/** What a spectator can do once the story is told. */
const KEYS: readonly Key[] = [
  {
    key: "g",
    does: "publish a good release",
    act: async (stage) => await release(stage, "ok", "one more"),
  },
  {
    key: "b",
    does: "publish one whose health check fails",
    act: async (stage) => await release(stage, "fail-health", "another bad day"),
  },
  {
    key: "h",
    does: "publish one whose activation hangs",
    act: async (stage) => await release(stage, "hang", "waits for ever"),
  },
  { key: "p", does: "cut the power of fridge-2 and boot it again", act: cutPower },
  { key: "s", does: "kill the server and start it again", act: restartServer },
  { key: "l", does: "list the devices", act: async (stage) => await stage.show("device", "list") },
  {
    key: "r",
    does: "list the releases",
    act: async (stage) => await stage.show("release", "list", "--channel", stage.fleet.channel),
  },
];

/** Stays until the signal, telling what the devices do, with keys to press on a terminal. */
export async function stay(stage: Stage, signal: AbortSignal): Promise<void> {
  const { narrator, fleet } = stage;
  const cli = `npm exec -- nix-ota`;
  narrator.chapter("What to try next");
  if (process.stdin.isTTY) {
    for (const { key, does } of KEYS) narrator.plain(`  ${key}  ${does}`);
    narrator.plain("  q  end, and leave nothing behind");
  }
  narrator.plain(`\nOr from another terminal, in this checkout:\n
  export NIX_OTA_SERVER=${fleet.server.url}
  ${cli} device list --token-file ${fleet.tokenFile}
  ${cli} device why fridge-1 --token-file ${fleet.tokenFile}
  nsenter -t ${stage.devices[0]?.device.initPid ?? 1} -m -p ${process.execPath} ${entryFile("agent")} status
`);
  await (process.stdin.isTTY ? obeyKeys(stage, signal) : tellUntil(stage, signal));
}

async function tellUntil(stage: Stage, signal: AbortSignal): Promise<void> {
  await stage.watch(async () => await Promise.resolve(false), Number.POSITIVE_INFINITY, signal);
}

async function obeyKeys(stage: Stage, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const pressed: Key[] = [];
  const listen = (_: unknown, { name, ctrl }: { name?: string; ctrl?: boolean }) => {
    if (name === "q" || (ctrl === true && name === "c")) over.abort();
    const key = KEYS.find((one) => one.key === name);
    if (key !== undefined) pressed.push(key);
  };
  emitKeypressEvents(process.stdin);
  process.stdin.setRawMode(true);
  process.stdin.on("keypress", listen);
  const either = AbortSignal.any([signal, over.signal]);
  try {
    while (!either.aborted) {
      const key = pressed.shift();
      if (key !== undefined) await attempt(stage, key);
      await stage.watch(async () => await Promise.resolve(false), 200, either);
    }
  } finally {
    process.stdin.off("keypress", listen);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

/** A key that fails is told and the demonstration goes on: the spectator may try another. */
async function attempt(stage: Stage, key: Key): Promise<void> {
  stage.narrator.chapter(`${key.key}: ${key.does}`);
  try {
    await key.act(stage);
  } catch (cause) {
    stage.narrator.says("demo", cause instanceof Error ? cause.message : String(cause), "red");
  }
}

async function release(stage: Stage, mode: SystemMode, message: string): Promise<void> {
  await stage.publish(mode, message);
}

async function cutPower(stage: Stage): Promise<void> {
  const device = stage.devices[1];
  if (device === undefined) return;
  await device.device.powerOff();
  stage.narrator.says(device.name, "has lost its power", "yellow");
  await device.device.boot();
  stage.narrator.says(device.name, `booted ${(await device.device.links()).booted}`);
  await device.startAgent();
}

async function restartServer(stage: Stage): Promise<void> {
  await stage.fleet.restartServer("killed");
  stage.narrator.says("server", "was killed and is back at the same address", "yellow");
}

/** Resolves when the process is told to end. */
export function untilTold(): AbortSignal {
  const told = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    void once(process, signal).then(() => told.abort());
  }
  return told.signal;
}
