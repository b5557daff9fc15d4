import {
  Code,
  ConnectError,
  createContextValues,
  type ConnectRouter,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";

import { accessService } from "./access/service.ts";
import type { CallLimits } from "./call-limits.ts";
import { callLog } from "./call-log.ts";
import { CALL } from "./call.ts";
import { callerGate } from "./caller-gate.ts";
import { callerRecheck, type Recheck } from "./caller-recheck.ts";
import { channelService } from "./channel/service.ts";
import { checkinService } from "./checkin/service.ts";
import { clientAddress, type TrustedProxies } from "./client-address.ts";
import { connectHandler } from "./connect-handler.ts";
import type { Deps } from "./deps.ts";
import { answerTo } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { HttpHandler } from "./listener.ts";
import type { EndedCall } from "./metrics/metrics.ts";
import type { Onlooker } from "./onlooker.ts";
import { elsewhere, partOf, SERVICE_OF_PART, type Part } from "./parts.ts";
import { plainPaths } from "./plain-paths.ts";
import { publishService } from "./publish/service.ts";
import { addStandardServices, standardGate, STANDARD_SERVICES } from "./standard-services.ts";
import { refuseUnreadable } from "./unreadable-message.ts";

export interface RouteOptions {
  readonly deps: Deps;
  /** The parts that run here; calls of the others are answered with their names. */
  readonly parts: readonly Part[];
  /** How often somebody may call. */
  readonly limits: CallLimits;
  readonly recheck: Recheck;
  /** Proxies whose word about the caller's address is believed. */
  readonly trustedProxies: TrustedProxies;
  /** How much a call may be and take. */
  readonly bounds: Limits;
  /** Serves what is no call, e.g. `/healthz`. */
  readonly fallback: HttpHandler;
  /** Ends calls that wait, with the error that they answer. */
  readonly shutdown: AbortSignal;
  /** For durations in the log. */
  readonly monotonicMs: () => number;
  /** Whether calls would be served. */
  readonly isReady: () => Promise<boolean>;
  /** Lets in who may see how the server is made. */
  readonly requireOnlooker: (onlooker: Onlooker) => Promise<void>;
  /** Runs something later. */
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** Hears of every call once, when it ends. */
  readonly measure: (call: EndedCall) => void;
}

const SERVICES = [...Object.values(SERVICE_OF_PART), ...STANDARD_SERVICES];
const STREAMS = new Set(
  SERVICES.flatMap(({ typeName, methods }) =>
    methods
      .filter(({ methodKind }) => methodKind !== "unary")
      .map(({ name }) => `/${typeName}/${name}`),
  ),
);

/** Whether a request is for a call that goes on until one side ends it. */
export function isStream(url: string): boolean {
  return STREAMS.has(url.split("?", 1)[0] ?? "");
}

/** The whole API: Connect, gRPC and gRPC-web, as protobuf or JSON. */
export function routes(options: RouteOptions): HttpHandler {
  const { deps, bounds } = options;
  const runs = (part: Part) => options.parts.includes(part);
  const interceptors: Interceptor[] = [
    callLog(deps.log, options.monotonicMs, options.measure),
    callerRecheck(options.recheck, options.monotonicMs),
    createValidateInterceptor(),
  ];
  const gate = callerGate({
    operators: deps.operators,
    limits: options.limits,
    publicUrls: deps.publicUrls,
    get sessionKeys() {
      return deps.sessionKeys;
    },
    nowMs: deps.nowMs,
    log: deps.log,
  });
  const contextValues = (request: Parameters<HttpHandler>[0]) =>
    createContextValues().set(CALL, {
      requestId: crypto.randomUUID(),
      address: addressOfCaller(request, options.trustedProxies),
      arrivedMs: options.monotonicMs(),
    });
  let handlers: readonly UniversalHandler[] = [];
  return connectHandler({
    log: deps.log,
    stalledMs: bounds.stalledMs,
    interceptors,
    fallback: plainPaths({ handlers: () => handlers, contextValues, otherwise: options.fallback }),
    shutdownSignal: options.shutdown,
    async requestGate(context) {
      try {
        options.shutdown.throwIfAborted();
        const part = partOf(context.service.typeName);
        if (part !== undefined && !runs(part)) {
          throw new ConnectError(elsewhere(part), Code.Unimplemented);
        }
        requireShortEnough(context, bounds);
        if (await standardGate(context, options.requireOnlooker)) return;
        await gate(context);
      } catch (thrown) {
        const { error } = answerTo(thrown);
        options.measure({
          rpc: `${context.service.typeName}/${context.method.name}`,
          code: codeToString(error.code),
          ms: 0,
          stream: context.method.methodKind !== "unary",
        });
        throw error;
      }
    },
    readMaxBytes: bounds.callBodyBytes,
    writeMaxBytes: bounds.answerBytes,
    maxTimeoutMs: bounds.streamTimeoutMs,
    contextValues,
    routes(router: ConnectRouter) {
      router.service(PublishService, runs("publish") ? publishService(deps) : {}, {
        readMaxBytes: bounds.publishBodyBytes,
      });
      router.service(ChannelService, runs("channel") ? channelService(deps) : {});
      router.service(CheckinService, runs("checkin") ? checkinService(deps) : {});
      router.service(AccessService, runs("access") ? accessService(deps) : {});
      addStandardServices(
        router,
        options.parts.map((part) => SERVICE_OF_PART[part]),
        {
          isReady: options.isReady,
          after: options.after,
          lookMs: bounds.healthLookMs,
          mostWatches: bounds.healthWatches,
          reflectionLifeMs: bounds.callTimeoutMs,
          streamTimeoutMs: bounds.streamTimeoutMs,
        },
      );
      refuseUnreadable(router);
      ({ handlers } = router);
    },
  });
}

function addressOfCaller(
  { socket, headers }: Parameters<HttpHandler>[0],
  trusted: TrustedProxies,
): string {
  const forwarded = headers["x-forwarded-for"];
  // Several headers are one list, in their order.
  const list = typeof forwarded === "object" ? forwarded.join(",") : (forwarded ?? null);
  return clientAddress(socket.remoteAddress ?? "", list, trusted);
}

/** The library knows one limit for calls and streams. */
function requireShortEnough(context: HandlerContext, { callTimeoutMs }: Limits): void {
  const timeoutMs = context.timeoutMs() ?? 0;
  if (context.method.methodKind !== "unary" || timeoutMs <= callTimeoutMs) return;
  throw new ConnectError(
    `timeout ${timeoutMs}ms must be <= ${callTimeoutMs}`,
    Code.InvalidArgument,
  );
}
