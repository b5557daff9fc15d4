import { createClient } from "@connectrpc/connect";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Clock } from "../ports/clock.ts";
import type { End, Held, HearingSettings } from "./hear.ts";
import { hear } from "./hear.ts";
import { latest } from "./latest.ts";
import type { Connection } from "./transports.ts";

export interface ReportStream extends Held {
  /**
   * Sends a report and waits for the directive that acknowledges it.
   *
   * @returns how the stream ended when it did before that.
   */
  exchange(report: Omit<Report, "$typeName">, signal: AbortSignal): Promise<Directive | End>;
}

/** One `Stream` over an HTTP/2 connection of its own. The server speaks after the first report. */
export function reportStream(
  { transport, close }: Connection,
  token: string,
  onPush: (directive: Directive) => void,
  settings: HearingSettings & { readonly callMs: number },
  clock: Clock,
): ReportStream {
  const over = new AbortController();
  const reports = latest<{ report: Omit<Report, "$typeName"> }>();
  let waiting:
    | { readonly sequence: bigint; readonly answer: (directive: Directive) => void }
    | undefined;

  const words = createClient(CheckinService, transport).stream(reports.values, {
    headers: { authorization: `Bearer ${token}` },
    signal: over.signal,
  });
  const onDirective = (directive: Directive) => {
    if (waiting === undefined || directive.acknowledgedSequence < waiting.sequence)
      return onPush(directive);
    waiting.answer(directive);
    waiting = undefined;
  };
  const ended = hear(words, onDirective, settings, clock, over).finally(() => {
    reports.end();
    close();
  });

  return {
    ended,
    close: () => over.abort(),
    async exchange(report, signal) {
      const answered = new Promise<Directive>((resolve) => {
        waiting = { sequence: report.sequence, answer: resolve };
      });
      reports.put({ report });
      const limit = new AbortController();
      const late = clock
        .sleep(settings.callMs, AbortSignal.any([signal, limit.signal]))
        .then(async () => {
          over.abort();
          return await ended;
        });
      try {
        return await Promise.race([answered, ended, late]);
      } finally {
        waiting = undefined;
        limit.abort();
      }
    },
  };
}
