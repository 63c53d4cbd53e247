// A draft as the API keeps it: its voxels are loaded like a mask's; here are its edits, its tools, its end and its head.
import { LoadError, type Grid } from '../grid'
import { TEXT } from '../text'
import type { Computed, Engine } from './engine'
import { isNoAccess, type Entry, type Head, type Journal } from './journal'
import type { Region, Slices } from './region'
import { decode, toRuns, type Run } from './runs'

interface EntryOut { sequence: number; operation: string; label: number; hash: string; body: string }
interface EntryPage { items: EntryOut[]; next_after: number | null }
export interface PastEdit { operation: string; label: number; runs: Run[] }
/** What a draft has changed so far, and what its owner vouches for. */
export interface Changes extends Head { edited: Slices; reviewed: Region | null }

const UNDOABLE = 200 // so many edits back can be undone after a reload

async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(url, { credentials: 'same-origin', ...init })
  if (answer.ok) return answer
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; code?: string }
  if (isNoAccess(answer.status, problem.code)) throw new LoadError(`${TEXT.noAccess}. ${TEXT.noAccessWhy}`)
  throw new LoadError(problem.detail ?? `The server answered ${answer.status}.`)
}

async function get<T>(url: string): Promise<T> {
  return (await (await ask(url)).json()) as T
}

function post(url: string, body: object): Promise<Response> {
  return ask(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0))
}

/** The latest edits, oldest first, for undo; the voxels must have been read at `head`. */
export async function latestEdits(url: string, head: Head): Promise<PastEdit[]> {
  const edits: PastEdit[] = []
  let after: number | null = Math.max(0, head.sequence - UNDOABLE)
  while (after !== null) {
    const page: EntryPage = await get<EntryPage>(`${url}/entries?after=${after}`)
    for (const { sequence, operation, label, body } of page.items) {
      if (sequence <= head.sequence && operation !== 'review') edits.push({ operation, label, runs: decode(bytesOf(body)) })
    }
    after = page.next_after
  }
  return edits
}

export function changes(url: string): Promise<Changes> {
  return get<Changes>(`${url}/changes`)
}

/** What a tool would change of a label at this head. */
export async function runTool(url: string, head: Head, tool: Computed, label: number, parameters: object): Promise<Run[]> {
  const answer = await post(`${url}/tools`, { tool, label, sequence: head.sequence, hash: head.hash, parameters })
  return decode(new Uint8Array(await answer.arrayBuffer()))
}

/** Make the draft a mask; returns its id. A repeat returns the same. */
export async function finalize(url: string, head: Head, activeTimeS: number): Promise<string> {
  const answer = await post(`${url}/finalize`, { sequence: head.sequence, hash: head.hash, active_time_s: activeTimeS })
  return ((await answer.json()) as { id: string }).id
}

/**
 * Bring back what this browser kept and the server never got; returns how many edits and the region among them.
 *
 * What follows the draft's head is sent as it was. Where the draft went on elsewhere, each voxel that is still what it
 * was before the edit is changed, as an edit of its own; what was vouched for of other voxels is not said again.
 * What this draft can't take stays kept.
 */
export async function recover(
  url: string, kept: Entry[], engine: Engine, journal: Journal, labels: ReadonlySet<number>, drop: (entry: Entry) => void,
): Promise<{ nEdits: number; region: Region | null; isReviewLost: boolean }> {
  const { sequence: known } = journal.next
  let [nEdits, region, isReviewLost] = [0, null as Region | null, false]
  for (const entry of kept) {
    const { operation, label, body } = entry
    if (entry.sequence <= known && (await isStored(url, entry))) {
      drop(entry)
      continue
    }
    if (!takes(labels, entry)) continue
    const follows = entry.sequence === journal.next.sequence + 1 && entry.parent === journal.next.hash
    const runs = operation === 'review' ? [] : decode(body)
    if (operation === 'review' && !follows) isReviewLost = true
    else if (operation === 'review') {
      region = JSON.parse(new TextDecoder().decode(body)) as Region
      journal.add(operation, label, body)
    } else if (follows && engine.fits(runs)) {
      engine.replay({ operation, label, runs })
      journal.add(operation, label, body)
      nEdits += 1
    } else nEdits += restore(entry, engine, journal) ? 1 : 0
    if (!follows) drop(entry) // only now: what replaces it is kept already
  }
  return { nEdits, region, isReviewLost }
}

/** Say whether a draft of these labels (0 among them) takes an edit; the server would refuse another for good. */
export function takes(labels: ReadonlySet<number>, { operation, label, body }: Entry): boolean {
  return operation === 'review' || (labels.has(label) && decode(body).every(({ after }) => labels.has(after)))
}

/** Do an edit again wherever a voxel is still what it was before it, as an edit of its own; say whether any was. */
export function restore({ operation, label, body }: Entry, engine: Engine, journal: Journal): boolean {
  const edit = operation === 'review' ? null : engine.apply('restore', label, stillFitting(engine.mask, decode(body)))
  if (edit) journal.edit(edit)
  return edit !== null
}

/** Say whether a draft was finalized or given up. */
export async function isOver(url: string): Promise<boolean> {
  return (await get<{ state: string }>(url)).state !== 'open'
}

async function isStored(url: string, { sequence, hash }: Entry): Promise<boolean> {
  const { items } = await get<EntryPage>(`${url}/entries?after=${sequence - 1}&limit=1`)
  return items[0]?.sequence === sequence && items[0].hash === hash
}

function stillFitting(mask: Grid, runs: readonly Run[]): Run[] {
  const changed = new Map<number, number>()
  const after = new Map<number, number>()
  for (const run of runs) {
    for (let index = run.start; index < run.start + run.length; index++) {
      if (mask.voxels[index] !== run.before) continue
      changed.set(index, run.before)
      after.set(index, run.after)
    }
  }
  return toRuns(changed, (index) => after.get(index)!)
}

/** Make room for labels above 255, so that none can wrap. */
export function widen(mask: Grid, labels: readonly number[]): Grid {
  if (!(mask.voxels instanceof Uint8Array) || labels.every((label) => label <= 255)) return mask
  return { ...mask, voxels: Uint16Array.from(mask.voxels) }
}
