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

it("leaves spare columns out where the terminal is too narrow, and only as many as it must", () => {
  const columns = [
    { title: "NAME" },
    { title: "CHANNEL", spare: 1 },
    { title: "TARGET", spare: 2 },
    { title: "STATE" },
  ];
  const rows = [["fridge-001", "prod", "front-door", "idle"]];
  const titles = (maxWidth: number) =>
    renderTable(columns, rows, { maxWidth }).split("\n")[0]?.split(/ +/u);
  expect(titles(80)).toEqual(["NAME", "CHANNEL", "TARGET", "STATE"]);
  expect(titles(38)).toEqual(["NAME", "CHANNEL", "TARGET", "STATE"]);
  expect(titles(37)).toEqual(["NAME", "CHANNEL", "STATE"]);
  expect(titles(20)).toEqual(["NAME", "STATE"]);
  expect(titles(5)).toEqual(["NAME", "STATE"]);
});

it("breaks sentences of fields at blanks, and no word", () => {
  const sentence = "r42 failed on it and it will not try again";
  expect(renderFields([["because", sentence]], undefined, 30)).toBe(
    ["because  r42 failed on it and", "         it will not try again"].join("\n"),
  );
  const path = "/nix/store/5aixlp2q5j8bv7nfrpl3zvakwbkhcq3i-nixos-system";
  expect(renderFields([["path", path]], undefined, 30)).toBe(`path  ${path}`);
  const red = (text: string): string => styleText("red", text, { validateStream: false });
  expect(renderFields([["because", red(sentence)]], undefined, 30).split("\n")).toHaveLength(2);
});
