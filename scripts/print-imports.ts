// npm run docs:imports: writes the table of allowed imports into ARCHITECTURE.md.
import { readFileSync, writeFileSync } from "node:fs";

import { allowedImports } from "./allowed-imports.ts";
import { withBlock } from "./document-block.ts";
import { printed } from "./imports-table.ts";

const DOCUMENT = "ARCHITECTURE.md";

const document = readFileSync(DOCUMENT, "utf8");
writeFileSync(DOCUMENT, withBlock(document, "allowed-imports", printed(allowedImports)));
