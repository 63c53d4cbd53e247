// The journal: every edit goes to the API as an entry of the draft, in order, chained by hashes, again until it is there.
import type { Edit } from './engine'
import { encode } from './runs'
import { sha256 } from './sha256'

export type State = 'saved' | 'saving' | 'offline' | 'signed_out' | 'no_access' | 'conflict' | 'closed' | 'not_yours' | 'refused'
export interface Head { sequence: number; hash: string }
export interface Entry extends Head { operation: string; label: number; parent: string; body: Uint8Array<ArrayBuffer> }

export const NO_HEAD: Head = { sequence: 0, hash: '0'.repeat(64) }
const MOST_RUNS = 1 << 20 // 12 MiB; the server refuses an entry of more than 32, and would refuse it again for ever
const RETRY_MS = [250, 500, 1000, 2000, 4000, 8000]
const SELDOM_MS = [15_000, 30_000, 60_000, 120_000, 300_000] // a person is let in again by another person, not by the next try
const OVER: ReadonlySet<State> = new Set<State>(['conflict', 'closed', 'not_yours', 'refused'])

export interface Outside {
  fetch(url: string, init: RequestInit): Promise<Response>
  wait(ms: number): Promise<void>
  onState(state: State, waiting: number): void
  /** Entries that are not stored yet outlive the page here. */
  keep(entry: Entry): void
  drop(entry: Entry): void
}

/**
 * Say whether an answer is the API's word that this person may not edit here, or that there is no such draft for them.
 *
 * Without a code of ours somebody in between answered, such as a proxy whose API is just being started.
 */
export function isNoAccess(status: number, code: string | undefined): boolean {
  return (status === 403 || status === 404) && code !== undefined && code !== 'draft_not_yours'
}

/** How an entry's hash follows from its parent's; the server reckons the same. */
export function chain(parent: string, operation: string, label: number, body: Uint8Array): string {
  return sha256(`${parent}\n${operation}\n${label}\n${sha256(body)}`)
}

export class Journal {
  state: State = 'saved'
  private queue: Entry[] = []
  private sending: Promise<void> | null = null
  private wake: (() => void) | null = null
  private listeners: (() => void)[] = []

  /** `url` is that of the draft; `head` is the last entry that is known to be stored. */
  constructor(private url: string, private head: Head, private outside: Outside) {}

  /** The head as it will be once everything is stored. */
  get next(): Head { return this.queue.at(-1) ?? this.head }

  /** The server will not take these edits, or not from this person now; they are kept in the browser. */
  get isStuck(): boolean { return this.state === 'no_access' || this.isOver }

  /** The server will not take these edits any more, whoever sends them. */
  get isOver(): boolean { return OVER.has(this.state) }

  add(operation: string, label: number, body: Uint8Array<ArrayBuffer>): void {
    const { sequence, hash: parent } = this.next
    const entry = { sequence: sequence + 1, operation, label, parent, body, hash: chain(parent, operation, label, body) }
    this.queue.push(entry)
    this.outside.keep(entry)
    this.tell(this.state === 'saved' ? 'saving' : this.state)
    if (!this.isStuck) this.sending ??= this.send()
  }

  /** An edit of more runs than an entry may hold goes as several. */
  edit({ operation, label, runs }: Edit): void {
    for (let at = 0; at < runs.length; at += MOST_RUNS) this.add(operation, label, encode(runs.slice(at, at + MOST_RUNS)))
  }

  /** Wait until all is stored; false when that can't be any more, or this person may not edit here. */
  async flush(): Promise<boolean> {
    this.retry()
    while (this.sending && !this.isStuck) await Promise.race([this.sending, this.change()])
    return this.state === 'saved'
  }

  /** Where this person was refused, ask at once whether they still are. */
  retry(): void {
    if (this.state !== 'no_access') return
    this.tell('saving')
    this.wake?.()
  }

  private async send(): Promise<void> {
    let failures = 0
    while (this.queue.length && !this.isOver) {
      const outcome = await this.put(this.queue[0]!)
      if (outcome === 'stored') {
        const entry = this.queue.shift()!
        this.head = { sequence: entry.sequence, hash: entry.hash }
        this.outside.drop(entry)
        failures = 0
        this.tell(this.queue.length ? 'saving' : 'saved')
      } else if (outcome === 'again' || outcome === 'signed_out' || outcome === 'no_access') {
        const isShutOut = outcome === 'no_access'
        failures = isShutOut === (this.state === 'no_access') ? failures + 1 : 1
        this.tell(outcome !== 'again' ? outcome : failures > 2 ? 'offline' : 'saving')
        const pauses = isShutOut ? SELDOM_MS : RETRY_MS
        await this.pause(pauses[Math.min(failures, pauses.length) - 1]!)
      } else this.tell(outcome)
    }
    this.sending = null // at once: an edit added before a later turn would be left waiting
  }

  private async put(entry: Entry): Promise<'stored' | 'again' | State> {
    const headers = {
      'Content-Type': 'application/octet-stream', 'X-Operation': entry.operation, 'X-Label': String(entry.label),
      'X-Parent-Hash': entry.parent, 'X-Hash': entry.hash,
    }
    try {
      const init: RequestInit = { method: 'PUT', headers, body: entry.body, credentials: 'same-origin' }
      const answer = await this.outside.fetch(`${this.url}/entries/${entry.sequence}`, init)
      if (answer.ok) return 'stored'
      const { code } = (await answer.json().catch(() => ({}))) as { code?: string }
      if (answer.status === 409) return code === 'draft_closed' ? 'closed' : 'conflict'
      if (code === 'draft_not_yours') return 'not_yours'
      if (answer.status === 413 || answer.status === 422) return 'refused'
      if (isNoAccess(answer.status, code)) return 'no_access'
      // The sign-in has ended and may come back; whatever else is wrong, nothing may be dropped.
      return answer.status === 401 || answer.status === 403 ? 'signed_out' : 'again'
    } catch {
      return 'again'
    }
  }

  private async pause(ms: number): Promise<void> {
    await Promise.race([this.outside.wait(ms), new Promise<void>((resolve) => { this.wake = resolve })])
    this.wake = null
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.listeners.push(resolve))
  }

  private tell(state: State): void {
    this.state = state
    this.outside.onState(state, this.queue.length)
    for (const resolve of this.listeners.splice(0)) resolve()
  }
}
