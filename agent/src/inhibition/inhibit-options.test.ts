import { describe, expect, test } from "vitest";

import { inhibitOptions } from "./inhibit-options.ts";

describe("inhibit", () => {
  test("runs a command, whatever its own options are", () => {
    expect(inhibitOptions({ wait: "5m" }, ["rsync", "--for", "--", "x"])).toEqual({
      do: "run",
      command: ["rsync", "--for", "--", "x"],
      why: "rsync",
      waitMs: 300_000,
    });
  });

  test("takes a time, or takes it back", () => {
    expect(inhibitOptions({ for: "2h", why: "har\nvest" }, [])).toEqual({
      do: "postpone",
      forMs: 7_200_000,
      why: "har vest",
    });
    expect(inhibitOptions({ end: true }, [])).toEqual({ do: "end" });
  });

  test("says what it does not understand", () => {
    expect(inhibitOptions({}, [])).toContain("say one of");
    expect(inhibitOptions({ for: "2h", end: true }, [])).toContain("say one of");
    expect(inhibitOptions({ for: "2h" }, ["true"])).toContain("say one of");
    expect(inhibitOptions({ for: "ever" }, [])).toContain("--for ever is no duration");
    expect(inhibitOptions({ wait: "x" }, ["true"])).toContain("--wait x is no duration");
  });
});
