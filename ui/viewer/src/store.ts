// The voxels of one viewer: what has arrived, what is on its way and what failed.
import { LoadError, sameVoxel, translated, valueAt, type Grid, type Vec3 } from './grid'
import type { Scene } from './renderer'
import type { Data } from './state'
import { TEXT } from './text'
import { loadMask, loadVolume } from './voxels'

export interface StoreHost {
  /** The volume's geometry is known; nothing else yet. */
  onGeometry(shape: Vec3): void
  /** A copy of the volume was replaced: take over the whole scene. */
  onScene(): void
  /** Settles when the small copy is on the screen; the full one would slow that down. */
  firstImage(): Promise<void>
  onSlices(z0: number, z1: number): void
  onLabels(what: Masks): void
  onReady(ready: '' | 'low' | 'full'): void
  onStatus(text: string): void
  /** A draft's voxels have arrived; returns those to show, which are edited in place. */
  onDraft(mask: Grid): Promise<Grid>
  /** What went wrong, in words for the user; null when nothing is wrong any more. */
  onError(start: string, text: string | null): void
}

export type Masks = 'mask' | 'compared'
const SLAB = 32 // slices taken over at once while they arrive

function emptyScene(): Scene {
  return {
    camera: { shape: [1, 1, 1], spacing: [1, 1, 1], centre: [0.5, 0.5, 0.5], zoom: 1, isRadiological: true },
    low: null, full: null, nSlices: 0, mask: null, compared: null,
  }
}

export class VoxelStore {
  scene = emptyScene()
  geometry: Grid | null = null
  private failed = new Set<'volume' | Masks>()
  private loads: Record<'volume' | Masks, AbortController | null> = { volume: null, mask: null, compared: null }

  constructor(private data: Data, private host: StoreHost) {}

  /** Take new data from Python; only what changed is loaded, and a new ticket alone only what had failed. */
  update(data: Data): void {
    const old = this.data
    this.data = data
    const retry = (what: 'volume' | Masks, before: string | null, now: string | null): boolean =>
      this.failed.has(what) && before !== now
    if (data.apiBase !== old.apiBase || data.volumeId !== old.volumeId || retry('volume', old.volumeTicket, data.volumeTicket)) {
      void this.open()
      return
    }
    const isNewMask = data.maskId !== old.maskId || (data.draftId ?? null) !== (old.draftId ?? null) || retry('mask', old.maskTicket, data.maskTicket)
    const isNewCompared = data.compareMaskId !== old.compareMaskId || data.maskId !== old.maskId || retry('compared', old.compareMaskTicket, data.compareMaskTicket)
    if (isNewMask || isNewCompared) {
      void Promise.all([isNewMask && this.loadLabels('mask'), isNewCompared && this.loadLabels('compared')]).then(() => this.finish())
    }
  }

  close(): void {
    for (const load of Object.values(this.loads)) load?.abort()
  }

  isComplete(): boolean {
    return this.geometry !== null && this.scene.nSlices === this.geometry.shape[2]
  }

  /** The stored value of a voxel, from the small copy where the full one has not arrived. */
  valueOf(voxel: Vec3): number | null {
    const { low, full, nSlices, camera } = this.scene
    if (full && voxel[2] < nSlices) return valueAt(full, voxel)
    return low && valueAt(low, sameVoxel(camera.shape, low.shape, voxel))
  }

  /** Load everything anew. */
  async open(): Promise<void> {
    this.close()
    const load = (this.loads.volume = new AbortController())
    this.scene = emptyScene()
    this.geometry = null
    this.failed.clear()
    this.host.onError('', null)
    this.host.onReady('')
    this.host.onScene()
    this.host.onStatus(TEXT.loadingVolume)
    let masks: Promise<unknown> | null = null
    const loadMasks = (): Promise<unknown> => (masks ??= Promise.all([this.loadLabels('mask'), this.loadLabels('compared')]))
    try {
      await loadVolume(this.data, load.signal, {
        onGeometry: (grid) => { if (!load.signal.aborted) this.setGeometry(grid) },
        onLow: async (grid) => {
          this.scene.low = grid
          this.host.onScene()
          await this.host.firstImage()
          if (!load.signal.aborted) void loadMasks()
        },
        onSlices: (grid, n) => this.addSlices(grid, n),
      })
      if (load.signal.aborted) return
      await loadMasks()
      if (!load.signal.aborted) this.finish()
    } catch (error) {
      if (!load.signal.aborted) this.fail('volume', TEXT.volumeFailed, error)
    }
  }

  private setGeometry(grid: Grid): void {
    this.geometry = grid
    const { shape, spacing } = grid
    Object.assign(this.scene.camera, { shape, spacing })
    this.host.onGeometry(shape)
  }

  private addSlices(grid: Grid, n: number): void {
    const { scene } = this
    if (!scene.full) {
      scene.full = grid
      this.host.onScene()
    }
    const before = scene.nSlices
    const n_all = grid.shape[2]
    if (n === before || (n - before < SLAB && n < n_all)) return
    scene.nSlices = n
    this.host.onSlices(before, n)
    if (!this.failed.size) this.host.onStatus(TEXT.loadingFull(n / n_all))
  }

  private async loadLabels(what: Masks): Promise<void> {
    this.loads[what]?.abort()
    const load = (this.loads[what] = new AbortController())
    const { data } = this
    const isDraft = what === 'mask' && Boolean(data.draftId)
    const [id, ticket] = isDraft ? [data.draftId!, null]
      : what === 'mask' ? [data.maskId, data.maskTicket] : [data.compareMaskId, data.compareMaskTicket]
    this.failed.delete(what)
    if (!this.failed.size) this.host.onError('', null)
    this.setLabels(what, null)
    if (!id || !this.geometry) return
    if (this.isComplete()) this.host.onReady('low')
    try {
      let mask = await loadMask(data, isDraft ? 'drafts' : 'masks', id, ticket, this.geometry, load.signal,
        (part) => { if (this.isComplete() && !this.failed.size) this.host.onStatus(TEXT.loadingMask(part)) })
      if (isDraft) mask = await this.host.onDraft(mask)
      if (what === 'compared' && data.compareTranslation) mask = translated(mask, data.compareTranslation)
      if (!load.signal.aborted) this.setLabels(what, mask)
    } catch (error) {
      if (!load.signal.aborted) this.fail(what, what === 'mask' ? TEXT.maskFailed : TEXT.comparedFailed, error)
    }
  }

  /** Show another mask; an editor's own array, or a new empty one. It must lie on the volume's grid. */
  setLabels(what: Masks, mask: Grid | null): void {
    this.scene[what] = mask
    this.host.onLabels(what)
  }

  private finish(): void {
    if (!this.isComplete()) return
    if (!this.failed.size) this.host.onStatus('')
    this.host.onReady('full')
  }

  private fail(what: 'volume' | Masks, start: string, error: unknown): void {
    this.failed.add(what)
    this.host.onError(start, error instanceof LoadError ? error.message : TEXT.unreachable)
  }
}
