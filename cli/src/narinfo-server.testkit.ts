import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { storePathHash } from "@nix-ota/proto/store-path";

import type { ClosurePath } from "./closure.ts";
import { narinfoText } from "./store-paths.testkit.ts";

/** A cache on a free port of the loopback. */
export interface NarinfoServer extends AsyncDisposable {
  readonly url: string;
  /** Requests for each address so far. */
  readonly asked: ReadonlyMap<string, number>;
  /** Most requests that were open at one time. */
  readonly mostAtOnce: () => number;
}

/** Answers in place of the narinfo; false lets the narinfo be served. */
export type Misbehave = (address: string, nth: number, response: ServerResponse) => boolean;

export async function serveNarinfos(
  closure: readonly ClosurePath[],
  given: { misbehave?: Misbehave; fileSize?: number; signed?: boolean } = {},
): Promise<NarinfoServer> {
  const texts = new Map(
    closure.map((path) => [`/${storePathHash(path.path)}.narinfo`, narinfoText(path, given)]),
  );
  const asked = new Map<string, number>();
  let open = 0;
  let most = 0;
  const server = createServer((request, response) => {
    const address = request.url ?? "";
    const nth = (asked.get(address) ?? 0) + 1;
    asked.set(address, nth);
    most = Math.max(most, (open += 1));
    response.on("close", () => (open -= 1));
    if (given.misbehave?.(address, nth, response)) return;
    const text = texts.get(address);
    // A turn of the event loop later, so that requests overlap as on a network.
    setImmediate(() => response.writeHead(text === undefined ? 404 : 200).end(text));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    mostAtOnce: () => most,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
