import { expect, test } from "vitest";

import { BoundedOutput } from "./bounded-output.ts";

test("keeps all that fits and says that nothing was dropped", () => {
  const output = new BoundedOutput(10);
  output.append(Buffer.from("12345"));
  output.append(Buffer.from("67890"));
  expect([output.text(), output.droppedBytes]).toEqual(["1234567890", 0]);
});

test("keeps the last bytes of what does not fit, across chunks and within one", () => {
  const output = new BoundedOutput(4);
  output.append(Buffer.from("abc"));
  output.append(Buffer.from("def"));
  expect([output.text(), output.droppedBytes]).toEqual(["cdef", 2]);
  output.append(Buffer.from("0123456789"));
  expect([output.text(), output.droppedBytes]).toEqual(["6789", 12]);
});
