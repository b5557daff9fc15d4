import { expect, test } from "vitest";

import { copyFailure, moreTelling } from "./copy-failure.ts";

test.each([
  ["cannot add path '/nix/store/a' because it lacks a valid signature", "UNTRUSTED_PATH"],
  [
    "cannot add path '/nix/store/a' because it lacks a signature by a trusted key",
    "UNTRUSTED_PATH",
  ],
  [
    "substitute for '/nix/store/a' is not signed by any of the keys in 'trusted-public-keys'",
    "UNTRUSTED_PATH",
  ],
  [
    "hash mismatch importing path '/nix/store/a'; specified: sha256:x got: sha256:y",
    "CORRUPT_CACHE",
  ],
  ["NAR info file '/a.narinfo' is corrupt", "CORRUPT_CACHE"],
  ["failed to read compressed data", "CORRUPT_CACHE"],
  ["Failed to open archive (Zstd decompression failed: Data corruption detected)", "CORRUPT_CACHE"],
  ["input compression not recognized", "CORRUPT_CACHE"],
  ["bad archive: unknown field )", "CORRUPT_CACHE"],
  ["NAR contains invalid file name 'app.service\u0001'", "CORRUPT_CACHE"],
  ["NAR for '/nix/store/a' fetched from 'http://c' is incomplete", "CORRUPT_CACHE"],
  ["non-zero padding", "CORRUPT_CACHE"],
  ["coroutine has finished", "CORRUPT_CACHE"],
  ["writing to file: No space left on device", "NO_SPACE"],
  ["unable to download 'http://c/nar/a': HTTP error 401 ('')", "CACHE_DENIED"],
  ["'http://c' does not appear to be a binary cache", "CACHE_DENIED"],
  [
    "unable to download 'http://c/nix-cache-info': Couldn't connect to server (7)",
    "CACHE_UNREACHABLE",
  ],
  ["unable to download 'http://c/a': HTTP error 500 ('')", "CACHE_UNREACHABLE"],
  ["unable to download 'http://c/a': Timeout was reached (28)", "CACHE_STALLED"],
  [
    "path '/nix/store/a' is required, but there is no substituter that can build it",
    "NOT_IN_CACHE",
  ],
  ["don't know how to build these paths", "NOT_IN_CACHE"],
  ["file 'nar/a.nar.zst' does not exist in binary cache 'http://c'", "NOT_IN_CACHE"],
  ["something that no version has said so far", "TOOL_FAILED"],
])("%s is %s", (message, code) => {
  expect(copyFailure(1, [message]).code).toBe(code);
});

test("what concerns trust is told before what it led to", () => {
  const failure = copyFailure(1, [
    "error: substitute for '/nix/store/a' is not signed by any of the keys in 'trusted-public-keys'",
    "error: path '/nix/store/a' is required, but there is no substituter that can build it",
    "error: build of '/nix/store/b' failed",
  ]);
  expect(failure.code).toBe("UNTRUSTED_PATH");
  expect(failure.message).toContain("/nix/store/a");
  const missing = { code: "NOT_IN_CACHE", message: "" } as const;
  expect(moreTelling(missing, failure)).toBe(failure);
  expect(moreTelling(failure, missing)).toBe(failure);
});

const AT_LAST = [
  "error: build of '/nix/store/b' failed",
  "error: some substitutes for the outputs of derivation '/nix/store/b.drv' failed (usually happens due to networking issues); try '--fallback' to build derivation from source",
];

test.each(AT_LAST)("a cause is told before %s", (last) => {
  const corrupt = copyFailure(1, [
    "error: Failed to open archive (Zstd decompression failed: Data corruption detected)",
    last,
  ]);
  expect(corrupt.code).toBe("CORRUPT_CACHE");
  expect(corrupt.message).toContain("Data corruption detected");
  const unread = copyFailure(1, ["error: basic_string::_M_create", last]);
  expect(unread.code).toBe("TOOL_FAILED");
  expect(unread.message).toContain("basic_string::_M_create");
  // The same copy once more, of which nix told the end alone.
  const end = copyFailure(1, [last]);
  expect(end.code).toBe("NOT_IN_CACHE");
  expect(moreTelling(end, unread)).toBe(unread);
  expect(moreTelling(unread, end)).toBe(unread);
});

test("silence has a sentence, too", () => {
  expect(copyFailure(137, []).message).toContain("137");
});
