import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { fromHex, toBase64, toHex } from "./hash.ts";
import {
  MAX_LISTING_BYTES,
  diffListings,
  listingDigest,
  makeListing,
  parseListing,
  type ListingEntry,
} from "./listing.ts";

const ZERO = `sha256:${"0".repeat(64)}`;

function pathOf(name: string, hash = "a"): string {
  return `/nix/store/${hash.repeat(32)}-${name}`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const HASH_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz";
const someEntry: fc.Arbitrary<ListingEntry> = fc.record({
  path: fc
    .tuple(
      fc.constantFrom(...HASH_DIGITS),
      fc.constantFrom("bash-5.2", "bash-5.3", "bash", "bash-5.2-man", "glibc-2.39", "glibc-2.40"),
    )
    .map(([hash, name]) => pathOf(name, hash)),
  narHash: fc.constantFrom("1", "2").map((digit) => `sha256:${digit.repeat(64)}`),
});
const someClosure = fc.uniqueArray(someEntry, {
  selector: ({ path }) => path,
  minLength: 1,
  maxLength: 12,
});

function entriesOf(listing: Uint8Array): readonly ListingEntry[] {
  const entries = parseListing(listing);
  if (typeof entries === "string") throw new Error(entries);
  return entries;
}

describe("making", () => {
  test("a listing is a line for each path, sorted bytewise, and its digest the sha256", () => {
    const hex = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";
    const sri = `sha256-${toBase64(fromHex(hex) ?? new Uint8Array())}`;
    const listing = makeListing([
      { path: pathOf("b"), narHash: sri },
      { path: pathOf("a-1"), narHash: ZERO },
      { path: pathOf("a"), narHash: ZERO },
    ]);
    expect({
      text: new TextDecoder().decode(listing),
      digest: toHex(listingDigest(listing)),
    }).toEqual({
      text: `${pathOf("a")}\0${ZERO}\n${pathOf("a-1")}\0${ZERO}\n${pathOf("b")}\0sha256:${hex}\n`,
      digest: "8a855eb49d757caea776b35b50a17caf731069bd553919069034540a53ab7c55",
    });
  });

  test("order and repetition of the entries are of no matter", () => {
    const shuffled = someClosure.chain((closure) =>
      fc.tuple(
        fc.constant(closure),
        fc.shuffledSubarray([...closure, ...closure], { minLength: closure.length * 2 }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([closure, other]) => {
        expect(makeListing(other)).toEqual(makeListing(closure));
      }),
    );
  });

  test("what was made is read back, sorted by path", () => {
    fc.assert(
      fc.property(someClosure, (closure) => {
        const sorted = closure.toSorted((a, b) => (a.path < b.path ? -1 : 1));
        expect(parseListing(makeListing(closure))).toEqual(sorted);
      }),
    );
  });

  test.each([
    ["no entry", [], "names no path"],
    ["a path that is none", [{ path: "/etc", narHash: ZERO }], '"/etc" is no store path'],
    ["a hash that is none", [{ path: pathOf("a"), narHash: "sha256:x" }], '"sha256:x" of'],
    [
      "a path with two hashes",
      [
        { path: pathOf("a"), narHash: ZERO },
        { path: pathOf("a"), narHash: `sha256:${"1".repeat(64)}` },
      ],
      "line 2 of the listing is not sorted or repeats a path",
    ],
  ])("%s is refused", (_, entries, message) => {
    expect(() => makeListing(entries)).toThrow(message);
    expect(() => makeListing(entries)).toThrow(expect.objectContaining({ kind: "listing" }));
  });
});

describe("reading", () => {
  const line = (path: string, hash = ZERO) => `${path}\0${hash}\n`;
  const notALine = "line 1 of the listing is not a store path and its sha256";

  test.each([
    ["nothing", "", "the listing names no path"],
    [
      "no line feed at the end",
      line(pathOf("a")).slice(0, -1),
      "the listing does not end with a line feed",
    ],
    ["an empty line", "\n", notALine],
    [
      "an empty line at the end",
      `${line(pathOf("a"))}\n`,
      "line 2 of the listing is not a store path and its sha256",
    ],
    ["a carriage return", line(pathOf("a")).replace("\n", "\r\n"), notALine],
    ["no zero byte", line(pathOf("a")).replace("\0", " "), notALine],
    ["two zero bytes", line(pathOf("a")).replace("\0", "\0\0"), notALine],
    ["a hash in base32", line(pathOf("a"), `sha256:${"0".repeat(52)}`), notALine],
    ["a hash in capitals", line(pathOf("a"), `sha256:${"A".repeat(64)}`), notALine],
    ["another algorithm", line(pathOf("a"), `sha512:${"0".repeat(64)}`), notALine],
    ["a path that is none", line("/etc/passwd"), notALine],
    [
      "a wrong order",
      line(pathOf("b")) + line(pathOf("a")),
      "line 2 of the listing is not sorted or repeats a path",
    ],
    [
      "a line twice",
      line(pathOf("a")).repeat(2),
      "line 2 of the listing is not sorted or repeats a path",
    ],
    [
      "a path twice",
      line(pathOf("a")) + line(pathOf("a"), `sha256:${"1".repeat(64)}`),
      "line 2 of the listing is not sorted or repeats a path",
    ],
    [
      "bytes beyond ASCII",
      line(pathOf("a")).replace("a-", "é-"),
      "the listing holds bytes that are not ASCII",
    ],
  ])("%s is told", (_, text, message) => {
    expect(parseListing(bytesOf(text))).toBe(message);
  });

  test("over 4 MiB and over 50 000 lines are told with the numbers, a large listing is read", () => {
    const lines = Array.from({ length: 40_000 }, (_, index) => {
      return line(pathOf(String(index).padStart(6, "0")));
    });
    const tooMany = lines.join("").length;
    expect([
      entriesOf(bytesOf(lines.slice(0, 30_000).join(""))).length,
      parseListing(bytesOf(lines.join(""))),
      parseListing(bytesOf("\n".repeat(50_001))),
    ]).toEqual([
      30_000,
      `the listing has ${tooMany} bytes, over ${MAX_LISTING_BYTES}`,
      "the listing has 50001 lines, over 50000",
    ]);
  });

  test("what is read is the only spelling of what it says", () => {
    const noise = fc.array(
      fc.constantFrom(line(pathOf("a")), line(pathOf("b")), "\n", "\0", ZERO),
      {
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(noise, (parts) => {
        const bytes = bytesOf(parts.join(""));
        const entries = parseListing(bytes);
        expect(typeof entries === "string" ? bytes : makeListing(entries)).toEqual(bytes);
      }),
    );
  });
});

describe("comparing", () => {
  const entry = (name: string, hash = "a", digit = "0"): ListingEntry => ({
    path: pathOf(name, hash),
    narHash: `sha256:${digit.repeat(64)}`,
  });

  test("paths and package versions that differ are named, a mere rebuild only by its path", () => {
    const before = [entry("bash-5.2"), entry("glibc-2.39"), entry("vim-9.1"), entry("zlib-1.3")];
    const after = [
      entry("bash-5.3", "b"),
      entry("glibc-2.39", "b"),
      entry("htop-3.3"),
      entry("zlib-1.3"),
    ];
    expect(diffListings(before, after)).toEqual({
      added: [pathOf("htop-3.3"), pathOf("bash-5.3", "b"), pathOf("glibc-2.39", "b")],
      removed: [pathOf("bash-5.2"), pathOf("glibc-2.39"), pathOf("vim-9.1")],
      differing: [],
      packages: [
        { name: "bash", before: ["5.2"], after: ["5.3"] },
        { name: "htop", before: [], after: ["3.3"] },
        { name: "vim", before: ["9.1"], after: [] },
      ],
    });
  });

  test("a package without a version that comes or goes is named", () => {
    expect(diffListings([entry("etc")], [entry("boot")]).packages).toEqual([
      { name: "boot", before: [], after: [""] },
      { name: "etc", before: [""], after: [] },
    ]);
  });

  test("a stolen cache key that serves other bytes under the same path is found by the path", () => {
    const pinned = makeListing([entry("bash-5.2"), entry("glibc-2.39")]);
    const served = makeListing([entry("bash-5.2", "a", "6"), entry("glibc-2.39")]);
    expect(toHex(listingDigest(served))).not.toBe(toHex(listingDigest(pinned)));
    expect(diffListings(entriesOf(pinned), entriesOf(served))).toEqual({
      added: [],
      removed: [],
      differing: [pathOf("bash-5.2")],
      packages: [],
    });
  });

  test("the other way round everything changes sides, and a closure equals itself", () => {
    fc.assert(
      fc.property(someClosure, someClosure, (a, b) => {
        const [there, back] = [diffListings(a, b), diffListings(b, a)];
        expect(back).toEqual({
          added: there.removed,
          removed: there.added,
          differing: there.differing,
          packages: there.packages.map(({ name, before, after }) => ({
            name,
            before: after,
            after: before,
          })),
        });
        expect(diffListings(a, a)).toEqual({ added: [], removed: [], differing: [], packages: [] });
      }),
    );
  });

  test("the later closure is the earlier one without what went and with what came", () => {
    fc.assert(
      fc.property(someClosure, someClosure, (a, b) => {
        const { added, removed, differing } = diffListings(a, b);
        const kept = a.map(({ path }) => path).filter((path) => !removed.includes(path));
        expect([...kept, ...added].toSorted()).toEqual(b.map(({ path }) => path).toSorted());
        const sameHash = kept.filter((path) => {
          return (
            a.find((one) => one.path === path)?.narHash ===
            b.find((one) => one.path === path)?.narHash
          );
        });
        expect([...sameHash, ...differing].toSorted()).toEqual(kept.toSorted());
      }),
    );
  });
});
