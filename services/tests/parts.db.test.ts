import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";

import { createPostgresDatabase } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { clientsOf, TestServer } from "./server.testkit.ts";

test("parts run alone over one database, and a part that is not there is named", async () => {
  const database = await createPostgresDatabase();
  const start = async (services: string) =>
    await TestServer.start("postgresql", { database, argv: ["--services", services] });
  await using publisher = await start("publish,access");
  await using reader = await start("channel,checkin");
  const published = { envelopes: [envelope({ revision: 1n })], publicKeys: [{ key: KEY }] };
  await publisher.operator.publish.publish(published);
  const { result } = await reader.operator.channel.getCurrent({ channel: "prod" });
  expect(result.value).toEqual(published.envelopes[0]);

  const nobody = clientsOf(reader.url);
  const elsewhere = await Promise.all(
    [
      publisher.operator.channel.getCurrent({ channel: "prod" }),
      publisher.operator.checkin.createChallenge({ deviceId: "gw-1" }),
      reader.operator.publish.publish(published),
      nobody.access.getCaller({}),
    ].map(async (call) => ConnectError.from(await call.catch((error: unknown) => error))),
  );
  expect(elsewhere.map(({ code, rawMessage }) => [Code[code], rawMessage.split(";")[0]])).toEqual([
    ["Unimplemented", "the part channel does not run here"],
    ["Unimplemented", "the part checkin does not run here"],
    ["Unimplemented", "the part publish does not run here"],
    ["Unimplemented", "the part access does not run here"],
  ]);
  for (const server of [publisher, reader]) {
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  }
});
