// Which voxels a tool touches: pure geometry in voxels and mm, in RAS order.
import type { Vec3 } from '../grid'
import type { Plane } from '../layout'

/** Offsets of a disc in a plane, or of a ball, of a radius in mm; the middle voxel always belongs to it. */
export function roundOffsets(radiusMm: number, spacing: Vec3, plane: Plane | null): Vec3[] {
  radiusMm += 1e-4 // an oblique grid's spacing is a few bits off, and a voxel on the rim must not depend on that
  const reach = spacing.map((mm, axis) => (plane?.normal === axis ? 0 : Math.floor(radiusMm / mm))) as Vec3
  const offsets: Vec3[] = []
  for (let z = -reach[2]; z <= reach[2]; z++) {
    for (let y = -reach[1]; y <= reach[1]; y++) {
      for (let x = -reach[0]; x <= reach[0]; x++) {
        const distance = (x * spacing[0]) ** 2 + (y * spacing[1]) ** 2 + (z * spacing[2]) ** 2
        if (distance <= radiusMm ** 2) offsets.push([x, y, z])
      }
    }
  }
  return offsets
}

/** Voxels on the way from one to the other, both included, at most one voxel apart: a fast stroke has no gaps. */
export function line(from: Vec3, to: Vec3): Vec3[] {
  const steps = Math.max(1, ...from.map((value, axis) => Math.abs(to[axis]! - value)))
  return Array.from({ length: steps + 1 }, (_, step) =>
    from.map((value, axis) => Math.round(value + ((to[axis]! - value) * step) / steps)) as Vec3)
}

/** Voxels of a plane whose centres lie inside a closed polygon of voxel centres (even-odd), its corners included. */
export function polygon(corners: readonly Vec3[], plane: Plane): Vec3[] {
  const { across, up } = plane
  const found = new Map<string, Vec3>()
  const add = (voxel: Vec3): void => { found.set(voxel.join(), voxel) }
  corners.forEach((corner, n) => line(corner, corners[(n + 1) % corners.length]!).forEach(add))
  const rows = corners.map((corner) => corner[up])
  for (let row = Math.min(...rows); row <= Math.max(...rows); row++) {
    const crossings: number[] = []
    corners.forEach((a, n) => {
      const b = corners[(n + 1) % corners.length]!
      if (a[up] <= row !== b[up] <= row) crossings.push(a[across] + ((row - a[up]) / (b[up] - a[up])) * (b[across] - a[across]))
    })
    crossings.sort((a, b) => a - b)
    for (let n = 0; n + 1 < crossings.length; n += 2) {
      for (let column = Math.ceil(crossings[n]!); column <= crossings[n + 1]!; column++) {
        const voxel = [...corners[0]!] as Vec3
        voxel[across] = column
        voxel[up] = row
        add(voxel)
      }
    }
  }
  return [...found.values()]
}

/** Voxels of one slice that hang together with `seed`, edge to edge, and are `inside`. */
export function flood(seed: Vec3, shape: Vec3, plane: Plane, inside: (voxel: Vec3) => boolean): Vec3[] {
  const { across, up } = plane
  const seen = new Set<number>([seed[across] + seed[up] * shape[across]])
  const found: Vec3[] = []
  const waiting = [seed]
  while (waiting.length) {
    const voxel = waiting.pop()!
    if (!inside(voxel)) continue
    found.push(voxel)
    for (const [axis, by] of [[across, -1], [across, 1], [up, -1], [up, 1]] as const) {
      const next = [...voxel] as Vec3
      next[axis] += by
      const key = next[across] + next[up] * shape[across]
      if (next[axis] < 0 || next[axis] >= shape[axis] || seen.has(key)) continue
      seen.add(key)
      waiting.push(next)
    }
  }
  return found
}
