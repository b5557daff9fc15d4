// npm run docs:imports: writes the table of allowed imports into ARCHITECTURE.md.
import { readFileSync, writeFileSync } from "node:fs";

import { allowedImports } from "./allowed-imports.ts";
import { printed, withBlock } from "./imports-table.ts";

const DOCUMENT = "ARCHITECTURE.md";

writeFileSync(DOCUMENT, withBlock(readFileSync(DOCUMENT, "utf8"), printed(allowedImports)));
