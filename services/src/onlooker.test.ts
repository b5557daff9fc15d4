import { expect, test } from "vitest";

import { requireOnlooker } from "./onlooker.ts";
import { OtaError } from "./ota-error.ts";

const LOCAL = { host: "127.0.0.1:8080" };

async function outcome(
  address: string,
  headers: Readonly<Record<string, string>>,
  mayBeProxied = false,
): Promise<string> {
  const header = (name: string) => headers[name] ?? null;
  try {
    await requireOnlooker(
      { address, header },
      {
        mayBeProxied,
        operatorOf: async (bearer) => ({
          kind: "operator",
          name: bearer,
          scopes: bearer === "reader" ? ["read"] : ["publish:*"],
          expiresAtMs: undefined,
          credential: { kind: "file" },
        }),
      },
    );
    return "let in";
  } catch (error) {
    return error instanceof OtaError ? error.kind : String(error);
  }
}

test.each([
  ["127.0.0.1", LOCAL, "let in"],
  ["::ffff:127.0.0.1", { host: "localhost" }, "let in"],
  ["::1", { host: "[::1]:8080" }, "let in"],
  ["::1", { ":authority": "localhost:8080" }, "let in"],
  ["192.0.2.1", LOCAL, "CREDENTIAL_INVALID"],
  ["127.0.0.1.example.org", LOCAL, "CREDENTIAL_INVALID"],
  ["127.0.0.1", { host: "ota.example.org" }, "CREDENTIAL_INVALID"],
  ["127.0.0.1", { ...LOCAL, "x-forwarded-for": "192.0.2.1" }, "CREDENTIAL_INVALID"],
  ["127.0.0.1", { ...LOCAL, forwarded: "for=192.0.2.1" }, "CREDENTIAL_INVALID"],
  ["127.0.0.1", {}, "CREDENTIAL_INVALID"],
])(
  "loopback without a sign of a proxy is enough: %s %j is %s",
  async (address, headers, expected) => {
    expect(await outcome(address, headers)).toBe(expected);
  },
);

test("where a proxy may be in front, only the scope read is enough, from anywhere", async () => {
  expect(await outcome("127.0.0.1", LOCAL, true)).toBe("CREDENTIAL_INVALID");
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  expect(await outcome("192.0.2.1", bearer("reader"), true)).toBe("let in");
  expect(await outcome("127.0.0.1", { ...LOCAL, ...bearer("publisher") })).toBe("SCOPE_MISSING");
});
