import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DirectiveSchema, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { quoted } from "@nix-ota/proto/quoted";

import { LIMITS } from "./limits.ts";
import { fromWords, inWords } from "./plain-words.ts";
import { claimedChannel } from "./publish/verify.ts";

/** A call of the contract under a plain path. */
export interface PlainCall {
  readonly method: DescMethod;
  /** Whether it is asked with GET, and has no body. */
  readonly reads: boolean;
  readonly bodyBytes: number;
  /** The request's JSON out of the body's. @throws {ConnectError} */
  readonly request: (given: unknown) => unknown;
  /** The answer's JSON out of the response's. */
  readonly response: (said: unknown) => unknown;
}

/** The call that a path stands for. */
export function plainCallOf(path: string, query: URLSearchParams): PlainCall | undefined {
  if (path === "/checkin") return CHECK_IN;
  const [, channel, what] = /^\/channels\/([^/]{1,64})\/(current|publish)$/.exec(path) ?? [];
  if (channel === undefined) return undefined;
  return what === "current" ? current(channel, query) : publish(channel);
}

/** The body is a report, the answer a directive. */
const CHECK_IN: PlainCall = {
  method: CheckinService.method.checkIn,
  reads: false,
  bodyBytes: LIMITS.callBodyBytes,
  request: (given) => ({ report: fromWords(ReportSchema, withOutcome(given)) }),
  response: (said) => inWords(DirectiveSchema, (said as { directive?: unknown }).directive),
};

function current(channel: string, query: URLSearchParams): PlainCall {
  const { output } = ChannelService.method.getCurrent;
  return {
    method: ChannelService.method.getCurrent,
    reads: true,
    bodyBytes: 0,
    request: () => ({
      channel,
      target: query.get("target") ?? "",
      deviceId: query.get("device") ?? "",
      minRevision: query.get("min_revision") ?? "0",
    }),
    response: (said) => inWords(output, said),
  };
}

/** The body is the contract's PublishRequest; its manifests are for the channel of the path. */
function publish(channel: string): PlainCall {
  const { input, output } = PublishService.method.publish;
  const requireChannel = (given: unknown) => {
    const envelopes = (given as { readonly envelopes?: unknown } | null)?.envelopes;
    for (const envelope of Array.isArray(envelopes) ? envelopes : []) {
      const claimed = claimedChannel(Buffer.from(String(envelope), "base64"));
      // One that claims none is for the gate, which says what is wrong with it.
      if (typeof claimed !== "string" || claimed === channel) continue;
      throw new ConnectError(
        `a manifest is for channel ${quoted(claimed)}, and the path for ${quoted(channel)}`,
        Code.InvalidArgument,
      );
    }
  };
  return {
    method: PublishService.method.publish,
    reads: false,
    bodyBytes: LIMITS.publishBodyBytes,
    request: (given) => {
      requireChannel(given);
      return fromWords(input, given);
    },
    response: (said) => inWords(output, said),
  };
}

/** A report may call itself by how its attempt ended, as `"state": "rolled_back"`. */
function withOutcome(given: unknown): unknown {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ConnectError("the body is no report", Code.InvalidArgument);
  }
  const report = given as Record<string, unknown>;
  const { state, attempt } = report;
  if (typeof state !== "string" || !ENDS.has(state)) return given;
  return { ...report, state: "idle", attempt: { ...(attempt as object), outcome: state } };
}

const ENDS = new Set(["applied", "rolled_back", "failed"]);
