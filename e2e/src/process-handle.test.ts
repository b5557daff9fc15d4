import { existsSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { eventually } from "./eventually.ts";
import { ProcessHandle } from "./process-handle.ts";
import { expectSuccess, runCommand } from "./run-command.ts";

test("a command's exit code, output and input come through", async () => {
  const result = await runCommand(["sh", "-c", "cat; echo bad >&2; exit 7"], { input: "given" });
  expect(result).toEqual({
    code: 7,
    signal: null,
    stdout: "given",
    stderr: "bad\n",
    timedOut: false,
  });
  expect(() => expectSuccess(["cat"], result)).toThrow(/exit code 7: bad/);
});

test("a program that is not there is a fault of the host", async () => {
  await expect(runCommand(["/nonexistent/program"])).rejects.toMatchObject({ kind: "host" });
});

test("a time limit ends the whole group", async () => {
  const result = await runCommand(["sh", "-c", "sleep 9000 & sleep 9000"], { timeoutMs: 200 });
  expect(result).toMatchObject({ code: null, signal: "SIGKILL", timedOut: true });
});

test("a grandchild that keeps the output open does not hold back the exit", async () => {
  const result = await runCommand(["sh", "-c", "sleep 9000 & echo $!"], { timeoutMs: 8_000 });
  process.kill(Number(result.stdout), "SIGKILL");
  expect(result).toMatchObject({ code: 0, timedOut: false });
});

test("a line that is waited for gives its value, and an early end says what was said", async () => {
  const ready = await ProcessHandle.start(["sh", "-c", "echo one; echo port=42; exec sleep 9000"]);
  const port = (line: string) => /^port=(\d+)$/.exec(line)?.[1];
  expect(await ready.waitForLine(port, 5_000)).toBe("42");
  await ready.stop();
  const broken = await ProcessHandle.start(["sh", "-c", "echo no such file >&2; exit 3"]);
  await expect(broken.waitForLine(port, 5_000)).rejects.toThrow(/ended with 3 .*no such file/s);
});

test("a process that ignores SIGTERM is stopped after its grace", async () => {
  const stubborn = await ProcessHandle.start([
    "sh",
    "-c",
    "trap '' TERM; echo on; while :; do sleep 1; done",
  ]);
  await stubborn.waitForLine((line) => line === "on" || undefined, 5_000);
  expect(await stubborn.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
});

test("a process that ignores every word ends with the one that started it", async () => {
  const parent = await ProcessHandle.start([
    process.execPath,
    "--input-type=module-typescript",
    "-e",
    `import { ProcessHandle } from ${JSON.stringify(join(import.meta.dirname, "process-handle.ts"))};
     const child = await ProcessHandle.start(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"]);
     console.log("pid=" + child.pid);
     await child.exited;`,
  ]);
  const pid = await parent.waitForLine((line) => /^pid=(\d+)$/.exec(line)?.[1], 20_000);
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  parent.kill("SIGKILL");
  await eventually("the end of the child", async () => !existsSync(`/proc/${pid}`) || undefined);
});
