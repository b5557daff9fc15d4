import { afterAll, beforeAll, expect, test } from "vitest";

import { makeCertificate } from "../src/certificate.ts";
import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";
import { freePort } from "../src/free-port.ts";
import { Proxy } from "../src/proxy.ts";

type Status = { readonly server: { readonly rung?: string; readonly explanation: string } };

let fleet: Fleet;
let proxy: Proxy;
let fridge: FleetDevice;
/** How the device, and each closure's own agent, comes to the server. */
let access: Readonly<Record<string, unknown>>;

/** A device that would poll once an hour, behind TLS by an authority of its own. */
beforeAll(async () => {
  const port = await freePort();
  fleet = await Fleet.open({ serverArguments: ["--public-url", `https://127.0.0.1:${port}`] });
  const { folder } = fleet.workshop;
  const certificate = await makeCertificate(folder.path);
  const upstreamPort = Number(new URL(fleet.server.url).port);
  proxy = await Proxy.start(
    folder.join("proxy"),
    { port, upstreamPort, certificate },
    {
      program: "nginx",
      listen: "http2",
      location: ["grpc_pass grpc://UPSTREAM", "client_body_timeout 1h"],
    },
  );
  access = {
    server: proxy.url,
    serverCaFile: certificate.authority,
    allowInsecureServer: false,
  };
  fridge = await fleet.device("fridge", await fleet.build({ gen: 0 }), {
    ...access,
    pollInterval: 3_600,
    settings: { poll: { minMs: 50, maxMs: 3_600_000 } },
  });
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await fleet[Symbol.asyncDispose]();
});

test("a device takes a release the moment it is published, and tells how it hears of it", async () => {
  await fridge.startAgent();
  const describe = () => fridge.agent?.stderr().slice(-2000) ?? "";
  await eventually(
    "a stream",
    async () => ((await fridge.status()) as Status).server.rung === "stream" || undefined,
    { describe },
  );
  const storePath = await fleet.build({ gen: 1, agentJson: { ...fleet.agentJson(), ...access } });
  await fleet.publish(storePath);
  const ended = await eventually(
    "the end of the attempt",
    async () => await fleet.operator.lastEnded("fridge"),
    { describe, timeoutMs: 120_000 },
  );
  expect(ended).toMatchObject({ outcome: "APPLIED", revision: 1 });
  const { running, bootDefault } = await fridge.device.links();
  expect([running, bootDefault]).toEqual([storePath, storePath]);
  const { server } = (await fridge.status()) as Status;
  expect(server.explanation).toMatch(/^answers, heard over a stream, since /);
  await fridge.stopAgent();
});

test("an agent that is told to stop lets go of its stream and ends at once", async () => {
  const agent = await fridge.startAgent();
  await eventually(
    "a report",
    async () =>
      await Promise.resolve(
        agent.stdout().includes("asked") || agent.stderr().includes("asked") || undefined,
      ),
  );
  expect(await agent.stop(10_000)).toEqual({ code: 0, signal: null });
});
