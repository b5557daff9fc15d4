import { once } from "node:events";
import * as net from "node:net";

/** A connection to a database that can go dead without a word, as a pulled cable does. */
export class Wire implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #links = new Set<{ dead: boolean; ends: readonly net.Socket[] }>();
  #isCut = false;
  /** Bytes that still come back before it goes dead. */
  #left = Number.POSITIVE_INFINITY;

  private constructor({ hostname, port }: URL) {
    this.#server = net.createServer((near) => {
      const far = net.connect(Number(port), hostname);
      const link = { dead: this.#isCut, ends: [near, far] };
      this.#links.add(link);
      near.on("data", (bytes) => void (link.dead || far.write(bytes)));
      far.on("data", (bytes) => {
        if (link.dead) return;
        near.write(bytes.subarray(0, this.#left));
        this.#left -= bytes.length;
        if (this.#left <= 0) this.cut();
      });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("error", () => undefined).on("close", () => link.dead || to.destroy());
      }
    });
  }

  static async to(database: URL): Promise<Wire> {
    const wire = new Wire(database);
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    return wire;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Connections that whoever asks the database holds open. */
  get held(): number {
    return [...this.#links].filter(({ ends }) => ends[0]?.closed === false).length;
  }

  /** Every connection of now, and every one until it is mended, says nothing more. */
  cut(): void {
    this.#isCut = true;
    for (const link of this.#links) link.dead = true;
  }

  /** Cuts it in the middle of what the database says. */
  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  /** Connections from here on work; those that went dead stay so. */
  mend(): void {
    this.#isCut = false;
    this.#left = Number.POSITIVE_INFINITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { ends } of this.#links) for (const end of ends) end.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
