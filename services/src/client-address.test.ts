import { expect, test } from "vitest";

import { clientAddress, networkOf, readNetwork, trustedProxies } from "./client-address.ts";

const TRUSTED = trustedProxies(["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1/32"]);
const of = (remote: string, forwardedFor: string | null) =>
  clientAddress(remote, forwardedFor, TRUSTED);

test.each<[string, string, string | null, string]>([
  ["nobody trusted says so", "203.0.113.9", "198.51.100.1", "203.0.113.9"],
  ["a proxy says nothing", "10.1.2.3", null, "10.1.2.3"],
  ["a proxy names its caller", "10.1.2.3", "198.51.100.1", "198.51.100.1"],
  [
    "the caller wrote names in front",
    "10.1.2.3",
    "127.0.0.1, 8.8.8.8, 198.51.100.1",
    "198.51.100.1",
  ],
  ["two proxies stand in a row", "10.1.2.3", "198.51.100.1, 10.9.9.9", "198.51.100.1"],
  ["all are proxies", "10.1.2.3", "10.7.7.7,10.9.9.9", "10.7.7.7"],
  ["a proxy writes ports", "10.1.2.3", "198.51.100.1:4711", "198.51.100.1"],
  ["a proxy writes brackets", "10.1.2.3", "[2001:db8:9::1]:4711", "2001:db8:9::1"],
  ["a proxy names nobody", "10.1.2.3", "198.51.100.1, unknown", "10.1.2.3"],
  ["the header is garbage", "10.1.2.3", ", ,", "10.1.2.3"],
  ["the connection is IPv4 in IPv6", "::ffff:10.1.2.3", "::FFFF:198.51.100.1", "198.51.100.1"],
  ["a proxy speaks IPv6", "2001:db8:1:2::3", "2001:db8:9::1", "2001:db8:9::1"],
  ["a network beside it is not trusted", "2001:db8:2::3", "198.51.100.1", "2001:db8:2::3"],
  ["the connection is gone", "", "198.51.100.1", ""],
])("the caller's address when %s", (_what, remote, forwardedFor, address) => {
  expect(of(remote, forwardedFor)).toBe(address);
});

test("networks are read in both families, and nothing else is", () => {
  expect(["10.0.0.0/8", "::1", "192.0.2.1", "2001:db8::/32", "0.0.0.0/0"].map(readNetwork)).toEqual(
    ["10.0.0.0/8", "::1/128", "192.0.2.1/32", "2001:db8::/32", "0.0.0.0/0"],
  );
  for (const wrong of ["", "10.0.0.0/33", "10.0.0/8", "host", "::1/129", "10.0.0.0/8/8", "/8"]) {
    expect(readNetwork(wrong)).toBeUndefined();
  }
});

test("of IPv6 the network of one subscriber is counted, of IPv4 the address", () => {
  expect(
    [
      "192.0.2.1",
      "2001:db8:1:2:3:4:5:6",
      "2001:DB8:1:2::9",
      "::1",
      "2001:db8::",
      "1::2:3:4:5:6:7",
      "",
    ].map(networkOf),
  ).toEqual([
    "192.0.2.1",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::/64",
    "0:0:0:0::/64",
    "2001:db8:0:0::/64",
    "1:0:2:3::/64",
    "",
  ]);
});
