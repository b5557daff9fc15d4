import { setTimeout as delay } from "node:timers/promises";

import { afterAll, expect } from "vitest";

import { blameNoOther, leftOpen } from "./open-handles.ts";

// Sockets and processes end a moment after they are told to.
const GRACE_MS = 2_000;

// Registered first, so that it runs after every hook of the file itself.
afterAll(async () => {
  const until = performance.now() + GRACE_MS;
  while (performance.now() < until && leftOpen().length > 0) {
    await delay(20, undefined, { ref: false });
  }
  const left = leftOpen();
  if (left.length > 0) blameNoOther();
  expect(left, "left open by this file: close it in a hook").toEqual([]);
});
