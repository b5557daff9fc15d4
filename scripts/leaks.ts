import { setTimeout as delay } from "node:timers/promises";

import { afterAll, expect } from "vitest";

// Sockets and processes end a moment after they are told to.
const GRACE_MS = 2_000;
const HANDLES = new Set(["ProcessWrap", "TCPServerWrap", "TCPSocketWrap", "Timeout"]);

const before = open();

// Registered first, so that it runs after every hook of the file itself.
afterAll(async () => {
  const until = performance.now() + GRACE_MS;
  while (performance.now() < until && left().length > 0) await delay(20, undefined, { ref: false });
  expect(left(), "left open by this file: close it in a hook").toEqual([]);
});

/** Handles that keep the process alive and were not open when the file began. */
function left(): string[] {
  const rest = new Map(before);
  return [...open()].flatMap(([kind, count]) => {
    const surplus = count - (rest.get(kind) ?? 0);
    return surplus > 0 ? [`${surplus} ${kind}`] : [];
  });
}

function open(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (HANDLES.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
