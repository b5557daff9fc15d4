import { expect, test } from "vitest";

import { switchInhibitor } from "./switch-inhibitor.ts";

const system = (initInterface: string | undefined, inhibitors?: unknown) => ({
  initInterface,
  inhibitors: inhibitors === undefined ? undefined : JSON.stringify(inhibitors),
});

// oxfmt-ignore
const rows: readonly (readonly [string, ReturnType<typeof system>, ReturnType<typeof system>, string | undefined])[] = [
  ["the same interface",               system("systemd 255"),                       system("systemd 255"),                       undefined],
  ["another interface",                system("systemd 255"),                       system("systemd 256"),                       "init interface"],
  ["an interface that is gone",        system("systemd 255"),                       system(undefined),                           "init interface"],
  ["the same inhibitors",              system("2", { dbus: "a", fs: "b" }),         system("2", { dbus: "a", fs: "b" }),         undefined],
  ["an inhibitor that changed",        system("2", { dbus: "a", fs: "b" }),         system("2", { dbus: "x", fs: "b" }),         "dbus"],
  ["an inhibitor that is new or gone", system("2", { dbus: "a", old: "b" }),        system("2", { dbus: "a", fresh: "b" }),      undefined],
  ["inhibitors for the first time",    system("2"),                                 system("2", { dbus: "a" }),                  undefined],
  ["one text that changed",            system("2", "dbus one"),                     system("2", "dbus two"),                     "must not change"],
  ["one text that did not",            system("2", "dbus one"),                     system("2", "dbus one"),                     undefined],
];

test.each(rows)("%s", (_, running, closure, why) => {
  const said = switchInhibitor(running, closure);
  if (why === undefined) expect(said).toBeUndefined();
  else expect(said).toContain(why);
});
