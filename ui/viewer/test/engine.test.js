// Strokes, undo and redo, and what the journal hears of them.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { applyStrictly, chance, grid, load, PLANES } from './support.js'

const { Engine } = await load('engine')
const { decode, encode, inverse, toRuns } = await load('runs')
const { line, roundOffsets } = await load('shapes')
const { sha256 } = await load('sha256')

const SHAPE = [17, 12, 9]
const withValues = (mask, values) => Object.assign(new Engine(mask, () => values), { ct: values })
const at = ([x, y, z]) => x + SHAPE[0] * (y + SHAPE[1] * z)

/** Draw a stroke, over the volume's edges too; returns what the journal is told. */
function draw(engine, random, rules) {
  const label = random.below(4)
  engine.begin(label ? 'brush' : 'erase', label, rules)
  const offsets = roundOffsets(random.next() * 6, [1, 1.5, 3], random.of([...PLANES, null]))
  for (let from = random.voxel(SHAPE), k = random.below(4); k >= 0; k--) {
    const to = random.voxel(SHAPE)
    for (const middle of line(from, to)) engine.paint(offsets.map((by) => by.map((value, axis) => value + middle[axis])))
    from = to
  }
  return engine.end()
}

function start(random, Kind = Uint8Array) {
  const mask = grid(SHAPE, Kind.from({ length: SHAPE[0] * SHAPE[1] * SHAPE[2] }, () => random.below(4)))
  return { mask, engine: withValues(mask, grid(SHAPE, Int16Array.from(mask.voxels, () => random.below(400) - 200))) }
}

test('undoing everything gives the first array back, redoing everything the last', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = chance(seed)
    const { mask, engine } = start(random, seed % 2 ? Uint16Array : Uint8Array)
    const past = [mask.voxels.slice()]
    for (let k = 0; k < 12; k++) if (draw(engine, random)) past.push(mask.voxels.slice())
    for (let k = past.length - 2; k >= 0; k--) {
      engine.undo()
      assert.deepEqual(mask.voxels, past[k])
    }
    assert.equal(engine.undo(), null)
    for (let k = 1; k < past.length; k++) {
      engine.redo()
      assert.deepEqual(mask.voxels, past[k])
    }
    assert.equal(engine.redo(), null)
  }
})

test('what the journal is told rebuilds the mask, whatever was drawn, undone, redone or cancelled', () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = chance(1000 + seed)
    const { mask, engine } = start(random)
    const replayed = mask.voxels.slice()
    for (let k = 0; k < 40; k++) {
      const what = random.of(['draw', 'draw', 'undo', 'undo', 'redo', 'cancel'])
      let edit = null
      if (what === 'draw') edit = draw(engine, random)
      else if (what === 'cancel') {
        engine.begin('brush', 1)
        engine.paint([random.voxel(SHAPE), random.voxel(SHAPE)])
        engine.cancel()
      } else edit = engine[what]()
      if (edit) applyStrictly(replayed, decode(encode(edit.runs)), `seed ${seed}, step ${k}, ${what}`)
      assert.deepEqual(mask.voxels, replayed, `seed ${seed}, step ${k}, ${what}`)
    }
  }
})

test('locked labels, other labels and values out of range are never painted over', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = chance(2000 + seed)
    const { mask, engine } = start(random)
    const before = mask.voxels.slice()
    const rules = {
      locked: new Set([1, 2, 3].filter(() => random.next() < 0.4)),
      only: random.next() < 0.5 ? null : new Set([0, 1, 2, 3].filter(() => random.next() < 0.5)),
      range: random.next() < 0.5 ? null : [-100, 50],
    }
    draw(engine, random, rules)
    const values = engine.ct.voxels
    mask.voxels.forEach((label, index) => {
      if (label === before[index]) return
      assert.ok(!rules.locked.has(before[index]) && (!rules.only || rules.only.has(before[index])), `seed ${seed}`)
      assert.ok(!rules.range || (values[index] >= -100 && values[index] <= 50), `seed ${seed}`)
    })
  }
})

test('the box for the screen holds every changed voxel', () => {
  const random = chance(5)
  const { mask, engine } = start(random)
  for (let k = 0; k < 300; k++) {
    const before = mask.voxels.slice()
    if (k % 3) draw(engine, random)
    else engine[random.of(['undo', 'redo'])]()
    const box = engine.takeTouched()
    for (let z = 0; z < SHAPE[2]; z++) for (let y = 0; y < SHAPE[1]; y++) for (let x = 0; x < SHAPE[0]; x++) {
      if (before[at([x, y, z])] === mask.voxels[at([x, y, z])]) continue
      assert.ok(box && [x, y, z].every((value, axis) => box.from[axis] <= value && value <= box.to[axis]))
    }
    assert.equal(engine.takeTouched(), null)
  }
})

test('a new stroke ends what could be redone, and one that changes nothing does not', () => {
  const engine = new Engine(grid(SHAPE))
  const dot = (label, voxel) => { engine.begin('brush', label); engine.paint([voxel]); return engine.end() }
  dot(1, [0, 0, 0])
  engine.undo()
  assert.equal(dot(0, [5, 5, 5]), null)
  assert.ok(engine.canRedo)
  assert.ok(dot(2, [1, 0, 0]))
  assert.ok(!engine.canRedo)
})

test('runs survive their binary form, ascend and are as few as they can be', () => {
  const random = chance(7)
  for (let n = 0; n < 100; n++) {
    const after = Uint16Array.from({ length: 500 }, () => random.of([0, 1, 65535]))
    const changes = new Map(Array.from({ length: random.below(300) }, () => [random.below(500), random.of([0, 1, 300])]))
    const runs = toRuns(changes, (index) => after[index])
    const bytes = encode(runs)
    assert.equal(bytes.length, runs.length * 12)
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    assert.deepEqual(decode(moved.subarray(3)), runs)
    assert.deepEqual(inverse(inverse(runs)), runs)
    const voxels = after.slice()
    for (const [index, before] of changes) voxels[index] = before
    applyStrictly(voxels, runs)
    assert.deepEqual(voxels, after)
    runs.slice(1).forEach((run, k) => assert.ok(
      runs[k].start + runs[k].length < run.start || runs[k].before !== run.before || runs[k].after !== run.after))
  }
  assert.deepEqual([...encode([{ start: 0x01020304, length: 5, before: 6, after: 0x0708 }])], [4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 8, 7])
})

test("our SHA-256 is everybody's", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = randomBytes(length)
    assert.equal(sha256(new Uint8Array(bytes)), createHash('sha256').update(bytes).digest('hex'))
  }
  const large = randomBytes(1_234_567)
  assert.equal(sha256(large), createHash('sha256').update(large).digest('hex'))
  assert.equal(sha256('Größe µm'), createHash('sha256').update('Größe µm').digest('hex'))
})

test('a stroke that nobody ended is taken back when the next begins, so that the journal still fits', () => {
  const mask = grid([4, 1, 1])
  const engine = new Engine(mask)
  const replayed = mask.voxels.slice()
  engine.begin('brush', 1)
  engine.paint([[0, 0, 0], [1, 0, 0]])
  engine.begin('brush', 2)
  engine.paint([[1, 0, 0]])
  applyStrictly(replayed, engine.end().runs)
  assert.deepEqual(mask.voxels, replayed)
})

test('undo and redo after a reload fit the mask, wherever the remembered entries begin', () => {
  for (let seed = 0; seed < 2000; seed++) {
    const random = chance(seed)
    const mask = grid([6, 1, 1])
    const engine = new Engine(mask)
    const entries = []
    for (let k = 0; k < 14; k++) {
      let edit
      if (random.next() < 0.45) {
        engine.begin('brush', random.below(4))
        engine.paint([[random.below(6), 0, 0], [random.below(6), 0, 0]])
        edit = engine.end()
      } else edit = engine[random.of(['undo', 'undo', 'redo'])]()
      if (edit) entries.push(structuredClone(edit))
    }
    const reloaded = new Engine(grid([6, 1, 1], mask.voxels.slice()))
    reloaded.remember(entries.slice(random.below(entries.length + 1)))
    const server = mask.voxels.slice()
    for (let k = 0; k < 12; k++) {
      const edit = reloaded[random.of(['undo', 'redo'])]()
      if (edit) applyStrictly(server, edit.runs, `seed ${seed}`)
    }
    assert.deepEqual(reloaded.mask.voxels, server)
  }
})

test('every voxel that the rules allow is painted, the bounds of the range included', () => {
  const values = Int16Array.from({ length: 8 }, (_, k) => k)
  const engine = withValues(grid([8, 1, 1]), grid([8, 1, 1], values))
  engine.begin('brush', 3, { only: new Set([0]), locked: new Set([1]), range: [2, 5] })
  engine.paint(Array.from(values, (k) => [k, 0, 0]))
  engine.end()
  assert.deepEqual([...engine.mask.voxels], [0, 0, 3, 3, 3, 3, 0, 0])
})

test('the box of one run over several rows or slices holds them whole', () => {
  const shape = [5, 4, 3]
  for (let from = 0; from < 60; from += 7) for (let stop = from + 1; stop <= 60; stop += 3) {
    const engine = new Engine(grid(shape))
    engine.begin('fill', 1)
    engine.paint(Array.from({ length: stop - from }, (_, k) => [(from + k) % 5, Math.floor((from + k) / 5) % 4, Math.floor((from + k) / 20)]))
    assert.equal(engine.end().runs.length, 1)
    engine.takeTouched()
    engine.undo()
    const box = engine.takeTouched()
    for (let k = from; k < stop; k++) {
      const voxel = [k % 5, Math.floor(k / 5) % 4, Math.floor(k / 20)]
      assert.ok(voxel.every((value, axis) => box.from[axis] <= value && value <= box.to[axis]), `${from} ${stop}`)
    }
  }
})

test('the counts of labels are those of a recount, whatever was done', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = chance(4000 + seed)
    const { mask, engine } = start(random)
    for (let k = 0; k < 25; k++) {
      const what = random.of(['draw', 'draw', 'undo', 'redo', 'cancel', 'apply'])
      if (what === 'draw') draw(engine, random)
      else if (what === 'cancel') {
        engine.begin('brush', 1)
        engine.paint([random.voxel(SHAPE)])
        engine.cancel()
      } else if (what === 'apply') {
        const index = random.below(mask.voxels.length)
        const before = mask.voxels[index]
        engine.apply('grow', 3, [{ start: index, length: 1, before, after: (before + 1) % 4 }])
      } else engine[what]()
    }
    for (let label = 0; label < 4; label++) {
      assert.equal(engine.counts[label], mask.voxels.filter((value) => value === label).length, `seed ${seed}`)
    }
  }
})

test("what was reckoned elsewhere is done only where every voxel is still what it was, and can be undone", () => {
  const { mask, engine } = start(chance(7))
  const before = mask.voxels.slice()
  const wrong = [{ start: 5, length: 1, before: (mask.voxels[5] + 1) % 4, after: 9 }]
  assert.equal(engine.apply('grow', 9, wrong), null)
  assert.deepEqual(mask.voxels, before)
  const right = [{ start: 5, length: 1, before: mask.voxels[5], after: 9 }]
  assert.equal(engine.apply('grow', 9, right).operation, 'grow')
  assert.equal(mask.voxels[5], 9)
  engine.undo()
  assert.deepEqual(mask.voxels, before)
})
