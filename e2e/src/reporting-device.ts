import { randomBytes } from "node:crypto";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { signAuthStatement } from "@nix-ota/proto/auth-statement";
import { publicKeyOf } from "@nix-ota/proto/ed25519";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { type Outcome, ReportSchema } from "@nix-ota/proto/nixota/v1/device_pb";

/**
 * A device that reports what a test tells it to, over the contract alone: for tests of what operators
 * see, which need neither nix nor an agent.
 */
export class ReportingDevice {
  readonly id: string;
  readonly #channel: string;
  readonly #checkin: Client<typeof CheckinService>;
  #sequence = 0n;

  private constructor(id: string, channel: string, checkin: Client<typeof CheckinService>) {
    this.id = id;
    this.#channel = channel;
    this.#checkin = checkin;
  }

  /** Enrols on a channel, authenticates and reports that nothing is under way. */
  static async join(url: string, id: string, channel: string): Promise<ReportingDevice> {
    const seed = randomBytes(32);
    const stranger = clientOf(url);
    const prove = async () => {
      const { nonce } = await stranger.createChallenge({ deviceId: id });
      return signAuthStatement({ serverUrl: url, deviceId: id, nonce }, seed);
    };
    await stranger.enrol({ auth: await prove(), publicKey: publicKeyOf(seed), channel });
    const { sessionToken } = await stranger.authenticate({ auth: await prove() });
    const device = new ReportingDevice(id, channel, clientOf(url, sessionToken));
    await device.report({});
    return device;
  }

  async report(fields: MessageInitShape<typeof ReportSchema>): Promise<void> {
    this.#sequence += 1n;
    const report = create(ReportSchema, {
      deviceId: this.id,
      sequence: this.#sequence,
      bootId: "boot-1",
      channel: this.#channel,
      agentVersion: "0.1.0",
      agentLevel: 1,
      ...fields,
    });
    await this.#checkin.checkIn({ report });
  }

  /** Where its attempt at a revision stands; APPLIED commits it. */
  async attempt(
    revision: bigint,
    outcome: Outcome,
    more: MessageInitShape<typeof ReportSchema> = {},
  ): Promise<void> {
    const id = `00000000-0000-4000-8000-${String(revision).padStart(12, "0")}`;
    await this.report({
      attempt: { id, channel: this.#channel, revision, outcome, ...more.attempt },
      ...(outcome === 1 ? { committedRevision: revision } : {}),
    });
  }
}

function clientOf(url: string, token?: string): Client<typeof CheckinService> {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    interceptors: [
      (next) => (request) => {
        if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
    defaultTimeoutMs: 20_000,
  });
  return createClient(CheckinService, transport);
}
