// Finding a label in a mask.
import type { Grid, Vec3 } from './grid'

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
  if (best < 0) return null
  let [sumX, sumY] = [0, 0]
  const found: [number, number][] = []
  for (let at = best * inSlice, n = 0; n < inSlice; at++, n++) {
    if (voxels[at] !== label) continue
    const [x, y] = [n % nx, Math.floor(n / nx)]
    sumX += x
    sumY += y
    found.push([x, y])
  }
  const [cx, cy] = [sumX / most, sumY / most]
  let nearest = found[0]!
  const distance = ([x, y]: [number, number]): number => (x - cx) ** 2 + (y - cy) ** 2
  for (const point of found) if (distance(point) < distance(nearest)) nearest = point
  return [nearest[0], nearest[1], best]
}
