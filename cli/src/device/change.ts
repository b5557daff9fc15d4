import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  UpdateDevicesRequestSchema,
  UpdateDevicesResponse,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";

import { countOf } from "../amounts.ts";
import { terminalAsk, type Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { answerOf } from "../server-error.ts";
import { openSession, type Session, type SessionOptions } from "../session.ts";
import { safeText } from "../terminal-text.ts";

/** Most ids in one call. */
const MAX_IDS = 1000;

type Request = MessageInitShape<typeof UpdateDevicesRequestSchema>;

/** Options of every command that changes devices. */
export interface ChangeOptions extends SessionOptions {
  filter?: string | undefined;
  dryRun: boolean;
  yes: boolean;
}

/** What becomes of the devices. */
export interface Change {
  /** What the server is asked to do, without to whom. */
  request: Request;
  /** What they are afterwards, e.g. `pinned to r42`. */
  past: string;
}

/**
 * Changes the devices that are named, or that a filter finds. More than one, or what a filter finds,
 * is shown first and asked about: the person types how many there are.
 *
 * @throws {CliError} `usage` without devices, and without a terminal for several unless `--yes`.
 */
export async function changeDevices(
  ids: readonly string[],
  options: ChangeOptions,
  host: Host,
  changeOf: (session: Session) => Promise<Change>,
  ask: Ask = terminalAsk(host),
): Promise<void> {
  const whom = whomOf(ids, options);
  const isAsked = (ids.length > 1 || whom.filter !== undefined) && !options.yes;
  if (isAsked && !options.dryRun && !ask.possible)
    throw new CliError("usage", "several devices are asked about; without a terminal give --yes");
  const session = await openSession(options, host);
  const { request, past } = await changeOf(session);
  const call = async (more: Request) =>
    answerOf(
      session.server.checkin.updateDevices({ ...request, ...whom, ...more }),
      session.server.url,
    );
  if (options.dryRun) {
    print(await call({ dryRun: true }), { dryRun: true, past }, session);
    return;
  }
  if (!isAsked) {
    print(await call({}), { dryRun: false, past }, session);
    return;
  }
  const found = await call({ dryRun: true });
  if (found.deviceCount > 0n) {
    session.output.show(`${sentence(found, { dryRun: true, past })}.`);
    if (!(await ask.typed("Are these the devices?", `${found.deviceCount}`)))
      throw new CliError("declined", "not confirmed; nothing was changed");
  }
  print(await call(shownOnly(found)), { dryRun: false, past }, session);
}

function whomOf(
  ids: readonly string[],
  { filter }: ChangeOptions,
): Pick<Request, "deviceIds" | "filter"> {
  if (ids.length > 0 && filter !== undefined)
    throw new CliError("usage", "devices and --filter are both given; leave one out");
  if (ids.length > MAX_IDS)
    throw new CliError("usage", `${ids.length} devices are named, over ${MAX_IDS}; use --filter`);
  for (const id of ids) parseName("device", id);
  if (ids.length > 0) return { deviceIds: [...ids] };
  if (filter === undefined)
    throw new CliError("usage", "no device is named; give its id, or --filter");
  if (filter.trim() === "")
    throw new CliError("usage", "an empty --filter would find all devices; name a term");
  return { filter };
}

/** A filter may find more by the time of the answer: exactly what was shown is changed. */
function shownOnly({ deviceCount, deviceIds }: UpdateDevicesResponse): Request {
  const isWhole = BigInt(deviceIds.length) === deviceCount && deviceIds.length > 0;
  return isWhole ? { deviceIds, filter: "" } : {};
}

interface Told {
  dryRun: boolean;
  past: string;
}

function print(answer: UpdateDevicesResponse, told: Told, { output }: Session): void {
  const { deviceCount, deviceIds } = answer;
  const document = { dryRun: told.dryRun, deviceCount: Number(deviceCount), deviceIds };
  output.result(document, () => sentence(answer, told));
}

function sentence({ deviceCount, deviceIds }: UpdateDevicesResponse, { dryRun, past }: Told) {
  // The server counts those that it changes, or would.
  if (deviceCount === 0n) return "nothing to change: no device is met that is not so already";
  const names = deviceIds.map((id) => safeText(id));
  const more = deviceCount - BigInt(names.length);
  const listed = [...names, ...(more > 0n ? [`and ${more} more`] : [])].join(", ");
  const verb = dryRun ? "would be" : deviceCount === 1n ? "is" : "are";
  return `${countOf(deviceCount, "device")} ${verb} ${past}: ${listed}`;
}
