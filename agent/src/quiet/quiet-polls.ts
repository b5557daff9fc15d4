import { create, toJson } from "@bufbuild/protobuf";
import { normalizeServerUrl } from "@nix-ota/proto/auth-statement";
import {
  CheckInRequestSchema,
  CheckInResponseSchema,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import type { Config } from "../config.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { QuietPolls } from "../ports/records.ts";
import type { Server } from "../ports/server.ts";
import type { QuietRecord } from "./quiet-record.ts";
import { essenceOf, fingerprint, QUIET_FILE } from "./quiet-record.ts";

/** Links that an update, a person or a reboot moves. */
const LINKS = ["/run/current-system", "/run/booted-system", "/nix/var/nix/profiles/system"];

/** What of the state directory decides what a poll does. */
const RECORDS = [
  "journal.a",
  "journal.b",
  "trust.a",
  "trust.b",
  "device.key",
  "outbox",
  "requests",
];

/** @param configPath where the configuration was read; undefined: nothing is kept. */
export function quietPolls(
  disk: Disk,
  clock: Clock,
  server: Pick<Server, "spareNumbers">,
  config: Config,
  configPath: string | undefined,
): QuietPolls {
  const { stateDir, serverCaFile, deviceIdFile, settings } = config;
  return {
    forget: async () => await disk.remove(`${stateDir}/${QUIET_FILE}`),
    async remember({ report, directive, reason }) {
      const numbers = server.spareNumbers();
      const answer = essenceOf(
        toJson(CheckInResponseSchema, create(CheckInResponseSchema, { directive })),
      );
      if (configPath === undefined || numbers === undefined || answer === undefined) return;
      const watched = [
        configPath,
        "/etc/machine-id",
        ...[serverCaFile, deviceIdFile].filter((file) => file !== null),
        ...RECORDS.map((name) => `${stateDir}/${name}`),
        ...LINKS,
      ];
      const request = toJson(CheckInRequestSchema, create(CheckInRequestSchema, { report }));
      const record: QuietRecord = {
        version: 1,
        bootId: await clock.bootId(),
        bootIdFile: settings.bootIdFile,
        untilMs: clock.monotonicMs() + settings.once.quietMs,
        watched,
        fingerprint: fingerprint(watched),
        url: `${normalizeServerUrl(config.server) ?? config.server}/nixota.v1.CheckinService/CheckIn`,
        serverCaFile,
        timeoutMs: settings.server.callMs,
        answerLimitBytes: settings.server.readMaxBytes,
        report: (request as { report: Record<string, unknown> }).report,
        answer,
        reason,
        nextSequence: numbers.next,
        endSequence: numbers.end,
      };
      const bytes = new TextEncoder().encode(JSON.stringify(record));
      await disk.writeDurably(stateDir, QUIET_FILE, bytes, 0o600);
    },
  };
}
