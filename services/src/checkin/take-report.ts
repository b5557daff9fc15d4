import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Session } from "../access/session-token.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { directiveMessage } from "./directive.ts";
import { mayNotReport, replaced } from "./refusals.ts";
import { reportRow } from "./report-row.ts";

/**
 * Makes a report durable and answers with what the device is to do: what
 * CheckIn does, and Stream with each report.
 *
 * @throws {OtaError} NOT_YOUR_DEVICE, PENDING_APPROVAL, DEVICE_REVOKED,
 * CREDENTIAL_INVALID, OVERLOADED.
 */
export async function takeReport(
  deps: Deps,
  session: Session,
  report: Report | undefined,
): Promise<Directive> {
  if (report?.deviceId !== session.deviceId) {
    throw new OtaError(
      "NOT_YOUR_DEVICE",
      `the session is of ${session.deviceId}; a device reports for itself`,
    );
  }
  const outcome = await deps.reports.submit(reportRow(report, session.keyEpoch));
  switch (outcome.kind) {
    case "durable":
      return directiveMessage({
        device: outcome.device,
        head: outcome.head,
        acknowledgedSequence: outcome.sequence,
        acknowledgedEventIds: report.events.map(({ id }) => id),
        checkInIntervalMs: deps.checkInIntervalMs,
        nowMs: deps.nowMs(),
        random: deps.random(),
      });
    case "device-unknown":
    case "key-replaced":
      throw replaced();
    case "refused":
      throw mayNotReport(session.deviceId, outcome.standing);
  }
}
