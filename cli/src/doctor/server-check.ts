import type { Host } from "../host.ts";
import { isInTheClear } from "../server-access.ts";
import type { Finding } from "./finding.ts";
import { getPage, pageProblem, type Page } from "./page.ts";

/** The `Date` header has whole seconds, and the answer took its way. */
const UNSEEN_S = 2;

/** A signature that a device makes to prove itself is good for 60 s. */
const WRONG_S = 60;

/** Whether the server answers, by what means and whether it is ready; and what time it has. */
export async function checkServer(url: string, host: Host): Promise<Finding[]> {
  let page: Page;
  try {
    page = await getPage(`${url}/readyz`, host.signal);
  } catch (error) {
    host.signal.throwIfAborted();
    const { found, remedy } = pageProblem(error);
    return [
      { check: "server", verdict: "wrong", found: `${url}: ${found}`, remedy },
      { check: "clock", verdict: "skipped", found: "the server tells no time", remedy: "" },
    ];
  }
  return [readiness(url, page), clock(page.dateMs, host.now())];
}

function readiness(url: string, { status, text }: Page): Finding {
  if (status === 200 && text.trim() === "ready") {
    const clear = isInTheClear(new URL(url));
    return {
      check: "server",
      verdict: clear ? "warning" : "ok",
      found: `${url} is ready${clear ? ", without encryption" : ""}`,
      remedy: clear ? "put TLS in front of it and use https" : "",
    };
  }
  const [found, remedy] = ((): [string, string] => {
    if (status === 503)
      return ["is not ready", "its database does not answer, or it is ending; see its log"];
    if (status >= 300 && status < 400)
      return [`redirects (HTTP ${status})`, "name the URL that it redirects to"];
    return [
      `answers HTTP ${status} for /readyz`,
      "check that the URL is that of nix-ota-server, with its path if it has one",
    ];
  })();
  return { check: "server", verdict: "wrong", found: `${url} ${found}`, remedy };
}

/** How far this machine's clock is from the server's; `dateMs` undefined: it does not say. */
export function clock(dateMs: number | undefined, nowMs: number): Finding {
  if (dateMs === undefined)
    return { check: "clock", verdict: "skipped", found: "the server tells no time", remedy: "" };
  const seconds = Math.round((nowMs - dateMs) / 1000);
  const distance = Math.abs(seconds);
  if (distance <= UNSEEN_S)
    return { check: "clock", verdict: "ok", found: "as the server's, to 2 s", remedy: "" };
  return {
    check: "clock",
    verdict: distance > WRONG_S ? "wrong" : "warning",
    found: `${distance} s ${seconds > 0 ? "ahead of" : "behind"} the server's`,
    remedy: "let NTP set both clocks: what is signed carries this machine's time",
  };
}
