// Voxels and where they lie: fetching a viewer copy (RAS order, x fastest) and its geometry.

export type Vec3 = [number, number, number]
export type Voxels = Int16Array | Uint8Array | Uint16Array
/** A voxel grid with its values; `shape` is (x, y, z), `affine` maps a voxel index to world RAS+ mm. */
export interface Grid {
  shape: Vec3; affine: number[][]; spacing: Vec3; voxels: Voxels
  head?: { sequence: number; hash: string } // of a draft: the last edit these voxels hold
}

/** A failure whose message is fit for the user. */
export class LoadError extends Error {}

/** Refuse a grid whose axes don't point right, front and up: shown as if they did, it could be mirrored. */
export function checkRas(affine: number[][]): void {
  for (let axis = 0; axis < 3; axis++) {
    const column = [0, 1, 2].map((row) => affine[row]![axis]!)
    if (column[axis]! < Math.max(...column.map(Math.abs))) {
      throw new LoadError('The volume is not in RAS order, so left and right are not certain; it is not shown.')
    }
  }
}

/** Say why a mask can't lie on a volume; null when it can. */
export function gridProblem(mask: Grid, volume: Grid): string | null {
  if (mask.shape.join() !== volume.shape.join()) return "Its grid is not the volume's grid."
  const moved = mask.affine.some((row, r) => row.some((value, c) => Math.abs(value - volume.affine[r]![c]!) > 0.01))
  return moved ? 'It does not lie where the volume lies.' : null
}

/** The value at a voxel, or null outside. */
export function valueAt(grid: Grid | null, [i, j, k]: Vec3): number | null {
  if (!grid || [i, j, k].some((v, axis) => v < 0 || v >= grid.shape[axis]!)) return null
  return grid.voxels[i + grid.shape[0] * (j + grid.shape[1] * k)] ?? null
}

/** A mask in another label set's indices; what is not named stays as it is. */
export function translated(mask: Grid, indices: Record<number, number>): Grid {
  const table = Uint16Array.from({ length: 65536 }, (_, index) => indices[index] ?? index)
  return { ...mask, voxels: Uint16Array.from(mask.voxels, (index) => table[index]!) }
}

/** The voxel of `to` that holds the centre of a voxel of `from`; both cover the same field of view. */
export function sameVoxel(from: Vec3, to: Vec3, voxel: Vec3): Vec3 {
  return voxel.map((v, axis) => Math.min(to[axis]! - 1, Math.floor(((v + 0.5) / from[axis]!) * to[axis]!))) as Vec3
}

async function explain(response: Response): Promise<string> {
  const problem = await response.json().catch(() => null) as { detail?: unknown } | null
  if (typeof problem?.detail === 'string') return problem.detail
  return `The server answered ${response.status}.`
}

function describe(headers: Headers): Grid {
  const shape = JSON.parse(headers.get('X-Shape') ?? 'null') as Vec3 | null
  const flat = (JSON.parse(headers.get('X-Affine') ?? 'null') as number[][] | number[] | null)?.flat()
  if (!shape || flat?.length !== 16) throw new LoadError('The server did not say how the voxels lie.')
  const affine = [0, 4, 8, 12].map((start) => flat.slice(start, start + 4))
  checkRas(affine)
  const spacing = [0, 1, 2].map((c) => Math.hypot(affine[0]![c]!, affine[1]![c]!, affine[2]![c]!)) as Vec3
  const grid: Grid = { shape, affine, spacing, voxels: new Uint8Array(0) }
  const [sequence, hash] = [headers.get('X-Sequence'), headers.get('X-Hash')]
  if (sequence !== null && hash !== null) grid.head = { sequence: Number(sequence), hash }
  return grid
}

function kindOf(dtype: string): typeof Int16Array | typeof Uint8Array | typeof Uint16Array {
  if (/uint16|u2/.test(dtype)) return Uint16Array
  if (/uint8|u1/.test(dtype)) return Uint8Array
  if (/int16|i2/.test(dtype)) return Int16Array
  throw new LoadError(`Voxels of type "${dtype}" can't be shown.`)
}

/** Ask for the geometry alone (the voxels stay empty). */
export async function probeGrid(url: string, signal: AbortSignal): Promise<Grid> {
  // Not through the cache: a cached piece would hold up the request for the whole.
  const response = await fetch(url, { signal, credentials: 'same-origin', cache: 'no-store', headers: { Range: 'bytes=0-0' } })
  if (!response.ok) throw new LoadError(await explain(response))
  const grid = describe(response.headers)
  await response.body?.cancel()
  return grid
}

/**
 * Fetch one viewer copy into one buffer.
 *
 * `onSlices(grid, n)` is called as the voxels arrive: the first `n` slices along z are complete.
 */
export async function fetchGrid(url: string, signal: AbortSignal, onSlices?: (grid: Grid, n: number) => void): Promise<Grid> {
  const response = await fetch(url, { signal, credentials: 'same-origin' })
  if (!response.ok) throw new LoadError(await explain(response))
  const grid = describe(response.headers)
  const Kind = kindOf(response.headers.get('X-Dtype') ?? '')
  const [nx, ny, nz] = grid.shape
  const bytes = new Uint8Array(nx * ny * nz * Kind.BYTES_PER_ELEMENT)
  grid.voxels = new Kind(bytes.buffer)
  const sliceBytes = bytes.length / nz
  let at = 0
  const reader = response.body!.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    if (at + value.length > bytes.length) throw new LoadError('The server sent more voxels than announced.')
    bytes.set(value, at)
    at += value.length
    onSlices?.(grid, Math.floor(at / sliceBytes))
  }
  if (at !== bytes.length) throw new LoadError('The server sent fewer voxels than announced.')
  return grid
}
