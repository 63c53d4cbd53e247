// A draft as the API keeps it: its voxels are loaded like a mask's; here are its edits, its end and its head.
import { LoadError, type Grid } from '../grid'
import { decode, type Run } from './runs'
import type { Head } from './journal'

interface EntryOut { sequence: number; operation: string; label: number; hash: string; body: string }
interface EntryPage { items: EntryOut[]; next_after: number | null }
export interface PastEdit { operation: string; label: number; runs: Run[] }
/** Slices that the person vouches for: ranges of indices in RAS order, both ends included. */
export interface Region { axial: number[][]; coronal: number[][]; sagittal: number[][] }

const UNDOABLE = 200 // so many edits back can be undone after a reload

async function get<T>(url: string, init: RequestInit = {}): Promise<T> {
  const answer = await fetch(url, { credentials: 'same-origin', ...init })
  if (answer.ok) return (await answer.json()) as T
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string }
  throw new LoadError(problem.detail ?? `The server answered ${answer.status}.`)
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0))
}

/** The latest edits, oldest first, for undo, and the region reviewed among them; the voxels must have been read at `head`. */
export async function latestEdits(url: string, head: Head): Promise<{ edits: PastEdit[]; region: Region | null }> {
  const edits: PastEdit[] = []
  let region: Region | null = null
  let after: number | null = Math.max(0, head.sequence - UNDOABLE)
  while (after !== null) {
    const page: EntryPage = await get<EntryPage>(`${url}/entries?after=${after}`)
    for (const { sequence, operation, label, body } of page.items) {
      if (sequence > head.sequence) continue
      if (operation === 'review') region = JSON.parse(new TextDecoder().decode(bytesOf(body))) as Region
      else edits.push({ operation, label, runs: decode(bytesOf(body)) })
    }
    after = page.next_after
  }
  return { edits, region }
}

/** Make the draft a mask; returns its id. A repeat returns the same. */
export async function finalize(url: string, head: Head, activeTimeS: number): Promise<string> {
  const body = JSON.stringify({ sequence: head.sequence, hash: head.hash, active_time_s: activeTimeS })
  const headers = { 'Content-Type': 'application/json' }
  return (await get<{ id: string }>(`${url}/finalize`, { method: 'POST', headers, body })).id
}

/** Make room for labels above 255, so that none can wrap. */
export function widen(mask: Grid, labels: readonly number[]): Grid {
  if (!(mask.voxels instanceof Uint8Array) || labels.every((label) => label <= 255)) return mask
  return { ...mask, voxels: Uint16Array.from(mask.voxels) }
}
