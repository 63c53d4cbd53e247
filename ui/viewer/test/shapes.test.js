// Which voxels a tool touches, against brute force.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chance, load, PLANES } from './support.js'

const { flood, line, polygon, roundOffsets } = await load('shapes')
const SPACINGS = [[1, 1, 1], [0.7, 0.7, 5], [2, 2.5, 4], [0.45, 1.3, 0.9]]
const sorted = (voxels) => [...new Set(voxels.map(String))].sort()

test('a disc or ball holds exactly the voxels within its radius in mm', () => {
  for (const spacing of SPACINGS) for (const plane of [...PLANES, null]) for (const radius of [0, 0.3, 1, 2.5, 5, 7.7]) {
    const reach = spacing.map((mm) => Math.ceil(radius / mm) + 1)
    const expected = []
    for (let x = -reach[0]; x <= reach[0]; x++) for (let y = -reach[1]; y <= reach[1]; y++) for (let z = -reach[2]; z <= reach[2]; z++) {
      if (plane && [x, y, z][plane.normal] !== 0) continue
      if (Math.hypot(x * spacing[0], y * spacing[1], z * spacing[2]) <= radius + 1e-4) expected.push([x, y, z])
    }
    assert.deepEqual(sorted(roundOffsets(radius, spacing, plane)), sorted(expected), `${spacing} ${plane?.name} ${radius}`)
  }
})

test('a stroke between two pointer samples has both ends and no gap', () => {
  const random = chance(1)
  for (let n = 0; n < 500; n++) {
    const [from, to] = [random.voxel([40, 40, 40]), random.voxel([40, 40, 40])]
    const way = line(from, to)
    assert.deepEqual([way[0], way.at(-1)], [from, to])
    for (let k = 1; k < way.length; k++) assert.ok(way[k].every((value, axis) => Math.abs(value - way[k - 1][axis]) <= 1))
  }
})

/** Even-odd by crossings of a ray, and everything on the border, in whole numbers only: nothing is rounded. */
function isInside(corners, plane, column, row) {
  let inside = false
  for (let n = 0; n < corners.length; n++) {
    const [ax, ay] = [corners[n][plane.across], corners[n][plane.up]]
    const b = corners[(n + 1) % corners.length]
    const [bx, by] = [b[plane.across], b[plane.up]]
    const side = (bx - ax) * (row - ay) - (by - ay) * (column - ax)
    const within = column >= Math.min(ax, bx) && column <= Math.max(ax, bx) && row >= Math.min(ay, by) && row <= Math.max(ay, by)
    if (side === 0 && within) return true
    if (ay <= row !== by <= row && (by > ay) === side > 0) inside = !inside
  }
  return inside
}

test('a lasso fills exactly the voxel centres inside it (even-odd), and its own line', () => {
  const random = chance(2)
  const size = 24
  for (let n = 0; n < 400; n++) {
    const plane = random.of(PLANES)
    const fixed = random.below(size)
    const corners = Array.from({ length: 1 + random.below(9) }, () => {
      const corner = random.voxel([size, size, size])
      corner[plane.normal] = fixed
      return corner
    })
    const expected = corners.flatMap((corner, k) => line(corner, corners[(k + 1) % corners.length]))
    for (let column = 0; column < size; column++) for (let row = 0; row < size; row++) {
      if (!isInside(corners, plane, column, row)) continue
      const voxel = [...corners[0]]
      voxel[plane.across] = column
      voxel[plane.up] = row
      expected.push(voxel)
    }
    assert.deepEqual(sorted(polygon(corners, plane)), sorted(expected), JSON.stringify(corners))
  }
})

test('a fill finds exactly the voxels of the slice that hang together with its seed', () => {
  const random = chance(3)
  for (let n = 0; n < 120; n++) {
    const shape = random.voxel([14, 14, 14]).map((value) => value + 1)
    const part = random.next()
    const cells = new Map()
    const inside = (voxel) => {
      if (!cells.has(String(voxel))) cells.set(String(voxel), random.next() < part)
      return cells.get(String(voxel))
    }
    const [plane, seed] = [random.of(PLANES), random.voxel(shape)]
    const found = flood(seed, shape, plane, inside)
    const known = new Set(inside(seed) ? [String(seed)] : [])
    for (let size = -1; size !== known.size;) {
      size = known.size
      for (const text of [...known]) for (const [axis, by] of [[plane.across, 1], [plane.across, -1], [plane.up, 1], [plane.up, -1]]) {
        const next = text.split(',').map(Number)
        next[axis] += by
        if (next[axis] >= 0 && next[axis] < shape[axis] && inside(next)) known.add(String(next))
      }
    }
    assert.equal(found.length, known.size)
    assert.deepEqual(sorted(found), [...known].sort())
  }
})
