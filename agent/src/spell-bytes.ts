/** For people: `12.3 MiB`. */
export const mib = (bytes: number) => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
