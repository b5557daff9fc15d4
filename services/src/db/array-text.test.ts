import fc from "fast-check";
import { expect, test } from "vitest";

import { readArray } from "./array-text.ts";

test.each<[string, string[]]>([
  ["{}", []],
  ["{a}", ["a"]],
  ["{a,b c,publish:*}", ["a", "b c", "publish:*"]],
  ['{"a,b","{}",""}', ["a,b", "{}", ""]],
  ['{"say \\"so\\"","back\\\\slash"}', ['say "so"', "back\\slash"]],
])("%s", (text, members) => {
  expect(readArray(text)).toEqual(members);
});

test("whatever is quoted as PostgreSQL quotes it comes back", () => {
  const quote = (member: string) => `"${member.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  fc.assert(
    fc.property(fc.array(fc.string()), (members) => {
      expect(readArray(`{${members.map(quote).join(",")}}`)).toEqual(members);
    }),
  );
});
