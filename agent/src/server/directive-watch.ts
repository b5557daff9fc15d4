import { createClient } from "@connectrpc/connect";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Clock } from "../ports/clock.ts";
import type { Held, HearingSettings } from "./hear.ts";
import { hear } from "./hear.ts";
import type { Connection } from "./transports.ts";

/** One `Watch` over an HTTP/1.1 connection of its own. The server speaks at once. */
export function directiveWatch(
  { transport, close }: Connection,
  deviceId: string,
  token: string,
  onPush: (directive: Directive) => void,
  settings: HearingSettings,
  clock: Clock,
): Held {
  const over = new AbortController();
  const words = createClient(CheckinService, transport).watch(
    { deviceId },
    { headers: { authorization: `Bearer ${token}` }, signal: over.signal, timeoutMs: 0 },
  );
  const ended = hear(words, onPush, settings, clock, over).finally(close);
  return { ended, close: () => over.abort() };
}
