import { readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";

import type { Fault } from "../fault.ts";
import type { Subject } from "../subject.ts";

const SLOTS = ["a", "b"] as const;

/** What the agent remembers, as a bad disk gives it back. */
export const records = {
  journalTorn: {
    says: "the newest slot of the journal is torn",
    strike: async (subject) => await tear(subject, "journal"),
  },
  journalLost: {
    says: "the journal is gone",
    strike: async (subject) => {
      const { journal } = await subject.records();
      const state = journal?.machine.state;
      // What has just ended is on no other record yet than in the journal.
      subject.forgotten =
        state !== undefined && "attempt" in state ? state.attempt.id : journal?.last?.id;
      await lose(subject, "journal");
    },
  },
  trustTorn: {
    says: "the newest slot of the trust record is torn",
    strike: async (subject) => await tear(subject, "trust"),
  },
  trustLost: {
    says: "the trust record is gone",
    strike: async (subject) => await lose(subject, "trust"),
  },
} as const satisfies Record<string, Fault>;

type Kept = "journal" | "trust";

/** The agent must not run meanwhile: it remembers what it wrote. */
async function tear(subject: Subject, record: Kept): Promise<void> {
  await subject.killAgent();
  const slots = await Promise.all(
    SLOTS.map(async (slot) => {
      const file = join(subject.device.stateDir, `${record}.${slot}`);
      const text = await readFile(file, "utf8").catch(() => '{"sequence":0}');
      return { file, bytes: text.length, ...(JSON.parse(text) as { sequence: number }) };
    }),
  );
  const newest = slots.toSorted((a, b) => b.sequence - a.sequence)[0];
  if (newest === undefined || newest.sequence === 0) throw new Error(`no ${record} to tear`);
  await truncate(newest.file, Math.floor(newest.bytes / 2));
}

async function lose(subject: Subject, record: Kept): Promise<void> {
  await subject.killAgent();
  for (const slot of SLOTS)
    await rm(join(subject.device.stateDir, `${record}.${slot}`), { force: true });
}
