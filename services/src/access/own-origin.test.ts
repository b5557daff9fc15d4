import { expect, test } from "vitest";

import { isOwnOrigin, type Provenance } from "./own-origin.ts";

const URLS = ["https://ota.example.org/fleet", "http://127.0.0.1:8080"];
const post = (fields: Partial<Provenance> = {}): boolean =>
  isOwnOrigin(
    {
      method: "POST",
      origin: null,
      fetchSite: null,
      contentType: "application/json",
      ...fields,
    },
    URLS,
  );

test("the console's own pages are those of the server's URLs and of the origin asked", () => {
  expect([
    post({ origin: "https://ota.example.org" }),
    post({ origin: "http://127.0.0.1:8080", contentType: "application/connect+proto" }),
    post({ fetchSite: "same-origin", origin: "http://localhost:9000" }),
  ]).toEqual([true, true, true]);
});

test.each<[string, Partial<Provenance>]>([
  ["of another origin", { origin: "https://evil.example.org", fetchSite: "cross-site" }],
  ["of a neighbour", { origin: "https://x.ota.example.org", fetchSite: "same-site" }],
  ["of another port", { origin: "https://ota.example.org:444" }],
  ["of another scheme", { origin: "http://ota.example.org" }],
  ["of a sandbox", { origin: "null", fetchSite: "cross-site" }],
  ["of nobody known", {}],
  ["typed into the address bar", { fetchSite: "none" }],
])("a page %s is not the console's", (_what, fields) => {
  expect(post(fields)).toBe(false);
});

test.each([
  "text/plain",
  "application/x-www-form-urlencoded; charset=utf-8",
  "Multipart/Form-Data; boundary=x",
  "",
  null,
])("a body of type %j could be a form's", (contentType) => {
  expect(post({ contentType, origin: "https://ota.example.org" })).toBe(false);
  expect(post({ contentType, fetchSite: "same-origin" })).toBe(false);
});

test("a GET, which names no origin, counts only by the browser's word", () => {
  const get = (fields: Partial<Provenance>) =>
    post({ method: "GET", contentType: null, ...fields });
  expect([
    get({ fetchSite: "same-origin" }),
    get({ origin: "https://ota.example.org" }),
    get({ fetchSite: "cross-site" }),
    get({}),
  ]).toEqual([true, false, false, false]);
});
