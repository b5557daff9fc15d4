import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { ConnectError, Code } from "@connectrpc/connect";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { FailureCode, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { TestServer } from "./server.testkit.ts";

/** What each call is made with; every one has to leave a row. In this order: some build on others. */
const EXERCISES: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  Publish: ({ operator }) =>
    operator.publish.publish({
      envelopes: [envelope({ revision: 1n })],
      publicKeys: [{ key: KEY }],
    }),
  PauseRollout: ({ admin }) => admin.publish.pauseRollout({ channel: "prod", revision: 1n }),
  ResumeRollout: ({ admin }) => admin.publish.resumeRollout({ channel: "prod", revision: 1n }),
  RetryFailed: async ({ server, admin }) => {
    const device = await server.device("gw-1");
    await device.report({
      attempt: {
        id: "a".repeat(32),
        channel: "prod",
        revision: 1n,
        outcome: Outcome.FAILED,
        failureCode: FailureCode.HEALTH_FAILED,
      },
      quarantinedRevisions: [1n],
    });
    return await admin.publish.retryFailed({ channel: "prod", revision: 1n });
  },
  UpdateDevices: ({ admin }) =>
    admin.checkin.updateDevices({ deviceIds: ["gw-1"], addTags: ["lab"] }),
  CreateChannel: ({ admin }) => admin.channel.createChannel({ name: "spare" }),
  UpdateChannel: ({ admin }) => admin.channel.updateChannel({ name: "prod", paused: true }),
  RecoverChannel: async ({ server, admin }) => {
    const device = await server.device("gw-2", 2);
    await device.clients.checkin.returnManifest({ envelope: envelope({ revision: 5n }) });
    return await admin.channel.recoverChannel({ channel: "prod" });
  },
  CreateToken: ({ admin }) => admin.access.createToken({ name: "t", scopes: ["read"] }),
  ConfirmToken: async ({ store, admin }) => {
    await store.db.updateTable("operator_token").set({ suspended_at: new Date() }).execute();
    return await admin.access.confirmToken({ tokenId: await someToken(store, "operator_token") });
  },
  RevokeToken: async ({ store, admin }) =>
    await admin.access.revokeToken({ tokenId: await someToken(store, "operator_token") }),
  CreateEnrolmentToken: ({ admin }) => admin.access.createEnrolmentToken({ channel: "prod" }),
  ConfirmEnrolmentToken: async ({ store, admin }) => {
    await store.db.updateTable("enrolment_token").set({ suspended_at: new Date() }).execute();
    const tokenId = await someToken(store, "enrolment_token");
    return await admin.access.confirmEnrolmentToken({ tokenId });
  },
  RevokeEnrolmentToken: async ({ store, admin }) => {
    const tokenId = await someToken(store, "enrolment_token");
    return await admin.access.revokeEnrolmentToken({ tokenId });
  },
  SignIn: (world) => byBrowser(world, "SignIn", { token: world.server.adminToken }),
  SignOut: (world) => byBrowser(world, "SignOut", {}),
};

/** Calls that change something and are no operator's, or nothing that counts. */
const EXEMPT: Readonly<Record<string, string>> = {
  CreateChallenge: "a device's",
  Enrol: "a device's",
  Authenticate: "a device's",
  CheckIn: "a device's",
  Stream: "a device's",
  ReturnManifest: "a device's",
  PutListing: "keeps bytes under their own digest; the publish that names them leaves a row",
};

/** Calls of the contract that the server does not answer yet: they fail here once it does. */
const UNANSWERED: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  AdvanceRollout: ({ admin }) => admin.publish.advanceRollout({ channel: "prod", revision: 1n }),
  AbortRollout: ({ admin }) => admin.publish.abortRollout({ channel: "prod", revision: 1n }),
};

interface World {
  readonly server: TestServer;
  readonly operator: TestServer["operator"];
  readonly admin: TestServer["admin"];
  readonly store: Store;
  cookie: string;
}

async function someToken(store: Store, table: "operator_token" | "enrolment_token") {
  const row = await store.db.selectFrom(table).select("id").executeTakeFirstOrThrow();
  return row.id;
}

async function byBrowser(world: World, call: string, body: object): Promise<void> {
  const response = await fetch(`${world.server.url}/nixota.v1.AccessService/${call}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "sec-fetch-site": "same-origin",
      cookie: world.cookie,
    },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  world.cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

const methods: readonly DescMethod[] = [
  PublishService,
  ChannelService,
  CheckinService,
  AccessService,
].flatMap((service) => service.methods);
const changing = methods.filter(({ idempotency }) => idempotency !== Idempotency.NO_SIDE_EFFECTS);

test("every call of the contract that changes something is known here", () => {
  const known = [EXERCISES, EXEMPT, UNANSWERED].flatMap((table) => Object.keys(table));
  expect(changing.map(({ name }) => name).toSorted()).toEqual(known.toSorted());
});

describe.each(DATABASES)("on %s", (kind) => {
  let world: World;
  beforeAll(async () => {
    const store = await openTestStore(kind);
    const server = await TestServer.on(store);
    world = { server, operator: server.operator, admin: server.admin, store, cookie: "" };
  });
  afterAll(async () => {
    await world.server[Symbol.asyncDispose]();
  });

  test.each(Object.entries(EXERCISES))(
    "%s by an operator leaves a row in the audit",
    async (name, call) => {
      const count = async () => {
        const { entries } = await world.admin.access.listAuditEntries({ pageSize: 500 });
        return entries.filter(({ action }) => action === name);
      };
      const before = await count();
      await call(world);
      const [newest, ...others] = await count();
      expect(others).toHaveLength(before.length);
      expect(newest).toMatchObject({
        actor: expect.stringMatching(/^(admin|publish)-token$/) as string,
        address: "127.0.0.1",
        subject: expect.stringMatching(/./) as string,
      });
    },
  );

  test.each(Object.entries(UNANSWERED))("%s is not answered", async (_name, call) => {
    const code = await call(world).catch((error: unknown) => ConnectError.from(error).code);
    expect(code).toBe(Code.Unimplemented);
  });

  test("no row of the audit can be changed or deleted, nor the table emptied", async () => {
    const { db } = world.store;
    const audit = db.updateTable("audit").set({ actor: "nobody" });
    await expect(audit.execute()).rejects.toThrow(/append-only/);
    await expect(db.deleteFrom("audit").execute()).rejects.toThrow(/append-only/);
    for (const truncate of [sql`truncate audit`, sql`truncate audit restart identity cascade`]) {
      await expect(truncate.execute(db)).rejects.toThrow(/append-only/);
    }
  });
});
