/**
 * npm run bench:footprint -- [ROUNDS]: what the agent costs a device, beside an empty node process and a plain
 * Connect client, all bundled alike and measured in turn in one run. CPU is user and system time of
 * the process and its children; the median of the rounds counts.
 */
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { eventually } from "../e2e/src/eventually.ts";
import { Fleet } from "../e2e/src/fleet.ts";
import type { ProcessHandle } from "../e2e/src/process-handle.ts";
import { bundle, bundleAgent } from "../scripts/bundle.ts";

const ROUNDS = Number(process.argv[2] ?? 21);
const SETTLE_MS = 15_000;

await using fleet = await Fleet.open();
const { folder } = fleet.workshop;
const bundles = {
  agent: folder.join("nix-ota-agent.mjs"),
  plain: folder.join("plain-client.mjs"),
  empty: folder.join("empty.mjs"),
};
await bundleAgent(folder.path);
await bundle("e2e/src/callers/plain-client.ts", bundles.plain);
await writeFile(bundles.empty, "");

// Limits as they come: what a test shortens is nothing to measure.
const fridge = await fleet.device("fridge", await fleet.build({ gen: 0 }), { pollInterval: 60 });
const { device } = fridge;
const node = process.execPath;
const config = ["--config", "/etc/nix-ota/agent.json"];
await device.run([node, bundles.agent, "once", ...config]);
await device.run([node, bundles.agent, "once", ...config]);
const { report } = JSON.parse(await readFile(`${device.stateDir}/quiet`, "utf8")) as {
  report: unknown;
};
const { token } = JSON.parse(await readFile(`${device.stateDir}/session`, "utf8")) as {
  token: string;
};
const caller = folder.join("caller.json");
await writeFile(caller, JSON.stringify({ url: fleet.server.url, token, report }));

/** Milliseconds of CPU that a command takes, as the shell counts them. */
async function cpuMs(argv: readonly string[]): Promise<number> {
  // No device has a cache of what node compiled; only tests do.
  const script = 'unset NODE_COMPILE_CACHE; TIMEFORMAT="%3U %3S"; time "$@" > /dev/null 2>> "$0"';
  const { stderr, code } = await device.exec(["bash", "-c", script, "/dev/null", ...argv]);
  const [user = NaN, system = NaN] = stderr.trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${stderr}`);
  return 1000 * (user + system);
}

const once = {
  "empty node process": [node, bundles.empty],
  "nix-ota-agent once, nothing to do": [node, bundles.agent, "once", ...config],
  "plain Connect client, one CheckIn": [node, bundles.plain, "once", caller],
};
const figures = new Map<string, number[]>(Object.keys(once).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, argv] of Object.entries(once)) figures.get(name)?.push(await cpuMs(argv));
}
const quiet = JSON.parse(await readFile(`${device.stateDir}/quiet`, "utf8")) as {
  nextSequence: number;
};

/** Megabytes that a process holds once it has settled on its stream. */
async function residentMb(
  argv: readonly string[],
  onStream: (running: ProcessHandle) => Promise<unknown>,
): Promise<number> {
  const running = await device.spawn(argv);
  await onStream(running);
  await sleep(SETTLE_MS);
  const status = await readFile(`/proc/${running.pid}/status`, "utf8");
  running.kill("SIGKILL");
  await running.exited;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

const agentMb = await residentMb(
  [node, bundles.agent, "run", ...config],
  async () =>
    await eventually("the agent on a stream", async () => {
      const { server } = (await fridge.status()) as { server: { rung?: string } };
      return server.rung === "stream" ? true : undefined;
    }),
);
const plainMb = await residentMb(
  [node, bundles.plain, "stream", caller],
  async (running) => await running.waitForLine((line) => line === "heard" || undefined, 60_000),
);

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
const of = (name: keyof typeof once) => median(figures.get(name) ?? []);
const base = of("empty node process");
const row = (...cells: readonly string[]) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
row("CPU of one start", "ms", "x empty node");
row("---", "---", "---");
for (const name of Object.keys(once) as (keyof typeof once)[]) {
  row(name, of(name).toFixed(0), (of(name) / base).toFixed(2));
}
process.stdout.write("\n");
row("memory while a stream is held", "MB resident");
row("---", "---");
row("nix-ota-agent run", agentMb.toFixed(1));
row("plain Connect client", plainMb.toFixed(1));
process.stdout.write(
  `\n${ROUNDS} rounds; the agent polled ${quiet.nextSequence} times without loading itself\n`,
);
