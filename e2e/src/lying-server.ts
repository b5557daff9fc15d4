import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { sha256 } from "@nix-ota/proto/hash";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import {
  DeviceStanding,
  type DirectiveSchema,
  type Report,
} from "@nix-ota/proto/nixota/v1/device_pb";

/**
 * A server in a stranger's hands: it lets every device in, serves whatever bytes it is given as the
 * channel's manifest, and keeps what devices report.
 */
export class LyingServer implements AsyncDisposable {
  readonly url: string;
  /** Every report, oldest first. */
  readonly reports: Report[] = [];
  /** What it serves as an envelope; undefined: it says that there is no release. */
  envelope: Uint8Array | undefined;
  /** Highest floor that a device named when it asked. */
  askedAbove = 0n;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(): Promise<LyingServer> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const liar = new LyingServer(server, `http://127.0.0.1:${port}`);
    server.on("request", liar.#handler());
    return liar;
  }

  #handler() {
    return connectNodeAdapter({
      routes: (router) => {
        router.service(ChannelService, {
          getCurrent: ({ minRevision }) => {
            if (minRevision > this.askedAbove) this.askedAbove = minRevision;
            return this.envelope === undefined
              ? { result: { case: "hold", value: { explanation: "nothing was published" } } }
              : { result: { case: "envelope", value: this.envelope } };
          },
        });
        router.service(CheckinService, {
          createChallenge: () => ({ nonce: new Uint8Array(32) }),
          enrol: () => ({ standing: DeviceStanding.ACCEPTED }),
          authenticate: () => ({
            sessionToken: "whatever",
            expiresAt: timestampFromMs(Date.now() + 3_600_000),
            standing: DeviceStanding.ACCEPTED,
          }),
          checkIn: ({ report }) => {
            if (report === undefined) return {};
            this.reports.push(report);
            return {
              directive: {
                ...this.#verdict(report),
                acknowledgedSequence: report.sequence,
                acknowledgedEventIds: report.events.map(({ id }) => id),
                standing: DeviceStanding.ACCEPTED,
                nextCheckInMs: 5_000,
              },
            };
          },
        });
      },
    });
  }

  /** Whatever makes the device ask for the envelope: another payload than any it knows. */
  #verdict({ channel, target }: Report): MessageInitShape<typeof DirectiveSchema> {
    if (this.envelope === undefined) return {};
    const payloadSha256 = sha256(this.envelope);
    return {
      verdict: { case: "offer", value: { channel, target, revision: 1n, payloadSha256 } },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }
}
