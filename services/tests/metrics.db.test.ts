import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { describe, expect, test } from "vitest";

import { DATABASES } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { clientsOf, TestServer } from "./server.testkit.ts";

async function scrape(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/metrics`, { headers });
  return { status: response.status, text: await response.text() };
}

/** Values by series, without what differs from run to run. */
function series(text: string): Readonly<Record<string, number>> {
  const lines = text.split("\n").filter((line) => line.startsWith("nix_ota_"));
  return Object.fromEntries(
    lines.map((line) => {
      const cut = line.lastIndexOf(" ");
      return [line.slice(0, cut), Number(line.slice(cut + 1))];
    }),
  );
}

describe.each(DATABASES)("metrics on %s", (kind) => {
  test("tell calls by their code, the fleet by its states, and how long a release took", async () => {
    await using server = await TestServer.start(kind);
    await server.operator.publish.publish({
      envelopes: [envelope({ revision: 7n })],
      publicKeys: [{ key: KEY }],
    });
    const ahead = await server.device("gw-1", 1);
    await ahead.report({
      state: AgentState.IDLE,
      committedRevision: 7n,
      attempt: {
        id: "a".repeat(32),
        channel: "prod",
        revision: 7n,
        state: AgentState.IDLE,
        outcome: Outcome.APPLIED,
      },
    });
    const strange = await server.device("gw-2", 2);
    await strange.report({ state: 99 as AgentState });
    await clientsOf(server.url)
      .channel.listChannels({})
      .catch(() => undefined);
    await server.operator.channel.getChannel({ name: "none" }).catch(() => undefined);
    await fetch(`${server.url}/nixota.v1.PublishService/Invented`, { method: "POST" });

    const { status, text } = await scrape(server.url);
    expect(status).toBe(200);
    const found = series(text);
    const calls = (rpc: string, code: string) =>
      found[`nix_ota_call_seconds_count{rpc="nixota.v1.${rpc}",code="${code}"}`];
    expect({
      published: calls("PublishService/Publish", "ok"),
      reported: calls("CheckinService/CheckIn", "ok"),
      refused: calls("ChannelService/ListChannels", "unauthenticated"),
      unknown: calls("ChannelService/GetChannel", "not_found"),
    }).toEqual({ published: 1, reported: 2, refused: 1, unknown: 1 });
    expect(text).not.toMatch(/Invented|gw-1/);
    expect(found).toMatchObject({
      nix_ota_report_batch_reports_count: 2,
      nix_ota_report_queue_reports: 0,
      nix_ota_connected_devices: 0,
      'nix_ota_devices{standing="accepted"}': 2,
      'nix_ota_device_states{state="idle"}': 1,
      'nix_ota_device_states{state="unknown"}': 1,
      'nix_ota_devices_seen{within="300"}': 2,
      'nix_ota_channel_head_revision{channel="prod"}': 7,
      'nix_ota_channel_devices{channel="prod",on="head"}': 1,
      'nix_ota_channel_devices{channel="prod",on="older"}': 1,
      'nix_ota_head_attempts{channel="prod",outcome="applied"}': 1,
      'nix_ota_publish_to_applied_seconds{channel="prod",quantile="1"}': expect.any(Number),
    });
    expect(found["nix_ota_database_connections"]).toBe(kind === "postgresql" ? 10 : undefined);
    expect(text).toContain("process_resident_memory_bytes");
  });
});

test("metrics of a server with a public URL are for the scope read alone", async () => {
  const argv = ["--public-url", "https://ota.example.org"];
  await using server = await TestServer.start("postgresql", { argv });
  const refused = await scrape(server.url);
  expect(refused).toEqual({ status: 401, text: expect.stringContaining("scope read") });
  const wrong = await scrape(server.url, { authorization: "Bearer wrong" });
  expect(wrong.status).toBe(401);
  const good = await scrape(server.url, { authorization: `Bearer ${server.token}` });
  expect(good.status).toBe(200);
});
