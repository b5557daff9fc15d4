import { HoldReasonSchema } from "@nix-ota/proto/nixota/v1/channel_pb";

import type { Server } from "../client.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentText } from "../moment.ts";
import type { Output } from "../output.ts";
import { answerOf } from "../server-error.ts";
import { safeText } from "../terminal-text.ts";
import { deviceWarnings } from "./warnings.ts";

/** Prints why a device is, or is not, up to date. */
export async function explainDevice(
  deviceId: string,
  server: Server,
  host: Host,
  output: Output,
): Promise<void> {
  const { sentence, directive, device } = await answerOf(
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
      pinnedRevision: Number(device?.pinnedRevision ?? 0n),
      retryRevision: Number(device?.retryRevision ?? 0n),
      quarantinedRevisions: (device?.quarantinedRevisions ?? []).map(Number),
      cloned: device?.cloned ?? false,
      keyConflictAt: momentText(device?.keyConflictAt),
    },
    () => {
      const warnings = device === undefined ? [] : deviceWarnings(device, host.now(), output);
      return [safeText(sentence), ...warnings].join("\n");
    },
  );
}
