import { type FSWatcher, watch } from "node:fs";
import { utimes } from "node:fs/promises";

import type { Disk } from "../ports/disk.ts";
import type { RequestBox } from "../ports/requests.ts";
import type { Reply, Request } from "../request.ts";

const LIMIT_BYTES = 16 * 1024;
/** Most requests and replies of each kind: people ask one after the other. */
const MOST = 16;

/**
 * Requests in `requests/<id>.ask`, replies in `requests/<id>.told`, below a directory that only root
 * can enter: whoever can write there may do anything to the device anyway. The agent that runs is
 * woken by the kernel, which tells it of the file.
 */
export function requestBox(disk: Disk, stateDir: string): RequestBox {
  const directory = `${stateDir}/requests`;
  const ids = async (suffix: string) =>
    (await disk.list(directory))
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length));
  const read = async <Value>(name: string): Promise<Value | undefined> => {
    const bytes = await disk.read(`${directory}/${name}`, LIMIT_BYTES);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(bytes)) as Value;
    } catch {
      // Not what was written: a request that nobody can read is one that nobody can meet.
      await disk.remove(`${directory}/${name}`);
      return undefined;
    }
  };
  const write = async (name: string, value: unknown) => {
    await disk.makeDirectory(directory);
    await disk.writeDurably(
      directory,
      name,
      new TextEncoder().encode(JSON.stringify(value)),
      0o600,
    );
  };

  return {
    put: async (request) => await write(`${request.id}.ask`, request),
    async pending() {
      const found: Request[] = [];
      for (const id of (await ids(".ask")).slice(0, MOST)) {
        const request = await read<Request>(`${id}.ask`);
        if (request !== undefined) found.push(request);
      }
      return found;
    },
    async answer(id, reply) {
      // The reply first: a crash between the two leaves a request that is met already, which is seen.
      await write(`${id}.told`, reply);
      await disk.remove(`${directory}/${id}.ask`);
      // What nobody fetched must not pile up.
      for (const old of (await ids(".told")).filter((one) => one !== id).slice(MOST))
        await disk.remove(`${directory}/${old}.told`);
    },
    reply: async (id) => await read<Reply>(`${id}.told`),
    async nudge(id) {
      // The kernel tells of any change. Gone: it was answered meanwhile, and nobody needs to be woken.
      await utimes(`${directory}/${id}.ask`, 0, 0).catch(() => undefined);
    },
    async forget(id) {
      for (const suffix of ["ask", "told"]) await disk.remove(`${directory}/${id}.${suffix}`);
    },
    async arrived(signal) {
      await disk.makeDirectory(directory);
      await new Promise<void>((resolve, reject) => {
        let watcher: FSWatcher;
        try {
          watcher = watch(directory, { persistent: false });
        } catch {
          // No watch can be had, so the agent sees the request at its next poll.
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
          return;
        }
        const end = () => {
          watcher.close();
          signal.removeEventListener("abort", onAbort);
        };
        const onAbort = () => {
          end();
          reject(signal.reason as Error);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        if (signal.aborted) return onAbort();
        watcher.once("change", () => {
          end();
          resolve();
        });
        // Without it the agent sees the request at its next poll.
        watcher.once("error", () => watcher.close());
      });
    },
  };
}
