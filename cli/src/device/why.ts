import { HoldReasonSchema } from "@nix-ota/proto/nixota/v1/channel_pb";

import type { Server } from "../client.ts";
import { enumText } from "../enum-text.ts";
import type { Output } from "../output.ts";
import { answerOf } from "../server-error.ts";
import { safeText } from "../terminal-text.ts";

/** Prints why a device is, or is not, up to date. */
export async function explainDevice(
  deviceId: string,
  server: Server,
  output: Output,
): Promise<void> {
  const { sentence, directive } = await answerOf(
    server.checkin.explainDevice({ deviceId }),
    server.url,
  );
  const verdict = directive?.verdict;
  output.result(
    {
      deviceId,
      sentence,
      offeredRevision: verdict?.case === "offer" ? Number(verdict.value.revision) : null,
      heldBecause:
        verdict?.case === "hold" ? enumText(HoldReasonSchema, verdict.value.reason) : null,
    },
    () => safeText(sentence),
  );
}
