import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Server } from "./client.ts";
import { readPages } from "./pages.ts";
import { answerOf } from "./server-error.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 500;

/** A larger fleet is not looked through device by device. */
const MOST_DEVICES = 100_000;

/**
 * Every device that follows a channel, by id.
 *
 * @throws {CliError} `refused` when the token may not read devices, `unreachable`.
 */
export async function channelDevices(server: Server, channel: string): Promise<readonly Device[]> {
  const { items } = await readPages(MOST_DEVICES, async (cursor) => {
    const request = { filter: `channel:${channel}`, cursor, pageSize: PAGE_SIZE };
    const answer = await answerOf(server.checkin.listDevices(request), server.url);
    return { items: answer.devices, nextCursor: answer.nextCursor };
  });
  return items;
}
