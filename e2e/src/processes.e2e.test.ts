import { readdirSync, readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { eventually } from "./eventually.ts";
import { runCommand } from "./run-command.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

const LIMIT_MS = 3 * 60_000;

test("a killed test run leaves no server, cache or proxy behind", async () => {
  await using folder = await TemporaryFolder.create("orphans");
  const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  const path = (name: string) => JSON.stringify(folder.join(name));
  const argv = [
    process.execPath,
    "--input-type=module-typescript",
    "-e",
    `import { readFileSync } from "node:fs";
     import { makeCertificate } from ${module("certificate.ts")};
     import { freePort } from ${module("free-port.ts")};
     import { startCacheServer, startServer } from ${module("processes.ts")};
     import { PROXY_MODES } from ${module("proxy-modes.ts")};
     import { Proxy } from ${module("proxy.ts")};
     const server = await startServer({ dataDir: ${path("data")}, timeoutMs: ${LIMIT_MS} });
     await startCacheServer(${JSON.stringify(folder.path)});
     const upstreamPort = Number(new URL(server.url).port);
     const certificate = await makeCertificate(${JSON.stringify(folder.path)});
     for (const program of ["nginx", "haproxy"]) {
       const { setUp } = PROXY_MODES.find((mode) => mode.setUp.program === program);
       const port = await freePort();
       await Proxy.start(${JSON.stringify(folder.path)}, { port, upstreamPort, certificate }, setUp);
     }
     const started = readFileSync("/proc/self/task/" + process.pid + "/children", "utf8");
     process.stdout.write(started, () => process.kill(process.pid, "SIGKILL"));
     await new Promise(() => setInterval(() => undefined, 1000));`,
  ];
  const { stdout, stderr } = await runCommand(argv, { timeoutMs: LIMIT_MS });
  const groups = stdout.trim().split(" ").map(Number);
  expect(groups, stderr).toHaveLength(4);
  await eventually("the end of all of them", async () => !groups.some(hasMembers) || undefined, {
    describe: () => groups.map(membersOf),
    timeoutMs: 20_000,
  });
});

const hasMembers = (group: number) => membersOf(group).length > 0;

/** Command lines of a process group: what nginx starts is in that of its master. */
function membersOf(group: number): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, , leader] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z" || Number(leader) !== group) return [];
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")];
      } catch {
        // It ended while it was looked at.
        return [];
      }
    });
}
