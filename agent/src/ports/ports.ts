/** What the agent needs of the world. Adapters implement it; `adapters.ts` chooses them. */
import type { Activation, DeadMan, Loader } from "./activation.ts";
import type { Chance, Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { Health, OtherAgents } from "./health.ts";
import type { Host, Power, Space } from "./host.ts";
import type { Links } from "./links.ts";
import type { Nix } from "./nix.ts";
import type {
  Claims,
  JournalStore,
  Ledgers,
  ManifestStore,
  Outbox,
  Postponements,
  QuietPolls,
  ServerNotes,
  TrustStore,
} from "./records.ts";
import type { Bundles, RequestBox } from "./requests.ts";
import type { Server } from "./server.ts";
import type { Inhibition, Log, Overseer, Succession } from "./supervision.ts";

export interface Ports {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly journal: JournalStore;
  readonly trust: TrustStore;
  readonly manifests: ManifestStore;
  readonly outbox: Outbox;
  readonly serverNotes: ServerNotes;
  readonly requests: RequestBox;
  readonly bundles: Bundles;
  readonly links: Links;
  readonly claims: Claims;
  readonly host: Host;
  readonly space: Space;
  readonly nix: Nix;
  readonly activation: Activation;
  readonly deadMan: DeadMan;
  readonly loader: Loader;
  readonly power: Power;
  readonly health: Health;
  readonly otherAgents: OtherAgents;
  readonly server: Server;
  readonly overseer: Overseer;
  readonly succession: Succession;
  readonly quiet: QuietPolls;
  readonly inhibition: Inhibition;
  readonly postponements: Postponements;
  readonly ledgers: Ledgers;
  readonly log: Log;
}
