import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DeviceStanding } from "@nix-ota/proto/nixota/v1/device_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY, listingOf, SEED, seed, storePath } from "./manifests.testkit.ts";
import { TestDevice, TestServer } from "./server.testkit.ts";

const NOBODY_TOKEN = "0123456789abcdef";
const [access, channel, checkin, publish] = [
  AccessService.method,
  ChannelService.method,
  CheckinService.method,
  PublishService.method,
];

/** Each with a credential of its own; the channel that is called about is `prod`. */
const CALLERS = {
  stranger: undefined,
  device: "session",
  "publish:prod": ["publish:prod"],
  "publish:other": ["publish:other"],
  "operate:prod": ["operate:prod"],
  "operate:other": ["operate:other"],
  read: ["read"],
  admin: ["admin"],
} as const;
type CallerName = keyof typeof CALLERS;

const ANYBODY = Object.keys(CALLERS) as CallerName[];
const WITH_CREDENTIAL = ANYBODY.filter((name) => name !== "stranger");
const SEES_PROD: CallerName[] = ["publish:prod", "operate:prod", "read", "admin"];
const STEERS_PROD: CallerName[] = ["operate:prod", "admin"];
const READS: CallerName[] = ["read", "admin"];
const DEVICE: CallerName[] = ["device"];
const ADMIN: CallerName[] = ["admin"];

/** A call with the callers that it lets in; the requests change nothing that another row needs. */
interface Row {
  readonly method: DescMethod;
  /** What is special about this request of the call. */
  readonly what?: string;
  readonly request: object;
  readonly lets: readonly CallerName[];
}

function row<Method extends DescMethod>(
  method: Method,
  request: MessageInitShape<Method["input"]>,
  lets: readonly CallerName[],
  what?: string,
): Row {
  return { method, request, lets, ...(what === undefined ? {} : { what }) };
}

/** Who may call what: the whole contract. */
const TABLE: readonly Row[] = [
  row(access.getCaller, {}, WITH_CREDENTIAL),
  row(access.createToken, { name: "made", scopes: ["read"] }, ADMIN),
  row(access.listTokens, {}, ADMIN),
  row(access.revokeToken, { tokenId: NOBODY_TOKEN }, ADMIN),
  row(access.confirmToken, { tokenId: NOBODY_TOKEN }, ADMIN),
  row(access.signIn, { token: "x".repeat(40) }, [], "from no page of the console"),
  row(access.signOut, {}, [], "from no page of the console"),
  row(access.createEnrolmentToken, { channel: "prod" }, ADMIN),
  row(access.listEnrolmentTokens, {}, ADMIN),
  row(access.revokeEnrolmentToken, { tokenId: NOBODY_TOKEN }, ADMIN),
  row(access.confirmEnrolmentToken, { tokenId: NOBODY_TOKEN }, ADMIN),
  row(access.listAuditEntries, {}, ADMIN),

  row(channel.getCurrent, { channel: "prod" }, ["device", ...READS]),
  row(channel.getCurrent, { channel: "prod", deviceId: "gw-2" }, READS, "of another device"),
  row(channel.getListing, { digest: new Uint8Array(32) }, ["device", ...READS]),
  row(channel.watchChannel, { channels: ["prod"] }, READS),
  row(channel.createChannel, { name: "prod" }, ADMIN),
  row(channel.updateChannel, { name: "prod", paused: false }, STEERS_PROD, "pause"),
  row(channel.updateChannel, { name: "prod", enrolment: 1 }, ADMIN, "enrolment"),
  row(channel.updateChannel, { name: "prod", keys: pinned() }, ADMIN, "keys"),
  row(channel.recoverChannel, { channel: "prod", dryRun: true }, ADMIN),
  row(channel.getChannel, { name: "prod" }, SEES_PROD),
  row(channel.listChannels, {}, READS),

  row(checkin.createChallenge, { deviceId: "gw-9" }, ANYBODY),
  row(checkin.enrol, { auth: noProof(), publicKey: KEY, channel: "prod" }, [], "without a proof"),
  row(checkin.authenticate, { auth: noProof() }, [], "without a proof"),
  row(checkin.checkIn, { report: reportOf("gw-1") }, DEVICE),
  row(checkin.checkIn, { report: reportOf("gw-2") }, [], "for another device"),
  row(checkin.stream, { report: reportOf("gw-1") }, DEVICE),
  row(checkin.stream, { report: reportOf("gw-2") }, [], "for another device"),
  row(checkin.watch, { deviceId: "gw-1" }, DEVICE),
  row(checkin.watch, { deviceId: "gw-2" }, [], "for another device"),
  row(checkin.returnManifest, { envelope: envelope({ revision: 1n }) }, DEVICE),
  row(checkin.listDevices, {}, READS),
  row(checkin.getDevice, { deviceId: "gw-1" }, READS),
  row(checkin.listDeviceEvents, { deviceId: "gw-1" }, READS),
  row(checkin.explainDevice, { deviceId: "gw-1" }, READS),
  row(checkin.getFleetSummary, {}, READS),
  row(checkin.watchFleet, {}, READS),
  row(checkin.updateDevices, { deviceIds: ["gw-1"], addTags: ["edge"] }, STEERS_PROD, "tags"),
  row(
    checkin.updateDevices,
    { filter: "id:*", pinnedRevision: 1n, dryRun: true },
    STEERS_PROD,
    "all that a filter finds",
  ),
  row(
    checkin.updateDevices,
    { deviceIds: ["gw-1"], standing: DeviceStanding.ACCEPTED },
    ADMIN,
    "standing",
  ),
  row(checkin.updateDevices, { deviceIds: ["gw-2"], publicKey: KEY }, ADMIN, "key"),
  row(checkin.updateDevices, { deviceIds: ["gw-2"], forget: true, dryRun: true }, ADMIN, "forget"),

  row(publish.publish, { envelopes: [envelope({ revision: 1n })] }, ["publish:prod"]),
  row(publish.putListing, { listing: listingOf(storePath("b")).content }, [
    "publish:prod",
    "publish:other",
  ]),
  row(publish.getRelease, { channel: "prod" }, SEES_PROD),
  row(publish.listReleases, { channel: "prod" }, SEES_PROD),
  row(publish.diffReleases, { channel: "prod" }, READS),
  row(publish.pauseRollout, { channel: "prod" }, STEERS_PROD),
  row(publish.resumeRollout, { channel: "prod" }, STEERS_PROD),
  row(publish.advanceRollout, { channel: "prod" }, STEERS_PROD),
  row(publish.abortRollout, { channel: "prod" }, STEERS_PROD),
  row(publish.retryFailed, { channel: "prod" }, STEERS_PROD),
];

function reportOf(deviceId: string) {
  return { deviceId, channel: "prod", sequence: 1n, agentVersion: "0.1.0", bootId: "boot-1" };
}

function noProof() {
  return { statement: Uint8Array.of(1), signature: new Uint8Array(64) };
}

function pinned() {
  return { publicKeys: [{ key: KEY }], threshold: 1 };
}

/** Reasons for which a caller is not let in. */
const NOT_LET_IN = new Set([
  "CREDENTIAL_INVALID",
  "SCOPE_MISSING",
  "NOT_YOUR_DEVICE",
  "ORIGIN_REFUSED",
]);

test("the table has every call of the contract", () => {
  const services = [AccessService, ChannelService, CheckinService, PublishService];
  const named = new Set(TABLE.map(({ method }) => method));
  const missing = services
    .flatMap(({ methods }): readonly DescMethod[] => methods)
    .filter((method) => !named.has(method));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

describe.each(DATABASES)("on %s", (kind) => {
  let server: TestServer;
  let connection: Http2SessionManager;
  const tokens = new Map<CallerName, string>();
  beforeAll(async () => {
    server = await TestServer.on(await openTestStore(kind));
    connection = new Http2SessionManager(server.url);
    await server.operator.publish.publish({
      envelopes: [envelope({ revision: 1n }, [SEED])],
      publicKeys: [{ key: KEY }],
    });
    for (const [name, scopes] of Object.entries(CALLERS)) {
      if (typeof scopes !== "object") continue;
      const { secret } = await server.admin.access.createToken({ name, scopes: [...scopes] });
      tokens.set(name as CallerName, secret);
    }
    await server.device("gw-2", 2);
    const device = new TestDevice(server.url, "gw-1", seed(1));
    await device.enrol({ channel: "prod" });
    tokens.set("device", (await device.authenticate()).sessionToken);
  });
  afterAll(async () => {
    connection.abort();
    await server[Symbol.asyncDispose]();
  });

  /** Whether the caller is let in: answered, or refused for what it asks and not for who it is. */
  async function isLetIn({ method, request }: Row, caller: CallerName): Promise<boolean> {
    const token = tokens.get(caller);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const message = create(method.input, request as never);
    const transport = createConnectTransport({
      baseUrl: server.url,
      httpVersion: "2",
      sessionManager: connection,
    });
    const cut = new AbortController();
    try {
      if (method.methodKind === "unary") {
        await transport.unary(method as DescMethodUnary, cut.signal, undefined, headers, message);
        return true;
      }
      const stream = await transport.stream(
        method as DescMethodStreaming,
        cut.signal,
        undefined,
        headers,
        one(message),
      );
      const { done } = await stream.message[Symbol.asyncIterator]().next();
      expect(done).toBe(false);
      return true;
    } catch (error) {
      const { code } = ConnectError.from(error);
      expect([Code.Internal, Code.Unknown], String(error)).not.toContain(code);
      return !NOT_LET_IN.has(reasonOf(error)?.reason ?? "");
    } finally {
      cut.abort();
    }
  }

  test.each(TABLE.map((one) => [`${one.method.name} ${one.what ?? ""}`.trim(), one] as const))(
    "%s lets in whom it may and nobody else",
    async (_name, asked) => {
      const entered = await Promise.all(ANYBODY.map((caller) => isLetIn(asked, caller)));
      expect(ANYBODY.filter((_caller, index) => entered[index])).toEqual(
        ANYBODY.filter((caller) => asked.lets.includes(caller)),
      );
    },
  );
});

async function* one<T>(message: T): AsyncIterable<T> {
  yield message;
}
