import { Point } from "@noble/ed25519";

/** Modulus of the field and order of the prime subgroup. */
export const { p: P, n: L } = Point.CURVE();

/** A number as 32 bytes, lowest first. */
export function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 255n));
}

/** The number that bytes spell, lowest first. */
export function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** An encoded point with any y, also one at or above the modulus. */
export function pointBytes(y: bigint, signBit: boolean): Uint8Array {
  return littleEndian(y | (signBit ? 1n << 255n : 0n));
}

/** Any point of order 8: what is left of a point when the prime part is taken out. */
export function pointOfOrderEight(): Point {
  for (let y = 2n; ; y += 1n) {
    let point: Point;
    try {
      point = Point.fromBytes(pointBytes(y, false));
    } catch {
      // About half of all y belong to no point.
      continue;
    }
    const torsion = point.multiplyUnsafe(L - 1n).add(point);
    const ofOrderFour = torsion.double();
    if (!ofOrderFour.double().is0()) return torsion;
  }
}

/** The eight points whose order divides 8, the identity first. */
export function smallOrderPoints(): Point[] {
  const generator = pointOfOrderEight();
  const points = [Point.ZERO];
  for (let next = generator; !next.is0(); next = next.add(generator)) points.push(next);
  return points;
}

/**
 * Every encoding of a small-order point that is not its canonical one: y plus
 * the modulus where that fits into 255 bits, or the sign of an x that is 0.
 */
export function nonCanonicalSmallOrder(): Uint8Array[] {
  return smallOrderPoints().flatMap((point) => {
    const { x, y } = point.toAffine();
    const spellings = y + P < 1n << 255n ? [y, y + P] : [y];
    const canonical = toNumber(point.toBytes());
    return spellings
      .flatMap((spelling) =>
        (x === 0n ? [false, true] : [(x & 1n) === 1n]).map((sign) => pointBytes(spelling, sign)),
      )
      .filter((bytes) => toNumber(bytes) !== canonical);
  });
}
