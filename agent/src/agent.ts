import type { Config } from "./config.ts";
import type { Contact } from "./contact.ts";
import type { Notebook } from "./notebook.ts";
import type { Ports } from "./ports/ports.ts";

/** What every step of the work has at hand. */
export interface Agent {
  readonly ports: Ports;
  readonly config: Config;
  readonly notebook: Notebook;
  readonly contact: Contact;
}
