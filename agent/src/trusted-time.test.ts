import { describe, expect, test } from "vitest";

import { certainTimeS, certainlyExpired } from "./trusted-time.ts";

const sources = { signedTimeS: 1000, builtAtS: 500, wallS: 4_000_000_000, synchronized: false };

describe("trusted time", () => {
  test("a wall clock that nobody keeps right counts for nothing, be it 1970 or 2099", () => {
    expect(certainTimeS(sources)).toBe(1000);
    expect(certainTimeS({ ...sources, wallS: 0 })).toBe(1000);
    expect(certainTimeS({ ...sources, synchronized: true })).toBe(4_000_000_000);
  });

  test("a manifest expires by signed times alone where there is no clock", () => {
    expect(certainlyExpired(999n, sources)?.code).toBe("EXPIRED");
    expect(certainlyExpired(1000n, sources)).toBeUndefined();
    expect(certainlyExpired(0n, { ...sources, synchronized: true })).toBeUndefined();
  });
});
