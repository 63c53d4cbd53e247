// What an edit changed: runs of voxels that lie one after the other (RAS order, x fastest) and changed alike.

export interface Run { start: number; length: number; before: number; after: number }

const BYTES = 12 // uint32 start, uint32 length, uint16 before, uint16 after, little-endian

/** The changes of single voxels, in any order, as ascending runs. */
export function toRuns(changes: Map<number, number>, after: (index: number) => number): Run[] {
  const runs: Run[] = []
  for (const index of Uint32Array.from(changes.keys()).sort()) {
    const [before, now] = [changes.get(index)!, after(index)]
    if (before === now) continue
    const last = runs.at(-1)
    if (last && last.start + last.length === index && last.before === before && last.after === now) last.length += 1
    else runs.push({ start: index, length: 1, before, after: now })
  }
  return runs
}

export function inverse(runs: readonly Run[]): Run[] {
  return runs.map(({ start, length, before, after }) => ({ start, length, before: after, after: before }))
}

/** The journal's binary form. */
export function encode(runs: readonly Run[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(runs.length * BYTES)
  const view = new DataView(bytes.buffer)
  runs.forEach(({ start, length, before, after }, n) => {
    view.setUint32(n * BYTES, start, true)
    view.setUint32(n * BYTES + 4, length, true)
    view.setUint16(n * BYTES + 8, before, true)
    view.setUint16(n * BYTES + 10, after, true)
  })
  return bytes
}

export function decode(bytes: Uint8Array): Run[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / BYTES }, (_, n) => ({
    start: view.getUint32(n * BYTES, true), length: view.getUint32(n * BYTES + 4, true),
    before: view.getUint16(n * BYTES + 8, true), after: view.getUint16(n * BYTES + 10, true),
  }))
}
