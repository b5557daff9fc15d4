import { expect, it } from "vitest";

import { changeText } from "./audit-change.ts";

it.each([
  ["", "", ""],
  ['{"a":1,"b":[]}', '{"a":1,"b":["x","y"]}', "b: none → x y"],
  ['{"scopes":["read"]}', '{"scopes":[]}', "scopes: read → none"],
  ["", '{"id":"x","tags":[],"note":"","end":null,"manifests":[{},{}]}', "id: x, manifests: 2"],
  [
    '{"devices":[{"id":"a"}]}',
    '{"change":{"addTags":[],"standing":"revoked"},"deviceIds":["a"]}',
    "standing: revoked, deviceIds: a",
  ],
  ["no json", '{"a":1}', "a: 1"],
])("from %s to %s a person reads %j", (before, after, text) => {
  expect(changeText(before, after)).toBe(text);
});
