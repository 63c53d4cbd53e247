// Finding a label in a mask.
import type { Grid, Vec3 } from './grid'

/** The voxel of a slice nearest to the middle of those that `isMeant`; null where there is none. */
function middleInSlice(shape: Vec3, z: number, isMeant: (at: number) => boolean): Vec3 | null {
  const [nx, ny] = shape
  const start = z * nx * ny
  const found: [number, number][] = []
  for (let n = 0; n < nx * ny; n++) if (isMeant(start + n)) found.push([n % nx, Math.floor(n / nx)])
  const [cx, cy] = [0, 1].map((axis) => found.reduce((sum, point) => sum + point[axis]!, 0) / found.length) as [number, number]
  const distance = ([x, y]: [number, number]): number => (x - cx) ** 2 + (y - cy) ** 2
  let nearest = found[0]
  for (const point of found) if (distance(point) < distance(nearest!)) nearest = point
  return nearest ? [nearest[0], nearest[1], z] : null
}

/** A voxel of the label near the middle of the axial slice that has most of it; null where the label is absent. */
export function middleOf(mask: Grid, label: number): Vec3 | null {
  const [nx, ny, nz] = mask.shape
  const { voxels } = mask
  const inSlice = nx * ny
  let [best, most] = [-1, 0]
  for (let z = 0; z < nz; z++) {
    let count = 0
    for (let at = z * inSlice, end = at + inSlice; at < end; at++) if (voxels[at] === label) count++
    if (count > most) [best, most] = [z, count]
  }
  return best < 0 ? null : middleInSlice(mask.shape, best, (at) => voxels[at] === label)
}
