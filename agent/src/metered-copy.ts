import type { Agent } from "./agent.ts";
import { ledgerAt, leftBytes, reserved } from "./byte-budget.ts";
import type { Ledger } from "./byte-budget.ts";
import { worthKeeping } from "./countdown.ts";
import type { Hold } from "./hold.ts";
import { readClocks } from "./leave.ts";
import { mib } from "./spell-bytes.ts";
import { spellDuration } from "./spell-duration.ts";

/** A period under way is written so often: a reboot makes it no longer than that. */
const KEEP_EVERY_MS = 10 * 60 * 1000;

/** What the budget of bytes has against a copy at this moment; undefined: nothing, or there is none. */
export async function budgetHold(agent: Agent): Promise<Hold | undefined> {
  const { config, ports } = agent;
  const { byteBudget } = config;
  if (byteBudget === null) return undefined;
  const ledger = await currentLedger(agent);
  if (leftBytes(ledger, byteBudget) > 0) return undefined;
  const before = await ports.ledgers.read();
  if (before !== undefined && worthKeeping(before.countdown, ledger.countdown.at, KEEP_EVERY_MS))
    await ports.ledgers.write(ledger);
  const { holdsMs } = config.settings.staged;
  return {
    reason: `the byteBudget of ${mib(byteBudget.bytes)} in ${spellDuration(byteBudget.hours * 3_600_000)} is spent; the copy goes on in the next period, what has arrived stays`,
    lookAgainMs: Math.min(holdsMs, ledger.countdown.leftMs),
  };
}

/** Counts a copy against the budget while it runs. */
export interface Meter {
  /** Aborted when nothing is left. */
  readonly spent: AbortSignal;
  /** Whether the period was whole when the copy began. */
  readonly whole: boolean;
  /** So many bytes came so far. */
  count(bytes: number): void;
  /** Writes what was spent. */
  close(): Promise<void>;
}

/** Undefined: there is no budget. Call `close`, however the copy ends. */
export async function openMeter(agent: Agent): Promise<Meter | undefined> {
  const { byteBudget } = agent.config;
  if (byteBudget === null) return undefined;
  const { ledgers } = agent.ports;
  const opened = await currentLedger(agent);
  const spent = new AbortController();
  let bytes = 0;
  let written = opened;
  let writing = Promise.resolve();
  const write = (spentBytes: number) => {
    written = { ...opened, spentBytes };
    const ledger = written;
    writing = writing.then(async () => await ledgers.write(ledger));
    // What fails is told by `close`.
    writing.catch(() => {});
  };
  return {
    spent: spent.signal,
    whole: opened.spentBytes === 0,
    count(counted) {
      bytes = counted;
      const ahead = reserved(written, opened.spentBytes + bytes, byteBudget);
      if (ahead !== undefined) write(ahead);
      if (opened.spentBytes + bytes >= byteBudget.bytes) spent.abort();
    },
    async close() {
      if (bytes > 0) write(opened.spentBytes + bytes);
      await writing;
    },
  };
}

async function currentLedger({ config, ports }: Agent): Promise<Ledger> {
  const now = await readClocks(ports.clock);
  const period = config.byteBudget ?? { bytes: 0, hours: 0 };
  return ledgerAt(await ports.ledgers.read(), period, now);
}
