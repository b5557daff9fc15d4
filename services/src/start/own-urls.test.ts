import { expect, test } from "vitest";

import { ownUrls, urlOf } from "./own-urls.ts";

test("on loopback a device may spell the server in each usual way, elsewhere as it listens", () => {
  const http = { scheme: "http", port: 8080 } as const;
  expect(ownUrls({ ...http, host: "::1" })).toEqual([
    "http://[::1]:8080",
    "http://localhost:8080",
    "http://127.0.0.1:8080",
  ]);
  expect(ownUrls({ scheme: "https", host: "ota.example", port: 443 })).toEqual([
    "https://ota.example",
  ]);
  expect(urlOf({ ...http, host: "::" })).toBe("http://[::]:8080");
});
