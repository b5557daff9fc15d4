import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "@nix-ota/proto/grpc/reflection/v1/reflection_pb";
import {
  ServerReflectionRequestSchema as AlphaRequestSchema,
  ServerReflectionResponseSchema as AlphaResponseSchema,
  type ServerReflectionRequest as AlphaRequest,
} from "@nix-ota/proto/grpc/reflection/v1alpha/reflection_pb";

import { callEnd } from "./call.ts";
import { reflect, type Reflected } from "./reflection.ts";

/** Reflection's only call in both of its versions: answers while it is asked, for a while. */
export function reflectionCalls(about: Reflected, bounds: Bounds) {
  const answer = (request: ServerReflectionRequest): ServerReflectionResponse =>
    create(ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: reflect(about, request.messageRequest),
    });
  return {
    async *v1(requests: AsyncIterable<ServerReflectionRequest>, { signal }: HandlerContext) {
      for await (const request of during(requests, signal, bounds)) yield answer(request);
    },
    async *v1alpha(requests: AsyncIterable<AlphaRequest>, { signal }: HandlerContext) {
      for await (const request of during(requests, signal, bounds)) {
        // The versions differ in the name of their package, and in nothing on the wire.
        const bytes = toBinary(AlphaRequestSchema, request);
        const answered = answer(fromBinary(ServerReflectionRequestSchema, bytes));
        yield fromBinary(AlphaResponseSchema, toBinary(ServerReflectionResponseSchema, answered));
      }
    },
  };
}

/** How long one call may last. */
interface Bounds {
  readonly lifeMs: number;
  readonly after: After;
}

type After = (delayMs: number, run: () => void) => () => void;

/** The requests until the call ends; whoever asks no more for long is not waited for. */
async function* during<T>(
  requests: AsyncIterable<T>,
  signal: AbortSignal,
  { lifeMs, after }: Bounds,
): AsyncIterable<T> {
  const over = Promise.withResolvers<"over">();
  const end = () => over.resolve("over");
  const cancel = after(lifeMs, end);
  signal.addEventListener("abort", end, { once: true });
  const iterator = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      // One call asks a few dozen questions: what losers of this race keep is little.
      const next = await Promise.race([iterator.next(), over.promise]);
      if (signal.aborted) throw callEnd(signal);
      if (next === "over" || next.done === true) return;
      yield next.value;
    }
  } finally {
    cancel();
    signal.removeEventListener("abort", end);
  }
}
