import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
  type Health,
} from "@nix-ota/proto/grpc/health/v1/health_pb";

import { callEnd } from "./call.ts";
import { OtaError } from "./ota-error.ts";

/** What the standard health service is made from. */
export interface HealthParts {
  /** Full names of the services that run here. */
  readonly services: readonly string[];
  readonly isReady: () => Promise<boolean>;
  /** Between two looks of a watch. */
  readonly lookMs: number;
  /** Anybody may watch, so there are few of them. */
  readonly mostWatches: number;
  readonly after: (delayMs: number, run: () => void) => () => void;
}

/** gRPC's standard health service. */
export function healthCalls(parts: HealthParts): ServiceImpl<typeof Health> {
  const knows = (service: string) => service === "" || parts.services.includes(service);
  const status = async () => ((await parts.isReady()) ? Status.SERVING : Status.NOT_SERVING);
  let watches = 0;
  return {
    async check({ service }) {
      if (knows(service)) return { status: await status() };
      throw new ConnectError("no service of this name runs here", Code.NotFound);
    },

    async *watch({ service }, { signal }) {
      if (watches >= parts.mostWatches) {
        throw new OtaError("OVERLOADED", "too many watch already; ask with Check", {
          details: { retryAfterMs: parts.lookMs },
        });
      }
      // Of a caller who is gone no abort is heard any more.
      if (signal.aborted) throw callEnd(signal);
      watches += 1;
      // Not in a `finally`: a generator whose reader is gone may never be resumed.
      signal.addEventListener("abort", () => (watches -= 1), { once: true });
      let told: Status | undefined;
      while (!signal.aborted) {
        const seen = knows(service) ? await status() : Status.SERVICE_UNKNOWN;
        if (seen !== told) yield create(HealthCheckResponseSchema, { status: seen });
        told = seen;
        await pause(parts, signal);
      }
      throw callEnd(signal);
    },
  };
}

async function pause({ after, lookMs }: HealthParts, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = after(lookMs, resolve);
  const end = () => resolve();
  signal.addEventListener("abort", end, { once: true });
  await promise;
  cancel();
  signal.removeEventListener("abort", end);
}
