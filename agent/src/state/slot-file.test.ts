import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { memoryDisk } from "./memory-disk.testkit.ts";
import { slotFile } from "./slot-file.ts";

const parse = (body: unknown) => (typeof body === "number" ? body : undefined);

describe("a slot file", () => {
  test("reads nothing where nothing was written", async () => {
    expect(await slotFile(memoryDisk(), "/state", "trust", parse).read()).toBeUndefined();
  });

  test("after a power cut at any step reads what was written last or what was being written", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 }),
        fc.nat(30),
        fc.infiniteStream(fc.boolean()),
        async (values, cutAfter, luck) => {
          const disk = memoryDisk({ cutAfter, survives: () => luck.next().value });
          const file = slotFile(disk, "/state", "trust", parse);
          let done: number | undefined;
          let begun: number | undefined;
          try {
            for (const value of values) {
              begun = value;
              await file.write(value);
              done = value;
            }
          } catch (cause) {
            expect(String(cause)).toContain("power cut");
          }
          const found = await slotFile(disk.afterCut(), "/state", "trust", parse).read();
          expect([done, begun]).toContain(found);
          expect(done !== undefined && found === undefined).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("goes on writing after a torn slot and never reads the torn one", async () => {
    const disk = memoryDisk();
    const file = slotFile(disk, "/state", "trust", parse);
    for (const value of [1, 2, 3]) await file.write(value);
    disk.tear("/state/trust.a");
    const again = slotFile(disk, "/state", "trust", parse);
    expect(await again.read()).toBe(2);
    await again.write(4);
    expect(await slotFile(disk, "/state", "trust", parse).read()).toBe(4);
  });

  test("passes over a whole slot whose value is not one", async () => {
    const disk = memoryDisk();
    await slotFile<unknown>(disk, "/state", "trust", (body) => body).write(7);
    await slotFile<unknown>(disk, "/state", "trust", (body) => body).write("not a number");
    expect(await slotFile(disk, "/state", "trust", parse).read()).toBe(7);
  });

  test("does not take a body for whole whose sequence was changed", async () => {
    const disk = memoryDisk();
    await slotFile(disk, "/state", "trust", parse).write(1);
    disk.edit("/state/trust.a", (text) => text.replace('"sequence":1', '"sequence":9'));
    expect(await slotFile(disk, "/state", "trust", parse).read()).toBeUndefined();
  });
});
