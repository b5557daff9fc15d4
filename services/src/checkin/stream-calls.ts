import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { CheckinService, StreamRequest } from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { requireDevice } from "../auth.ts";
import { endWithCall } from "../call.ts";
import type { Deps } from "../deps.ts";
import { asError, type DeviceStream } from "../feed/device-stream.ts";
import { OtaError } from "../ota-error.ts";
import { takeReport } from "./take-report.ts";

type StreamCalls = Pick<ServiceImpl<typeof CheckinService>, "stream" | "watch">;

/** The calls by which a device listens. */
export function streamCalls(deps: Deps): StreamCalls {
  return {
    async *stream(requests, context) {
      passThroughProxies(context);
      const stream = deps.feed.open(requireDevice(context), { reports: true });
      endWithCall(stream, context.signal);
      void readReports(deps, stream, requests);
      for await (const directive of stream.messages()) yield responseOf(directive);
    },

    async *watch({ deviceId }, context) {
      passThroughProxies(context);
      const session = requireDevice(context);
      if (deviceId !== session.deviceId) {
        throw new OtaError(
          "NOT_YOUR_DEVICE",
          `the session is of ${session.deviceId}; a device listens for itself`,
        );
      }
      const stream = deps.feed.open(session, { reports: false });
      endWithCall(stream, context.signal);
      for await (const directive of stream.messages()) yield responseOf(directive);
    },
  };
}

/** nginx else keeps small answers back until they are many, or the stream ends. */
function passThroughProxies({ responseHeader }: HandlerContext): void {
  responseHeader.set("X-Accel-Buffering", "no");
}

function responseOf<T>(directive: T | undefined): { directive?: T } {
  return directive === undefined ? {} : { directive };
}

/** Ends with the stream: its call then ends the requests. */
async function readReports(
  deps: Deps,
  stream: DeviceStream,
  requests: AsyncIterable<StreamRequest>,
): Promise<void> {
  try {
    for await (const { report } of requests) {
      stream.report(report?.channel ?? "", () => takeReport(deps, stream.session, report));
      await stream.room();
      if (stream.ended) return;
    }
    stream.finish();
  } catch (error) {
    stream.end(asError(error));
  }
}
