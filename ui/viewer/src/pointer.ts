// Mouse, pen, touch and wheel on the planes: one layer of pointer events for every renderer.
import type { Vec3 } from './grid'
import { pointToMm, pointToVoxel, type Camera, type Plane, type View } from './layout'
import type { Pane, Stage } from './stage'
import { clampZoom, type ViewState } from './state'

export type Phase = 'down' | 'move' | 'up' | 'cancel' | 'hover' | 'double'
/** Asked first for every pointer event on a plane; true takes it, and the whole drag where it was the press. */
export type PointerHook = (plane: Plane, voxel: Vec3 | null, event: MouseEvent, phase: Phase) => boolean

export interface PointerHost {
  stage: Stage
  state: ViewState
  camera(): Camera | null
  onPointer: PointerHook | null
  moveTo(voxel: Vec3): void
  /** Show the values of a voxel, or again those under the crosshair. */
  hover(voxel: Vec3 | null): void
  setWindow(width: number, level: number): void
  setCamera(zoom: number, centre: Vec3): void
  measure(pane: Pane, phase: Phase, mm: [number, number]): void
  toggleLarge(pane: Pane): void
  activate(pane: Pane): void
}

const TOUCHPAD = 25 // CSS pixels of two-finger scrolling per slice

type Action = 'cross' | 'window' | 'pan' | 'measure' | 'hook'

/** Move the shared centre so that the picture follows the pointer by some pixels. */
export function panned(view: View, camera: Camera, dx: number, dy: number): Vec3 {
  const centre = [...camera.centre] as Vec3
  const { across, up } = view.plane
  const mm = dx / view.pxPerMm
  centre[across] += (view.isFlipped ? mm : -mm) / (camera.shape[across] * camera.spacing[across])
  centre[up] += dy / view.pxPerMm / (camera.shape[up] * camera.spacing[up])
  return centre.map((value) => Math.min(1, Math.max(0, value))) as Vec3
}

/** Zoom so that the point under the pointer stays where it is. */
export function zoomedAt(view: View, camera: Camera, factor: number, x: number, y: number): { zoom: number; centre: Vec3 } {
  const zoom = clampZoom(camera.zoom * factor)
  const [acrossMm, upMm] = pointToMm(view, x, y)
  const keep = camera.zoom / zoom
  const centre = [...camera.centre] as Vec3
  const { across, up } = view.plane
  centre[across] = (acrossMm + (view.acrossMm - acrossMm) * keep) / (camera.shape[across] * camera.spacing[across])
  centre[up] = (upMm + (view.upMm - upMm) * keep) / (camera.shape[up] * camera.spacing[up])
  return { zoom, centre: zoom <= 1 ? [0.5, 0.5, 0.5] : centre.map((value) => Math.min(1, Math.max(0, value))) as Vec3 }
}

class PanePointer {
  private action: Action | null = null
  private pointer = -1
  private last: [number, number] = [0, 0]
  private rolled = 0

  constructor(private host: PointerHost, private pane: Pane) {
    const { surface } = pane
    surface.addEventListener('pointerdown', (event) => this.down(event))
    surface.addEventListener('pointermove', (event) => this.move(event))
    surface.addEventListener('pointerup', (event) => this.end(event, 'up'))
    surface.addEventListener('pointercancel', (event) => this.end(event, 'cancel'))
    surface.addEventListener('pointerleave', () => { if (!this.action) host.hover(null) })
    surface.addEventListener('contextmenu', (event) => event.preventDefault())
    surface.addEventListener('dblclick', (event) => {
      if (event.button !== 0 || host.onPointer?.(pane.plane, this.pick(event)?.voxel ?? null, event, 'double')) return
      if (host.state.mode === 'cross') host.toggleLarge(pane)
    })
    surface.addEventListener('wheel', (event) => this.wheel(event), { passive: false })
  }

  private pick(event: MouseEvent): { view: View; camera: Camera; at: [number, number]; voxel: Vec3 | null } | null {
    const camera = this.host.camera()
    if (!camera) return null
    const view = this.host.stage.viewOf(this.pane, camera)
    const at = this.host.stage.pointIn(this.pane, event)
    return { view, camera, at, voxel: pointToVoxel(view, camera, at[0], at[1], this.host.state.cross) }
  }

  private down(event: PointerEvent): void {
    const { host, pane } = this
    const found = this.pick(event)
    if (this.action || !found) return
    host.activate(pane)
    pane.surface.focus({ preventScroll: true })
    pane.surface.setPointerCapture(event.pointerId)
    this.pointer = event.pointerId
    this.last = [event.clientX, event.clientY]
    if (event.button === 1) event.preventDefault() // no autoscroll
    this.action = event.button === 2 ? 'window' : event.button === 1 || event.shiftKey ? 'pan' : host.state.mode
    if (host.onPointer?.(pane.plane, found.voxel, event, 'down')) this.action = 'hook'
    if (this.action === 'cross' && found.voxel) host.moveTo(found.voxel)
    if (this.action === 'measure') host.measure(pane, 'down', pointToMm(found.view, ...found.at))
  }

  private move(event: PointerEvent): void {
    const { host, pane, action } = this
    const found = this.pick(event)
    if (!found) return
    if (!action) {
      if (!host.onPointer?.(pane.plane, found.voxel, event, 'hover')) host.hover(found.voxel)
      return
    }
    if (event.pointerId !== this.pointer) return
    const [dx, dy] = [event.clientX - this.last[0], event.clientY - this.last[1]]
    this.last = [event.clientX, event.clientY]
    if (action === 'hook') host.onPointer?.(pane.plane, found.voxel, event, 'move')
    else if (action === 'cross' && found.voxel) host.moveTo(found.voxel)
    else if (action === 'window') {
      const { width, level } = host.state
      const step = Math.max(1, width / 300)
      host.setWindow(Math.max(1, Math.round(width + dx * step)), Math.round(level + dy * step))
    } else if (action === 'pan') host.setCamera(found.camera.zoom, panned(found.view, found.camera, dx, dy))
    else if (action === 'measure') host.measure(pane, 'move', pointToMm(found.view, ...found.at))
  }

  private end(event: PointerEvent, phase: 'up' | 'cancel'): void {
    if (event.pointerId !== this.pointer || !this.action) return
    const { action } = this
    this.action = null
    this.pointer = -1
    const found = this.pick(event)
    if (action === 'hook') this.host.onPointer?.(this.pane.plane, found?.voxel ?? null, event, phase)
    if (action === 'measure' && found) this.host.measure(this.pane, phase, pointToMm(found.view, ...found.at))
  }

  /** Slices to move: one for each notch of a wheel, one for some way on a touchpad. */
  private notches(event: WheelEvent): number {
    if (event.deltaMode !== 0 || Math.abs(event.deltaY) >= 50) {
      this.rolled = 0
      return Math.sign(event.deltaY)
    }
    this.rolled += event.deltaY
    const whole = Math.trunc(this.rolled / TOUCHPAD)
    this.rolled -= whole * TOUCHPAD
    return whole
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault()
    const found = this.pick(event)
    if (!found || !event.deltaY) return
    if (event.ctrlKey || event.metaKey) {
      const { zoom, centre } = zoomedAt(found.view, found.camera, Math.exp(-event.deltaY / 400), ...found.at)
      this.host.setCamera(zoom, centre)
      return
    }
    const cross = [...this.host.state.cross] as Vec3
    cross[this.pane.plane.normal] -= this.notches(event)
    this.host.moveTo(cross)
  }
}

export function bindPointers(host: PointerHost): void {
  for (const pane of host.stage.panes) {
    new PanePointer(host, pane)
    pane.slider.addEventListener('input', () => {
      const cross = [...host.state.cross] as Vec3
      cross[pane.plane.normal] = pane.slider.valueAsNumber
      host.moveTo(cross)
    })
    pane.surface.addEventListener('focus', () => host.activate(pane))
  }
}
