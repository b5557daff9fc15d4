import { afterEach, beforeEach, expect, test } from "vitest";

import { loopbackDevice, reportOf } from "./loopback-device.testkit.ts";
import { LoopbackServer } from "./loopback-server.testkit.ts";

const never = new AbortController().signal;
let server: LoopbackServer;

beforeEach(async () => {
  server = await LoopbackServer.start();
  server.behaviour.enrolmentToken = "the token";
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

test("a device that is not known enrols with its token and reports", async () => {
  const fridge = loopbackDevice(server.url, { enrolmentToken: "the token" });
  expect(await fridge.checkIn(reportOf(), "whatever is open", never)).toMatchObject({
    got: "answer",
  });
  expect(server.behaviour.enrolmentToken).toBeUndefined();
});

test("with another token it is refused in words that do not repeat it", async () => {
  const fridge = loopbackDevice(server.url, { enrolmentToken: "a wrong one" });
  const answer = await fridge.checkIn(reportOf(), "whatever is open", never);
  expect(answer).toMatchObject({ got: "refusal", reason: "ENROLMENT_CLOSED" });
  expect(JSON.stringify(answer)).not.toContain("a wrong one");
});

test("the token is not asked for by a device that is known", async () => {
  server.behaviour.enrolmentToken = undefined;
  const fridge = loopbackDevice(server.url, {
    get enrolmentToken(): string {
      throw new Error("asked for");
    },
  });
  expect((await fridge.checkIn(reportOf(), "whatever is open", never)).got).toBe("answer");
});

test("an introduction enrols nobody, and tells a device that is known from one that is not", async () => {
  server.behaviour.enrolmentToken = "the token";
  const fridge = loopbackDevice(server.url, { enrolmentToken: "the token" });
  expect(await fridge.introduce(never)).toMatchObject({ got: "refusal", reason: "DEVICE_UNKNOWN" });
  expect(server.behaviour.enrolmentToken).toBe("the token");
  await fridge.checkIn(reportOf(), "whatever is open", never);
  expect(await fridge.introduce(never)).toEqual({ got: "answer", value: undefined });
});
