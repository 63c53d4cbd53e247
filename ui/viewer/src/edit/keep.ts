// Edits that the server doesn't have yet, kept in the browser (IndexedDB), so that they outlive a crash of the page.
import { LoadError } from '../grid'
import type { Entry } from './journal'

interface Kept extends Entry { draft: string; volume: string }
const STORE = 'entries'

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('segloop', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: ['draft', 'sequence', 'hash'] })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })
}

/** Where a draft's unsent entries lie; in a browser without such a store nothing is kept, and nothing else changes. */
export class Keep {
  private database: Promise<IDBDatabase | null>

  constructor(private draft: string, private volume: string) {
    this.database = open().catch(() => null)
  }

  put(entry: Entry): void { void this.write((store) => store.put({ ...entry, draft: this.draft, volume: this.volume } satisfies Kept)) }
  delete({ sequence, hash }: Entry, draft = this.draft): void { void this.write((store) => store.delete([draft, sequence, hash])) }

  /** All that is kept of this draft, in order; throws where there may be something that can't be read. */
  async list(): Promise<Entry[]> {
    const database = await this.database
    if (!database) return []
    return this.read(database, IDBKeyRange.bound([this.draft], [this.draft, []]))
  }

  /** What is kept of other drafts of the same volume, each draft's in order. */
  async listOthers(): Promise<Map<string, Entry[]>> {
    const database = await this.database
    const others = new Map<string, Entry[]>()
    for (const kept of database ? await this.read(database) : []) {
      if (kept.draft === this.draft || kept.volume !== this.volume) continue
      others.set(kept.draft, [...(others.get(kept.draft) ?? []), kept])
    }
    return others
  }

  private async read(database: IDBDatabase, range?: IDBKeyRange): Promise<Kept[]> {
    try {
      return await done(database.transaction(STORE).objectStore(STORE).getAll(range) as IDBRequest<Kept[]>)
    } catch {
      throw new LoadError("Strokes that this browser may have kept can't be read. Close other tabs of this case, and reload.")
    }
  }

  private async write(change: (store: IDBObjectStore) => IDBRequest): Promise<void> {
    try {
      const database = await this.database
      // Strict: a crash of the whole machine right after must not lose it either.
      if (database) await done(change(database.transaction(STORE, 'readwrite', { durability: 'strict' }).objectStore(STORE)))
    } catch (error) {
      console.warn('An edit could not be kept in this browser; it is being sent all the same.', error)
    }
  }
}
