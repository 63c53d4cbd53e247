// The journal against a server that drops, repeats and forgets to answer: one chain, nothing lost, nothing out of order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chance, expectedHash, grid, load } from './support.js'

const { Journal, NO_HEAD } = await load('journal')
const { decode, encode } = await load('runs')
const { recover, takes } = await load('draft')
const { Engine } = await load('engine')
const TROUBLES = ['lost', '500', '503', '429', '401', '403', '404', 'twice', 'unanswered']

/** The API's rules for entries, with seeded trouble on the way there and back. */
class FlakyServer {
  entries = []
  state = 'open'
  busy = 0
  constructor(random, trouble) { Object.assign(this, { random, trouble }) }

  get head() { return this.entries.length ? { sequence: this.entries.length, hash: this.entries.at(-1).hash } : NO_HEAD }

  fetch = async (url, init) => {
    assert.equal(++this.busy, 1, 'one entry at a time')
    try {
      for (let k = this.random.below(3); k > 0; k--) await null
      const fate = this.random.next() < this.trouble ? this.random.of(TROUBLES) : 'well'
      if (fate === 'lost') throw new TypeError('network')
      if (/^\d+$/.test(fate)) return new Response('', { status: Number(fate) })
      const sequence = Number(/entries\/(\d+)$/.exec(url)[1])
      const answer = this.put(sequence, init)
      if (fate === 'twice') return this.put(sequence, init)
      if (fate === 'unanswered') throw new TypeError('network')
      return answer
    } finally {
      this.busy -= 1
    }
  }

  put(sequence, { method, headers, body }) {
    assert.equal(method, 'PUT')
    const [parent, hash] = [headers['X-Parent-Hash'], headers['X-Hash']]
    assert.equal(hash, expectedHash(parent, headers['X-Operation'], headers['X-Label'], body))
    if (this.entries[sequence - 1]?.hash === hash) return new Response('{}', { status: 200 })
    const refuse = (code) => new Response(JSON.stringify({ code, head: this.head }), { status: 409 })
    if (this.state !== 'open') return refuse('draft_closed')
    if (sequence > this.entries.length + 1) return refuse('draft_gap')
    if (sequence <= this.entries.length || parent !== this.head.hash) return refuse('draft_conflict')
    this.entries.push({ hash, parent, body: body.length > 1000 ? '' : String(body), operation: headers['X-Operation'] })
    return new Response('{}', { status: 201 })
  }
}

const pause = () => new Promise((resolve) => { setImmediate(resolve) })

function connect(server, head = NO_HEAD) {
  const [states, waits] = [[], []]
  const kept = new Map()
  const journal = new Journal('/v1/drafts/d', head, {
    fetch: server.fetch,
    wait: async (ms) => { waits.push(ms); for (let k = 0; k < 3; k++) await null },
    onState: (state, waiting) => states.push([state, waiting]),
    keep: (entry) => kept.set(entry.hash, entry),
    drop: (entry) => kept.delete(entry.hash),
  })
  return { journal, states, waits, kept }
}

test('500 schedules of drops, repeats and lost answers end with the same chain in the same order', async () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = chance(seed)
    const server = new FlakyServer(random, random.next() * 0.8)
    const { journal, states, kept } = connect(server)
    const sent = []
    for (let k = 1 + random.below(12); k > 0; k--) {
      const body = Uint8Array.from({ length: random.below(30) }, () => random.below(256))
      const operation = random.of(['brush', 'undo', 'redo', 'review'])
      journal.add(operation, random.below(5), body)
      sent.push([operation, String(body)])
      for (let wait = random.below(4); wait > 0; wait--) await pause()
    }
    assert.equal(await journal.flush(), true, `seed ${seed}`)
    assert.deepEqual(server.entries.map(({ operation, body }) => [operation, body]), sent, `seed ${seed}`)
    server.entries.forEach((entry, k) => assert.equal(entry.parent, k ? server.entries[k - 1].hash : NO_HEAD.hash))
    assert.equal(journal.next.hash, server.head.hash)
    assert.equal(kept.size, 0, 'what is stored need not be kept any more')
    assert.deepEqual(states.at(-1), ['saved', 0])
    assert.ok(states.every(([state, waiting]) => (state === 'saved') === (waiting === 0)), `"saved" while something waits, seed ${seed}`)
  }
})

test('after a reload the journal goes on from the head that the server has', async () => {
  const server = new FlakyServer(chance(1), 0)
  const first = connect(server)
  first.journal.add('brush', 1, new Uint8Array([1]))
  await first.journal.flush()
  const second = connect(server, server.head)
  second.journal.add('undo', 1, new Uint8Array([2]))
  assert.equal(await second.journal.flush(), true)
  assert.equal(server.entries.length, 2)
})

test('the other window of the same draft is never overwritten', async () => {
  const server = new FlakyServer(chance(1), 0)
  const [one, other] = [connect(server), connect(server)]
  one.journal.add('brush', 1, new Uint8Array([1]))
  await one.journal.flush()
  for (const body of [[2], [3]]) {
    other.journal.add('brush', 2, new Uint8Array(body))
    assert.equal(await other.journal.flush(), false)
    assert.equal(other.journal.state, 'conflict')
  }
  assert.equal(server.entries.length, 1)
})

test('a draft that was finalized elsewhere says so and takes nothing more', async () => {
  const server = new FlakyServer(chance(1), 0)
  server.state = 'finalized'
  const { journal } = connect(server)
  journal.add('brush', 1, new Uint8Array([1]))
  assert.equal(await journal.flush(), false)
  assert.equal(journal.state, 'closed')
})

test('an edit of more runs than the server takes at once goes in several entries, whole and in order', async () => {
  const server = new FlakyServer(chance(1), 0)
  const sent = []
  server.fetch = async (url, init) => {
    if (init.body.length > 32 << 20) return new Response('{"code": "entry_too_large"}', { status: 413 })
    for (const run of decode(init.body)) sent.push(run)
    return server.put(Number(/entries\/(\d+)$/.exec(url)[1]), { ...init, body: init.body })
  }
  const { journal } = connect(server)
  const runs = Array.from({ length: 2_900_000 }, (_, n) => ({ start: 2 * n, length: 1, before: 0, after: 1 }))
  journal.edit({ operation: 'threshold', label: 1, runs })
  journal.edit({ operation: 'brush', label: 1, runs: [{ start: 1, length: 1, before: 0, after: 1 }] })
  assert.equal(await journal.flush(), true)
  assert.equal(sent.length, 2_900_001)
  assert.ok(sent.slice(0, -1).every(({ start, length }, n) => start === 2 * n && length === 1))
})

test('a stroke of a label that the draft does not have is not sent, where it would block all others, and stays kept', async () => {
  const server = new FlakyServer(chance(1), 0)
  const { journal, kept } = connect(server)
  const stroke = (sequence, label, start) => ({ sequence, operation: 'brush', label, parent: 'p', hash: `h${sequence}`,
    body: encode([{ start, length: 2, before: 0, after: label }]) })
  const [foreign, known] = [stroke(1, 300, 0), stroke(2, 2, 4)]
  for (const entry of [foreign, known]) kept.set(entry.hash, entry)
  const engine = new Engine(grid([4, 3, 2]))
  const found = await recover('', [foreign, known], engine, journal, new Set([0, 1, 2]), (entry) => kept.delete(entry.hash))
  assert.equal(await journal.flush(), true)
  assert.deepEqual([found.nEdits, [...kept.keys()], server.entries.length], [1, ['h1'], 1])
  assert.deepEqual([...engine.mask.voxels.slice(0, 6)], [0, 0, 0, 0, 2, 2])
  assert.equal(takes(new Set([0, 1]), { ...known, label: 0 }), false)
})

test('what was vouched for before a draft went on elsewhere is not said again, and that is told', async () => {
  const server = new FlakyServer(chance(1), 0)
  const { journal, kept } = connect(server)
  const review = { sequence: 1, operation: 'review', label: 0, parent: 'of another', hash: 'h', body: new TextEncoder().encode('{"whole":true}') }
  kept.set(review.hash, review)
  const engine = new Engine(grid([4, 3, 2]))
  const found = await recover('', [review], engine, journal, new Set([0, 1]), (entry) => kept.delete(entry.hash))
  assert.deepEqual([found.region, found.isReviewLost, kept.size, server.entries.length], [null, true, 0, 0])
  const head = journal.next
  const next = { ...review, sequence: head.sequence + 1, parent: head.hash, hash: 'i' }
  const again = await recover('', [next], engine, journal, new Set([0, 1]), (entry) => kept.delete(entry.hash))
  assert.equal(await journal.flush(), true)
  assert.deepEqual([again.region, again.isReviewLost, server.entries.length], [{ whole: true }, false, 1])
})

test('while nothing gets through it says offline, and the pauses grow to a bound', async () => {
  const server = new FlakyServer(chance(1), 0)
  const { fetch } = server
  let refused = 30
  server.fetch = (...given) => (refused-- > 0 ? Promise.reject(new TypeError('network')) : fetch(...given))
  const { journal, states, waits } = connect(server)
  journal.add('brush', 1, new Uint8Array([1]))
  assert.equal(await journal.flush(), true)
  assert.ok(states.some(([state]) => state === 'offline'))
  waits.slice(1).forEach((ms, k) => assert.ok(ms >= waits[k]))
  assert.ok(waits[0] <= 2000 && waits.at(-1) <= 60_000 && waits.length === 30)
})

test('an edit that comes just as all is saved is sent too', async () => {
  for (let gap = 0; gap < 8; gap++) {
    const server = new FlakyServer(chance(1), 0)
    const { journal } = connect(server)
    const { onState } = journal.outside
    let isAdded = false
    journal.outside.onState = async (state, waiting) => {
      onState(state, waiting)
      if (state !== 'saved' || isAdded) return
      isAdded = true
      for (let k = 0; k < gap; k++) await null
      journal.add('undo', 1, new Uint8Array([2]))
    }
    journal.add('brush', 1, new Uint8Array([1]))
    for (let k = 0; k < 5; k++) await pause()
    assert.equal(await journal.flush(), true)
    assert.equal(server.entries.length, 2, `gap ${gap}`)
  }
})

test('what the server does not have is kept, and nothing else, whatever comes', async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = chance(seed)
    const server = new FlakyServer(random, 0.7)
    const { journal, kept } = connect(server)
    for (let k = 0; k < 8; k++) {
      journal.add('brush', 1, new Uint8Array([k]))
      for (let wait = random.below(12); wait > 0; wait--) await pause()
      const known = new Set(server.entries.map(({ hash }) => hash))
      const all = [...known, ...kept.keys()]
      assert.ok(all.includes(journal.next.hash), `seed ${seed}`)
      assert.equal(new Set(all).size, journal.next.sequence, `every entry is at the server or kept, seed ${seed}`)
    }
    await journal.flush()
  }
})

test('a draft of somebody else is said so and not tried for ever; an ended sign-in is tried again', async () => {
  const server = new FlakyServer(chance(1), 0)
  const { fetch } = server
  const answers = [[401, 'unauthorized'], [403, undefined]]
  server.fetch = (...given) => {
    const [status, code] = answers.shift() ?? []
    return status ? Promise.resolve(new Response(JSON.stringify({ code }), { status })) : fetch(...given)
  }
  const first = connect(server)
  first.journal.add('brush', 1, new Uint8Array([1]))
  assert.equal(await first.journal.flush(), true)
  assert.ok(first.states.some(([state]) => state === 'signed_out'))
  answers.push([403, 'draft_not_yours'])
  const second = connect(server, server.head)
  second.journal.add('brush', 1, new Uint8Array([2]))
  assert.equal(await second.journal.flush(), false)
  assert.equal(second.journal.state, 'not_yours')
  assert.equal(second.kept.size, 1)
})

/** A journal whose person was shut out, and whose pauses end when the test says so. */
function shutOut(status, code) {
  const server = new FlakyServer(chance(1), 0)
  const { fetch } = server
  const gate = { isShut: true, asked: 0, let: [] }
  server.fetch = (...given) => {
    gate.asked += 1
    return gate.isShut ? Promise.resolve(new Response(JSON.stringify({ code }), { status })) : fetch(...given)
  }
  const connected = connect(server)
  connected.journal.outside.wait = (ms) => new Promise((resolve) => { connected.waits.push(ms); gate.let.push(resolve) })
  return { ...connected, server, gate }
}

for (const [status, code] of [[404, 'draft_unknown'], [403, 'role_missing']]) {
  test(`whoever may not edit any more is told so, not "offline", and nothing of theirs is lost: ${code}`, async () => {
    const { journal, states, waits, kept, server, gate } = shutOut(status, code)
    journal.add('brush', 1, new Uint8Array([1]))
    assert.equal(await journal.flush(), false, 'an end, not a wait')
    assert.deepEqual([journal.state, journal.isStuck, kept.size], ['no_access', true, 1])
    journal.add('brush', 1, new Uint8Array([2])) // the stroke that was under way
    assert.equal(await journal.flush(), false)
    for (let k = 0; k < 6; k++) {
      gate.let.at(-1)()
      for (let turn = 0; turn < 3; turn++) await pause()
    }
    assert.ok(states.every(([state]) => state !== 'offline'))
    assert.ok(waits.every((ms) => ms >= 15_000) && waits.at(-1) === 300_000, String(waits))
    assert.ok(gate.asked <= 9, `${gate.asked} requests`)
    assert.equal(kept.size, 2)

    gate.isShut = false
    gate.let.at(-1)() // by itself, when the pause is over
    assert.equal(await journal.flush(), true)
    assert.deepEqual([journal.state, kept.size], ['saved', 0])
    assert.deepEqual(server.entries.map(({ body }) => body), ['1', '2'])
    assert.equal(journal.next.hash, server.head.hash)
  })
}

test('who was let in again need not wait for the next try', async () => {
  const { journal, kept, server, gate } = shutOut(404, 'draft_unknown')
  journal.add('brush', 1, new Uint8Array([1]))
  assert.equal(await journal.flush(), false)
  gate.isShut = false
  journal.retry()
  for (let turn = 0; turn < 3; turn++) await pause()
  assert.deepEqual([journal.state, journal.isStuck, kept.size], ['saved', false, 0])
  journal.add('brush', 1, new Uint8Array([2]))
  assert.equal(await journal.flush(), true)
  assert.equal(server.entries.length, 2)
})
