// buf needs buf/validate/validate.proto as a file, and the package that carries the validation
// runtime ships only its descriptor. Writing the file from that descriptor keeps generated code
// and runtime at one version without a download. Usage: node scripts/vendor-validate.ts DIR
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

import { protoSource } from "./proto-source.ts";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error("usage: node scripts/vendor-validate.ts DIR");
  process.exit(2);
}
const { proto } = file_buf_validate_validate;
const path = join(directory, proto.name);
mkdirSync(dirname(path), { recursive: true });
writeFileSync(
  path,
  `// Written by scripts/vendor-validate.ts from @bufbuild/protovalidate; edits are lost.\n${protoSource(proto)}`,
);
