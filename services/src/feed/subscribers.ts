import type { DeviceStream } from "./device-stream.ts";

/** Who listens to this process: by device, and by channel once that was read. */
export class Subscribers {
  readonly #streams = new Set<DeviceStream>();
  readonly #byDevice = new Map<string, Set<DeviceStream>>();
  readonly #byChannel = new Map<string, Set<DeviceStream>>();

  get streams(): number {
    return this.#streams.size;
  }

  get devices(): number {
    return this.#byDevice.size;
  }

  all(): readonly DeviceStream[] {
    return [...this.#streams];
  }

  add(stream: DeviceStream): void {
    this.#streams.add(stream);
    put(this.#byDevice, stream.session.deviceId, stream);
  }

  remove(stream: DeviceStream): void {
    if (stream.channel !== undefined) take(this.#byChannel, stream.channel, stream);
    take(this.#byDevice, stream.session.deviceId, stream);
    this.#streams.delete(stream);
  }

  /** @returns Whether it was at another channel before, or at none. */
  place(stream: DeviceStream, channel: string): boolean {
    if (stream.channel === channel || !this.#streams.has(stream)) return false;
    if (stream.channel !== undefined) take(this.#byChannel, stream.channel, stream);
    stream.channel = channel;
    put(this.#byChannel, channel, stream);
    return true;
  }

  /** In the order in which they came. */
  ofDevice(deviceId: string): readonly DeviceStream[] {
    return [...(this.#byDevice.get(deviceId) ?? [])];
  }

  channels(): readonly string[] {
    return [...this.#byChannel.keys()];
  }

  ofChannel(channel: string): Iterable<DeviceStream> {
    return this.#byChannel.get(channel) ?? [];
  }
}

function put(index: Map<string, Set<DeviceStream>>, key: string, stream: DeviceStream): void {
  const streams = index.get(key);
  if (streams === undefined) index.set(key, new Set([stream]));
  else streams.add(stream);
}

function take(index: Map<string, Set<DeviceStream>>, key: string, stream: DeviceStream): void {
  const streams = index.get(key);
  streams?.delete(stream);
  if (streams?.size === 0) index.delete(key);
}
