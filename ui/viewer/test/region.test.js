// The reviewed region: pure rules of ranges and slices, against plain sets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chance, load } from './support.js'

const { count, coversEdits, holds, isEmpty, isReviewed, NOTHING, slicesOf, withEdit, withoutSlice, withRange } = await load('region')
const N = 20
const members = (ranges) => Array.from({ length: N }, (_, slice) => slice).filter((slice) => holds(ranges, slice))

test('ranges behave like the set of their slices, in order and merged', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = chance(seed)
    let ranges = []
    const expected = new Set()
    for (let k = 0; k < 12; k++) {
      const [a, b] = [random.below(N), random.below(N)]
      if (random.next() < 0.7) {
        ranges = withRange(ranges, a, b)
        for (let slice = Math.min(a, b); slice <= Math.max(a, b); slice++) expected.add(slice)
      } else {
        ranges = withoutSlice(ranges, a)
        expected.delete(a)
      }
      assert.deepEqual(members(ranges), [...expected].sort((x, y) => x - y), `seed ${seed}`)
      assert.equal(count(ranges), expected.size)
    }
    const merged = withRange(ranges, 0, 0)
    merged.slice(1).forEach(([first], n) => assert.ok(first > merged[n][1] + 1, 'merged where they touch'))
  }
})

test('the slices of runs are those of their voxels, one by one', () => {
  const shape = [5, 4, 3]
  for (let seed = 0; seed < 300; seed++) {
    const random = chance(seed)
    const start = random.below(60)
    const runs = [{ start, length: 1 + random.below(60 - start), before: 0, after: 1 }]
    const expected = { axial: new Set(), coronal: new Set(), sagittal: new Set() }
    for (let at = start; at < start + runs[0].length; at++) {
      expected.axial.add(Math.floor(at / 20))
      expected.coronal.add(Math.floor(at / 5) % 4)
      expected.sagittal.add(at % 5)
    }
    const found = slicesOf(runs, shape)
    const edited = withEdit({ axial: [], coronal: [], sagittal: [] }, runs, shape)
    for (const plane of ['axial', 'coronal', 'sagittal']) {
      const sorted = [...expected[plane]].sort((a, b) => a - b)
      assert.deepEqual([...found[plane]].sort((a, b) => a - b), sorted)
      assert.deepEqual(members(edited[plane]), sorted)
    }
  }
})

test('a slice is reviewed by itself, by the whole, or where another plane covers everything', () => {
  const shape = [4, 5, 6]
  assert.equal(isReviewed(NOTHING, 'axial', 2, shape), false)
  assert.equal(isReviewed({ ...NOTHING, axial: [[2, 3]] }, 'axial', 2, shape), true)
  assert.equal(isReviewed({ ...NOTHING, axial: [[2, 3]] }, 'coronal', 2, shape), false)
  assert.equal(isReviewed({ ...NOTHING, axial: [[0, 5]] }, 'coronal', 2, shape), true)
  assert.equal(isReviewed({ ...NOTHING, whole: true }, 'sagittal', 0, shape), true)
  assert.equal(isEmpty(NOTHING), true)
  assert.equal(isEmpty({ ...NOTHING, whole: true, labels: [] }), true)
  assert.equal(isEmpty({ ...NOTHING, sagittal: [[1, 1]] }), false)
})

test('an edit is covered by reviewed slices of any one plane, or by the whole volume', () => {
  const shape = [5, 4, 3]
  const edited = { axial: [[1, 1]], coronal: [[0, 1]], sagittal: [[2, 3]] }
  const covers = (region) => coversEdits({ ...NOTHING, ...region }, edited, shape)
  assert.equal(covers({}), false)
  assert.equal(covers({ axial: [[0, 0], [2, 2]] }), false)
  assert.equal(covers({ axial: [[1, 1]] }), true)
  assert.equal(covers({ coronal: [[1, 3]] }), false)
  assert.equal(covers({ coronal: [[0, 3]] }), true)
  assert.equal(covers({ whole: true }), true)
  assert.equal(coversEdits(NOTHING, { axial: [], coronal: [], sagittal: [] }, shape), true)
})
