import { testConfig } from "./config.testkit.ts";
import type { Notebook } from "./notebook.ts";
import { openNotebook } from "./notebook.ts";
import { journalFile } from "./state/journal-file.ts";
import { memoryDisk } from "./state/memory-disk.testkit.ts";
import { outbox } from "./state/outbox.ts";
import { trustFile } from "./state/trust-file.ts";

/** A notebook of a device that stands still, over a disk in memory. */
export async function notebookOver(disk = memoryDisk()): Promise<Notebook> {
  let ids = 0;
  const ports = {
    journal: journalFile(disk, "/state"),
    trust: trustFile(disk, "/state", { committedRoots: async () => await Promise.resolve([]) }),
    outbox: outbox(disk, "/state"),
    clock: {
      monotonicMs: () => 0,
      wallS: () => 0,
      synchronized: async () => await Promise.resolve(true),
      bootId: async () => await Promise.resolve("boot"),
      sleep: async () => {
        await Promise.resolve();
      },
    },
    chance: { fraction: () => 0, id: () => `aaaaaaaa-${(ids += 1)}` },
    log: () => undefined,
  };
  return await openNotebook(ports, testConfig());
}
