import { styleText } from "node:util";

import { expect, it } from "vitest";

import { renderFields, renderTable } from "./table.ts";

const COLUMNS = [{ title: "NAME" }, { title: "COUNT", align: "right" }, { title: "END" }] as const;

it("aligns columns, to the right where asked, without blanks at the end", () => {
  const table = renderTable(COLUMNS, [
    ["a", "1", "x"],
    ["longer", "1000", ""],
    ["ü→", "22", "y z"],
  ]);
  expect(table).toBe(
    ["NAME    COUNT  END", "a           1  x", "longer   1000", "ü→         22  y z"].join("\n"),
  );
});

it("does not count colour as width", () => {
  const red = (text: string): string => styleText("red", text, { validateStream: false });
  const lines = renderTable(COLUMNS, [
    [red("abcde"), "1", "x"],
    ["abcde", "1", "x"],
  ]).split("\n");
  expect(lines[1]).toBe(lines[2]?.replace("abcde", red("abcde")));
});

it("aligns fields, indents further lines of a value and leaves out empty ones", () => {
  expect(
    renderFields([
      ["path", "/nix"],
      ["nothing", ""],
      ["packages", "2\na\nb"],
    ]),
  ).toBe(["path      /nix", "packages  2", "          a", "          b"].join("\n"));
});

it("cuts the last column to the terminal's width, but neither colour nor a sliver", () => {
  const rows = [["a", "1", "a sentence that is longer than the rest of the line"]];
  const cut = renderTable(COLUMNS, rows, { maxWidth: 40 });
  expect(cut.split("\n")[1]).toBe("a         1  a sentence that is longer …");
  expect(cut.split("\n")[1]).toHaveLength(40);
  expect(renderTable(COLUMNS, rows, { maxWidth: 5 }).split("\n")[1]).toContain("a sentence that…");
  expect(renderTable(COLUMNS, rows)).toContain("rest of the line");
});
