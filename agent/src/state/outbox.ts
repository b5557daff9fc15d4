import type { Disk } from "../ports/disk.ts";
import type { Outbox } from "../ports/records.ts";
import type { ReportedEvent } from "../reported-event.ts";

/** Events kept for a server that is away; beyond them the oldest that ended no attempt goes. */
const LIMIT = 512;
const MAX_EVENT_BYTES = 16 * 1024;

/**
 * Reports that the server has not acknowledged, one file each, named by their number so that they
 * sort by time. `through` remembers the newest that was acknowledged: the journal puts its last
 * event again at each start, and an old one must not come back.
 */
export function outbox(disk: Disk, stateDir: string): Outbox {
  const directory = `${stateDir}/outbox`;
  const nameOf = (event: ReportedEvent) =>
    `${String(event.number).padStart(12, "0")}-${event.id}${event.attempt?.outcome === undefined ? "" : ".end"}`;
  const numberOf = (name: string) => Number.parseInt(name.slice(0, 12), 10);
  const names = async () =>
    (await disk.list(directory)).filter((name) => /^\d{12}-[0-9a-f-]+(\.end)?$/.test(name));
  const through = async () => {
    const bytes = await disk.read(`${directory}/through`, 32);
    return bytes === undefined ? 0 : Number.parseInt(new TextDecoder().decode(bytes), 10) || 0;
  };

  return {
    async put(event) {
      if (event.number <= (await through())) return;
      const kept = await names();
      if (kept.includes(nameOf(event))) return;
      await disk.writeDurably(
        directory,
        nameOf(event),
        new TextEncoder().encode(JSON.stringify(event)),
        0o600,
      );
      const victim =
        kept.length < LIMIT ? undefined : (kept.find((name) => !name.endsWith(".end")) ?? kept[0]);
      if (victim !== undefined) await disk.remove(`${directory}/${victim}`);
    },
    async oldest(limit) {
      const events: ReportedEvent[] = [];
      for (const name of (await names()).slice(0, limit)) {
        const bytes = await disk.read(`${directory}/${name}`, MAX_EVENT_BYTES);
        const event = bytes === undefined ? undefined : parse(bytes);
        if (event !== undefined) events.push(event);
        // A disk that decays must not end all reports: what cannot be read is not reported either.
        else await disk.remove(`${directory}/${name}`);
      }
      return events;
    },
    async drop(ids) {
      const dropped = (await names()).filter((name) =>
        ids.some((id) => name.slice(13).replace(".end", "") === id),
      );
      const newest = Math.max(0, ...dropped.map(numberOf));
      if (newest > (await through())) {
        await disk.writeDurably(
          directory,
          "through",
          new TextEncoder().encode(String(newest)),
          0o600,
        );
      }
      for (const name of dropped) await disk.remove(`${directory}/${name}`);
    },
    newest: async () => Math.max(await through(), ...(await names()).map(numberOf)),
  };
}

function parse(bytes: Uint8Array): ReportedEvent | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as ReportedEvent;
  } catch {
    // Not what was written, so nothing that could be told.
    return undefined;
  }
}
