// The editor: ties the viewer's pointer, the edit engine, the journal and the controls together.
import type { App } from '../app'
import { svg } from '../dom'
import type { Grid, Vec3 } from '../grid'
import { voxelToPoint, type Plane, type View } from '../layout'
import type { Phase } from '../pointer'
import { finalize, latestEdits, widen, type Region } from './draft'
import { Engine, type Edit, type Rules } from './engine'
import { Journal, NO_HEAD, type State } from './journal'
import { Panel, type Settings, type Tool } from './panel'
import { encode } from './runs'
import { flood, line, polygon, roundOffsets } from './shapes'

const KEYS: Record<string, Tool> = { b: 'brush', e: 'erase', l: 'lasso', f: 'fill', Escape: 'look' }
const IDLE_MS = 30_000 // a longer pause is not work

export class Editor {
  readonly panel: Panel
  readonly settings: Settings
  private engine: Engine | null = null
  private journal: Journal | null = null
  private last: Vec3 | null = null
  private corners: Vec3[] = []
  private hovered: { plane: Plane; voxel: Vec3 } | null = null
  private activeMs = 0
  private seenAt = 0
  private region: Region = { axial: [], coronal: [], sagittal: [] }
  private url: string

  constructor(private app: App, draftId: string, private onFinalized: (maskId: string) => void) {
    this.url = `${app.data.apiBase}/v1/drafts/${encodeURIComponent(draftId)}`
    this.settings = { tool: 'look', label: app.data.labels[0]?.index ?? 1, sizeMm: 5, isBall: false, isOverAll: true, range: null }
    this.panel = new Panel({
      change: (change) => this.change(change), undo: () => this.step('undo'), redo: () => this.step('redo'),
      review: () => this.review(), finalize: () => void this.finalize(),
    }, app.data.labels)
    app.controls.row.after(this.panel.row)
    app.onPointer = (plane, voxel, event, phase) => this.pointer(plane, voxel, event, phase)
    app.onDecorate = (view) => this.outline(view)
    app.root.addEventListener('keydown', this.onKey, { capture: true })
    window.addEventListener('beforeunload', this.onLeave)
    this.show()
  }

  destroy(): void {
    this.panel.row.remove()
    this.app.onPointer = this.app.onDecorate = null
    this.app.root.removeEventListener('keydown', this.onKey, { capture: true })
    window.removeEventListener('beforeunload', this.onLeave)
  }

  /** The draft's voxels have arrived: from here on they are edited in place. */
  async adopt(mask: Grid): Promise<Grid> {
    const head = mask.head ?? NO_HEAD
    const grid = widen(mask, this.app.data.labels.map(({ index }) => index))
    const { edits, region } = await latestEdits(this.url, head)
    if (region) this.region = { axial: region.axial, coronal: region.coronal, sagittal: region.sagittal }
    this.engine = new Engine(grid, this.app.store.scene.full)
    this.engine.remember(edits)
    this.journal = new Journal(this.url, head, {
      fetch: (url, init) => fetch(url, init),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      onState: (state) => this.panel.tell(state),
    })
    this.panel.tell('saved' satisfies State)
    this.show()
    return grid
  }

  private change(change: Partial<Settings>): void {
    if (change.tool === 'look' && this.engine?.isDrawing) {
      this.engine.cancel() // its end would not be asked about any more
      this.corners = []
      this.showChanges()
    }
    Object.assign(this.settings, change)
    this.show()
    this.app.draw()
  }

  private show(): void {
    this.panel.show(this.settings, this.engine?.canUndo ?? false, this.engine?.canRedo ?? false)
    this.app.root.dataset.tool = this.settings.tool
  }

  private onKey = (event: KeyboardEvent): void => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (event.ctrlKey || event.metaKey) {
      if (key !== 'z' && key !== 'y') return
      event.preventDefault()
      event.stopPropagation()
      this.step(key === 'y' || event.shiftKey ? 'redo' : 'undo')
    } else if (KEYS[key] && !(event.target as HTMLElement).closest('input[type=number], select')) {
      if (key !== 'Escape') event.stopPropagation()
      this.change({ tool: KEYS[key] })
    }
  }

  private onLeave = (event: BeforeUnloadEvent): void => {
    if (this.journal && this.journal.state !== 'saved') event.preventDefault()
  }

  private get label(): number { return this.settings.tool === 'erase' ? 0 : this.settings.label }

  private rules(): Rules {
    const only = this.settings.isOverAll ? null : new Set([this.settings.tool === 'erase' ? this.settings.label : 0])
    return { only, locked: new Set(), range: this.settings.range }
  }

  private pointer(plane: Plane, voxel: Vec3 | null, event: PointerEvent, phase: Phase): boolean {
    const { engine, settings } = this
    this.hovered = voxel && { plane, voxel }
    if (phase === 'hover') {
      if (settings.tool !== 'look') this.app.draw()
      return false
    }
    if (settings.tool === 'look' || !engine || !this.journal || this.journal.isStuck) return false
    this.noteActivity()
    if (phase === 'down') {
      if (event.button !== 0 || event.shiftKey || !voxel) return false
      engine.begin(settings.tool === 'fill' ? 'fill' : settings.tool, this.label, this.rules())
      this.last = null
      this.corners = []
    }
    if (phase === 'cancel') engine.cancel()
    else if (voxel) this.draw(plane, voxel, event, phase)
    if (phase === 'up' || phase === 'cancel') {
      if (settings.tool === 'lasso' && phase === 'up' && this.corners.length) engine.paint(polygon(this.corners, plane))
      this.corners = []
      this.record(engine.end())
    }
    this.showChanges()
    return true
  }

  private draw(plane: Plane, voxel: Vec3, event: PointerEvent, phase: Phase): void {
    const { engine, settings } = this
    if (!engine) return
    if (settings.tool === 'fill') {
      if (phase !== 'down') return
      const { shape, voxels } = engine.mask
      const at = ([x, y, z]: Vec3): number => voxels[x + shape[0] * (y + shape[1] * z)]!
      const old = at(voxel)
      engine.paint(flood(voxel, shape, plane, (other) => at(other) === old))
      return
    }
    // The browser gives only the latest of the points that a fast hand has passed; the others are coalesced in it.
    const events = event.getCoalescedEvents?.() ?? []
    const points = events.map((each) => this.app.voxelAt(plane.index, each)).filter((each): each is Vec3 => each !== null)
    for (const point of [...points, voxel]) {
      if (settings.tool === 'lasso') this.corners.push(point)
      else this.stamp(plane, this.last ?? point, point)
      this.last = point
    }
  }

  private stamp(plane: Plane, from: Vec3, to: Vec3): void {
    const offsets = roundOffsets(this.settings.sizeMm, this.app.store.scene.camera.spacing, this.settings.isBall ? null : plane)
    for (const [x, y, z] of line(from, to)) this.engine?.paint(offsets.map(([i, j, k]): Vec3 => [x + i, y + j, z + k]))
  }

  private step(which: 'undo' | 'redo'): void {
    if (!this.engine || !this.journal || this.journal.isStuck) return
    this.noteActivity()
    this.record(this.engine[which]())
    this.showChanges()
  }

  private record(edit: Edit | null): void {
    if (edit) this.journal?.add(edit.operation, edit.label, encode(edit.runs))
    this.show()
  }

  private showChanges(): void {
    const box = this.engine?.takeTouched()
    if (box) this.app.updateMask(box)
    else this.app.draw()
  }

  /** Note that the person vouches for the slice under the crosshair in the plane in use. */
  private review(): void {
    const { plane } = this.app.active
    const slice = this.app.state.cross[plane.normal]
    const ranges = this.region[plane.name.toLowerCase() as 'axial' | 'coronal' | 'sagittal']
    if (!ranges.some(([first, last]) => first! <= slice && slice <= last!)) ranges.push([slice, slice])
    const body = JSON.stringify({ whole: false, ...this.region, labels: null })
    this.journal?.add('review', 0, new TextEncoder().encode(body))
  }

  private async finalize(): Promise<void> {
    const { journal } = this
    if (!journal) return
    this.panel.setBusy(true)
    try {
      if (await journal.flush()) this.onFinalized(await finalize(this.url, journal.next, Math.round(this.activeMs / 1000)))
    } catch (error) {
      this.panel.tell(error instanceof Error ? error.message : String(error))
    } finally {
      this.panel.setBusy(false)
    }
  }

  private noteActivity(): void {
    const now = performance.now()
    if (now - this.seenAt < IDLE_MS) this.activeMs += now - this.seenAt
    this.seenAt = now
  }

  /** The brush around the pointer, and the lasso so far, as marks over a plane. */
  private outline(view: View): SVGElement[] {
    const camera = this.app.camera()
    const { tool, sizeMm } = this.settings
    if (!camera || !this.hovered || this.hovered.plane.index !== view.plane.index) return []
    if (tool === 'lasso' && this.corners.length > 1) {
      const points = this.corners.map((corner) => voxelToPoint(view, camera, corner).join()).join(' ')
      return [svg('polygon', { points, class: 'brush' })]
    }
    if (tool !== 'brush' && tool !== 'erase') return []
    const [cx, cy] = voxelToPoint(view, camera, this.hovered.voxel)
    return [svg('circle', { cx: String(cx), cy: String(cy), r: String(Math.max(1, sizeMm * view.pxPerMm)), class: 'brush' })]
  }
}
