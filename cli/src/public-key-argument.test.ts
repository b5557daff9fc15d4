import { expect, it } from "vitest";

import { readPublicKey } from "./public-key-argument.ts";

it("gives a file without an end up instead of filling the memory with it", async () => {
  await expect(readPublicKey("/dev/zero")).rejects.toThrow(
    /^"\/dev\/zero" is no public key and no file with one/u,
  );
});
