// The planes as the page has them: boxes, letters, sliders and crosshairs over one canvas that a renderer draws on.
import { el, svg } from './dom'
import type { Vec3 } from './grid'
import { PLANES, lettersOf, makeView, voxelToPoint, type Camera, type Plane, type View } from './layout'
import type { Tile } from './renderer'
import type { Layout } from './state'

export interface Pane {
  plane: Plane
  isTwin: boolean // shows the second of two masks
  box: HTMLDivElement; surface: HTMLDivElement; name: HTMLDivElement
  slider: HTMLInputElement; count: HTMLSpanElement
  letters: HTMLDivElement[]; cross: SVGElement; marks: SVGElement
  rect: [number, number, number, number] // of the surface on the canvas, in device pixels
}

const NARROW = 720
const AREAS = ['A', 'C', 'S', 'a', 'c', 's']
const GAP = 9

function makePane(plane: Plane, isTwin: boolean): Pane {
  const cross = svg('path', { class: 'cross' })
  const marks = svg('g', { class: 'marks' })
  const overlay = svg('svg', { class: 'overlay', 'aria-hidden': 'true' }, cross, marks)
  const letters = [0, 1, 2, 3].map((n) => el('div', { class: `letter l${n}` }))
  const name = el('div', { class: 'name' }, plane.name)
  const surface = el('div', {
    class: 'surface', tabindex: '0', role: 'img', 'data-plane': plane.name.toLowerCase() + (isTwin ? '-second' : ''),
    'aria-label': `${plane.name} plane${isTwin ? ' of the second mask' : ''}; arrow up and down change the slice, ? shows all keys`,
  }, overlay, name, ...letters)
  const slider = el('input', { type: 'range', min: '0', max: '0', value: '0', 'aria-label': isTwin ? `Slice of the second mask, ${plane.name.toLowerCase()}` : `${plane.name} slice` })
  const count = el('span', { class: 'count' })
  const box = el('div', { class: 'pane' }, surface, el('div', { class: 'bar' }, slider, count))
  return { plane, isTwin, box, surface, name, slider, count, letters, cross, marks, rect: [0, 0, 1, 1] }
}

export class Stage {
  /** Three planes, and three more for a second mask beside the first. */
  readonly panes = [...PLANES.map((plane) => makePane(plane, false)), ...PLANES.map((plane) => makePane(plane, true))]
  private names: [string, string] | null = null
  readonly side = el('div', { class: 'side' })
  readonly solid = el('div', { class: 'pane solid' }) // the 3D view's place
  readonly body = el('div', { class: 'body' }, ...this.panes.map((pane) => pane.box), this.solid, this.side)
  width = 1
  height = 1
  ratio = 1

  /** Put a renderer's canvas under the panes. */
  setCanvas(canvas: HTMLCanvasElement): void {
    canvas.className = 'picture'
    this.body.prepend(canvas)
  }

  /** Lay the planes out; with two names, those of two masks side by side. */
  arrange(layout: Layout, is3d: boolean, names: [string, string] | null): void {
    this.names = names
    const isNarrow = this.body.clientWidth < NARROW
    const side = isNarrow ? '180px' : '232px'
    let [areas, columns] = ['"A C P" "A S P"', `3fr 2fr ${side}`]
    let shown = is3d ? 'ACSD' : 'ACS'
    if (names && layout !== '3d') {
      const one = layout === 'all' ? '' : AREAS[layout]!
      shown = one ? one + one.toLowerCase() : 'ACSacs'
      ;[areas, columns] = one ? [`"${one} ${one.toLowerCase()} P"`, `1fr 1fr ${side}`] : ['"A C S P" "a c s P"', `1fr 1fr 1fr ${side}`]
    } else if (layout !== 'all') {
      shown = layout === '3d' ? 'D' : AREAS[layout]!
      ;[areas, columns] = [`"${shown} P"`, `1fr ${side}`]
    } else if (is3d) [areas, columns] = ['"A C P" "S D P"', `1fr 1fr ${side}`]
    else if (isNarrow) [areas, columns] = ['"A C" "S P"', '1fr 1fr']
    this.body.style.gridTemplateAreas = areas
    this.body.style.gridTemplateColumns = columns
    this.body.style.gridTemplateRows = areas.includes('" "') ? '1fr 1fr' : '1fr'
    this.panes.forEach((pane, n) => {
      pane.box.style.gridArea = AREAS[n]!
      pane.box.hidden = !shown.includes(AREAS[n]!)
      pane.name.textContent = names ? `${pane.plane.name} · ${names[pane.isTwin ? 1 : 0]}` : pane.plane.name
    })
    this.solid.style.gridArea = 'D'
    this.solid.hidden = !shown.includes('D')
    this.side.style.gridArea = 'P'
    this.measure()
  }

  /** Read sizes and places from the page; whole device pixels, so that every renderer cuts at the same places. */
  measure(): void {
    this.ratio = window.devicePixelRatio || 1
    const bounds = this.body.getBoundingClientRect()
    this.width = Math.max(1, Math.round(bounds.width * this.ratio))
    this.height = Math.max(1, Math.round(bounds.height * this.ratio))
    for (const pane of this.panes) {
      const { left, top, right, bottom } = pane.surface.getBoundingClientRect()
      const [x0, y0, x1, y1] = [left - bounds.left, top - bounds.top, right - bounds.left, bottom - bounds.top]
        .map((value) => Math.round(value * this.ratio)) as [number, number, number, number]
      pane.rect = [x0, y0, x1 - x0, y1 - y0]
    }
  }

  isShown(pane: Pane): boolean {
    return !pane.box.hidden && pane.rect[2] > 1 && pane.rect[3] > 1
  }

  viewOf(pane: Pane, camera: Camera): View {
    return makeView(pane.plane, camera, pane.rect[2] / this.ratio, pane.rect[3] / this.ratio)
  }

  tiles(camera: Camera): Tile[] {
    return this.panes.filter((pane) => this.isShown(pane)).map((pane) => ({
      rect: pane.rect, view: this.viewOf(pane, camera), comparing: this.names ? (pane.isTwin ? 'second' : 'first') : null,
    }))
  }

  /** A point of the page in a pane's own CSS pixels. */
  pointIn(pane: Pane, event: { clientX: number; clientY: number }): [number, number] {
    const bounds = this.body.getBoundingClientRect()
    return [event.clientX - bounds.left - pane.rect[0] / this.ratio, event.clientY - bounds.top - pane.rect[1] / this.ratio]
  }

  /** Letters, sliders and crosshairs for one frame. */
  decorate(camera: Camera, cross: Vec3, marks: (view: View) => SVGElement[]): void {
    for (const pane of this.panes) {
      if (!this.isShown(pane)) continue
      const { plane } = pane
      lettersOf(plane, camera.isRadiological).forEach((letter, n) => { pane.letters[n]!.textContent = letter })
      const n = camera.shape[plane.normal]
      pane.slider.max = String(n - 1)
      pane.slider.value = String(cross[plane.normal])
      pane.count.textContent = `${cross[plane.normal] + 1} / ${n}`
      const view = this.viewOf(pane, camera)
      pane.marks.replaceChildren(...marks(view))
      const [x, y] = voxelToPoint(view, camera, cross)
      pane.cross.setAttribute('d',
        `M0 ${y}H${x - GAP}M${x + GAP} ${y}H${view.width}M${x} 0V${y - GAP}M${x} ${y + GAP}V${view.height}`)
    }
  }
}
