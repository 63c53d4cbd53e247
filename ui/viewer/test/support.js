// What the tests share: the compiled modules, seeded chance, and what the API does with a draft's entries.
import { createHash } from 'node:crypto'

export const load = (name) => import(`${process.env.EDIT_BUILD}/${name}.js`)

/** Seeded chance (mulberry32), so that a failure can be seen again. */
export function chance(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n) => Math.floor(next() * n)
  return { next, below, of: (list) => list[below(list.length)], voxel: (shape) => shape.map(below) }
}

const sha = (data) => createHash('sha256').update(data).digest('hex')
export const expectedHash = (parent, operation, label, body) => sha(`${parent}\n${operation}\n${label}\n${sha(body)}`)

export const PLANES = [
  { index: 0, name: 'Axial', normal: 2, across: 0, up: 1 },
  { index: 1, name: 'Coronal', normal: 1, across: 0, up: 2 },
  { index: 2, name: 'Sagittal', normal: 0, across: 1, up: 2 },
]

export const grid = (shape, voxels = new Uint8Array(shape[0] * shape[1] * shape[2]), spacing = [1, 1, 1]) =>
  ({ shape, voxels, spacing, affine: [] })

/** Apply an entry's runs as the API does on replay: each voxel must be what the run says it was. */
export function applyStrictly(voxels, runs, where = '') {
  let end = 0
  for (const { start, length, before, after } of runs) {
    if (length < 1 || start < end || before === after || start + length > voxels.length) throw new Error(`a bad run ${where}`)
    end = start + length
    for (let at = start; at < end; at++) {
      if (voxels[at] !== before) throw new Error(`draft_corrupt ${where}: voxel ${at} is ${voxels[at]}, the run says ${before}`)
      voxels[at] = after
    }
  }
}
