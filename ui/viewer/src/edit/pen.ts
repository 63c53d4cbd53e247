// What the pointer draws: it turns presses and moves on a plane into strokes of the edit engine.
import type { App } from '../app'
import { svg } from '../dom'
import type { Vec3 } from '../grid'
import { voxelToPoint, type Plane, type View } from '../layout'
import type { Phase } from '../pointer'
import type { Edit, Engine, Operation, Rules } from './engine'
import type { Settings } from './settings'
import { flood, line, polygon, roundOffsets } from './shapes'

const NEAR_PX = 8 // so near the first corner a click closes a polygon

export interface PenHost {
  settings: Settings
  engine: Engine | null
  rules(): Rules
  /** Say why nothing can be drawn now; null when something can. */
  refusal(): string | null
  tell(note: string): void
  record(edit: Edit | null): void
  /** Why the last stroke changed nothing; "" where there was nothing to change. */
  whyNothing(): string
  showChanges(): void
  noteActivity(): void
  pick(label: number): void
  grow(seed: Vec3): void
}

export class Pen {
  private last: Vec3 | null = null
  private corners: Vec3[] = []
  private hovered: { plane: Plane; voxel: Vec3 } | null = null

  constructor(private app: App, private host: PenHost) {}

  pointer(plane: Plane, voxel: Vec3 | null, event: MouseEvent, phase: Phase): boolean {
    const { engine, settings } = this.host
    this.hovered = voxel && { plane, voxel }
    if (phase === 'hover') {
      if (settings.tool !== 'look') this.app.draw()
      return false
    }
    if (settings.tool === 'look' || !engine) return false
    if (phase === 'double') {
      if (settings.tool === 'polygon') this.close()
      return true
    }
    if (phase === 'down' && (event.button !== 0 || event.shiftKey || !voxel)) return false
    this.host.noteActivity()
    if (phase === 'down' && !this.begin(plane, voxel!)) return true
    this.follow(engine, plane, voxel, event, phase)
    return true
  }

  /** Begin what a press means; false where there is no stroke to follow. */
  private begin(plane: Plane, voxel: Vec3): boolean {
    const { engine, settings } = this.host
    if (!engine) return false
    if (settings.tool === 'pick' || (settings.tool !== 'polygon' && settings.tool !== 'grow')) this.corners = []
    if (settings.tool === 'pick') {
      this.host.pick(valueOf(engine, voxel))
      return false
    }
    const refusal = this.host.refusal()
    if (refusal) {
      this.host.tell(refusal)
      return false
    }
    this.host.tell('')
    if (settings.tool === 'grow') this.host.grow(voxel)
    else if (settings.tool === 'polygon') this.corner(plane, voxel)
    else {
      const operation: Operation = settings.tool === 'brush' && settings.isRanged ? 'threshold' : (settings.tool as Operation)
      engine.begin(operation, this.label, this.host.rules())
      this.last = null
      return true
    }
    return false
  }

  private follow(engine: Engine, plane: Plane, voxel: Vec3 | null, event: MouseEvent, phase: Phase): void {
    if (!engine.isDrawing) return
    if (phase === 'cancel') engine.cancel()
    else if (voxel) this.draw(engine, plane, voxel, event, phase)
    if (phase === 'up' || phase === 'cancel') {
      if (this.host.settings.tool === 'lasso' && phase === 'up' && this.corners.length) engine.paint(polygon(this.corners, plane))
      this.corners = []
      this.finish(engine)
    }
    this.host.showChanges()
  }

  private finish(engine: Engine): void {
    const edit = engine.end()
    this.host.record(edit)
    if (!edit) this.host.tell(this.host.whyNothing())
  }

  /** Give up what is open: a stroke that has not ended, corners that were not closed. True when there was something. */
  giveUp(): boolean {
    const { engine } = this.host
    const isOpen = engine?.isDrawing || this.corners.length > 0
    if (engine?.isDrawing) {
      engine.cancel() // its end would not be asked about any more
      this.host.showChanges()
    }
    this.corners = []
    return isOpen
  }

  /** Enter and Backspace while corners are open; true where that was meant. */
  key(key: string): boolean {
    if (this.host.settings.tool !== 'polygon' || !this.corners.length) return false
    if (key === 'Enter') this.close()
    else if (key === 'Backspace') this.corners.pop()
    else return false
    this.app.draw()
    return true
  }

  private get label(): number { return this.host.settings.tool === 'erase' ? 0 : this.host.settings.label }

  private draw(engine: Engine, plane: Plane, voxel: Vec3, event: MouseEvent, phase: Phase): void {
    const { settings } = this.host
    if (settings.tool === 'fill') {
      if (phase !== 'down') return
      const old = valueOf(engine, voxel)
      engine.paint(flood(voxel, engine.mask.shape, plane, (other) => valueOf(engine, other) === old))
      return
    }
    // The browser gives only the latest of the points that a fast hand has passed; the others are coalesced in it.
    const events = event instanceof PointerEvent ? (event.getCoalescedEvents?.() ?? []) : []
    const points = events.map((each) => this.app.voxelAt(plane.index, each)).filter((each): each is Vec3 => each !== null)
    for (const point of [...points, voxel]) {
      if (settings.tool === 'lasso') this.corners.push(point)
      else this.stamp(engine, plane, this.last ?? point, point)
      this.last = point
    }
  }

  private stamp(engine: Engine, plane: Plane, from: Vec3, to: Vec3): void {
    const { sizeMm, isBall } = this.host.settings
    const offsets = roundOffsets(sizeMm, this.app.store.scene.camera.spacing, isBall ? null : plane)
    for (const [x, y, z] of line(from, to)) engine.paint(offsets.map(([i, j, k]): Vec3 => [x + i, y + j, z + k]))
  }

  private corner(plane: Plane, voxel: Vec3): void {
    const first = this.corners[0]
    // Another slice or plane begins another polygon.
    if (first && (first[plane.normal] !== voxel[plane.normal] || this.plane?.index !== plane.index)) this.corners = []
    this.plane = plane
    const camera = this.app.camera()!
    const view = this.app.stage.viewOf(this.app.stage.panes[plane.index]!, camera)
    const [a, b] = [this.corners[0] ?? voxel, voxel].map((each) => voxelToPoint(view, camera, each)) as [[number, number], [number, number]]
    if (this.corners.length > 2 && Math.hypot(a[0] - b[0], a[1] - b[1]) < NEAR_PX) this.close()
    else this.corners.push(voxel)
    this.app.draw()
  }
  private plane: Plane | null = null

  private close(): void {
    const { engine } = this.host
    const [corners, plane] = [this.corners, this.plane]
    // Since the first corner the label may have been locked, or a tool begun: the corners wait.
    const refusal = corners.length < 3 ? null : this.host.refusal()
    if (refusal) {
      this.host.tell(refusal)
      return
    }
    this.corners = []
    if (!engine || !plane || corners.length < 3) return
    engine.begin('lasso', this.label, this.host.rules())
    engine.paint(polygon(corners, plane))
    this.finish(engine)
    this.host.showChanges()
  }

  /** The brush around the pointer, and the lasso or polygon so far, as marks over a plane. */
  outline(view: View): SVGElement[] {
    const camera = this.app.camera()
    const { tool, sizeMm } = this.host.settings
    if (!camera || !this.hovered || this.hovered.plane.index !== view.plane.index) return []
    if ((tool === 'lasso' && this.corners.length > 1) || (tool === 'polygon' && this.corners.length && this.plane?.index === view.plane.index)) {
      const tail = tool === 'polygon' ? [this.hovered.voxel] : []
      const points = [...this.corners, ...tail].map((corner) => voxelToPoint(view, camera, corner).join()).join(' ')
      return [svg('polygon', { points, class: 'brush' })]
    }
    if (tool !== 'brush' && tool !== 'erase') return []
    const [cx, cy] = voxelToPoint(view, camera, this.hovered.voxel)
    return [svg('circle', { cx: String(cx), cy: String(cy), r: String(Math.max(1, sizeMm * view.pxPerMm)), class: 'brush' })]
  }
}

function valueOf({ mask: { shape, voxels } }: Engine, [x, y, z]: Vec3): number {
  return voxels[x + shape[0] * (y + shape[1] * z)]!
}
