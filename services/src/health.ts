import type { HttpHandler } from "./listener.ts";
import { within } from "./within.ts";

/** Longest time that readiness waits for the database. */
const READY_LIMIT_MS = 3_000;

/**
 * What a supervisor and a load balancer ask: `/healthz` is 200 as long as the
 * process lives, `/readyz` as long as calls would be served.
 */
export function healthPages(isReady: () => Promise<boolean>): HttpHandler {
  return (request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
      response.end(request.method === "HEAD" ? "" : `${text}\n`);
      // A body that nobody asked for is not waited for.
      request.resume();
    };
    const path = request.url?.split("?", 1)[0];
    if (path !== "/healthz" && path !== "/readyz") {
      answer(404, "there is no such page; calls go to /nixota.v1.<service>/<call>");
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      answer(405, "ask with GET");
    } else if (path === "/healthz") {
      answer(200, "ok");
    } else {
      void isReady().then((ready) => (ready ? answer(200, "ready") : answer(503, "not ready")));
    }
  };
}

/**
 * Whether calls would be served, as a look at the database tells within some
 * seconds. Anybody may ask: all who do so at one time share one look.
 */
export function readiness(isUp: () => Promise<boolean>): () => Promise<boolean> {
  let look: Promise<boolean> | undefined;
  return () => {
    look ??= isUpInTime(isUp).finally(() => {
      look = undefined;
    });
    return look;
  };
}

async function isUpInTime(isUp: () => Promise<boolean>): Promise<boolean> {
  try {
    return (await within(isUp(), READY_LIMIT_MS)) === true;
  } catch {
    // The database does not answer: that is what was asked, and the log of calls tells why.
    return false;
  }
}
