import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { HealthCheckRequestSchema } from "@nix-ota/proto/grpc/health/v1/health_pb";
import { expect, test } from "vitest";

import { healthCalls } from "./health-calls.ts";

/** The first message of a watch by a caller with that signal. */
async function firstOf(calls: ReturnType<typeof healthCalls>, signal: AbortSignal) {
  const request = create(HealthCheckRequestSchema);
  const watch = calls.watch(request, { signal } as HandlerContext);
  return await watch[Symbol.asyncIterator]().next();
}

test("a caller who is gone before the watch began takes nobody's place", async () => {
  const calls = healthCalls({
    services: [],
    isReady: async () => await Promise.resolve(true),
    lookMs: 1,
    mostWatches: 1,
    after: () => () => undefined,
  });
  await expect(firstOf(calls, AbortSignal.abort())).rejects.toThrow("the caller went away");
  expect((await firstOf(calls, new AbortController().signal)).done).toBe(false);
  await expect(firstOf(calls, new AbortController().signal)).rejects.toThrow("too many watch");
});
