// Measuring distances in a plane, in mm along the grid's axes.
import { svg } from './dom'
import type { Vec3 } from './grid'
import { mmToPoint, type PlaneIndex, type View } from './layout'
import type { Phase } from './pointer'
import type { Pane } from './stage'

type Point = [number, number]
/** A line in one slice of one plane; points in mm along the plane's axes, from the grid's outer corner. */
export interface Line { plane: PlaneIndex; slice: number; from: Point; to: Point }

export function lengthOf({ from, to }: Line): number {
  return Math.hypot(to[0] - from[0], to[1] - from[1])
}

export class Measuring {
  lines: Line[] = []
  private open: Line | null = null

  /** Take one step of a drag. */
  drag(pane: Pane, phase: Phase, mm: Point, cross: Vec3): void {
    if (phase === 'down') {
      this.open = { plane: pane.plane.index, slice: cross[pane.plane.normal], from: mm, to: mm }
      this.lines.push(this.open)
    } else if (this.open) this.open.to = mm
    if (phase === 'up' || phase === 'cancel') {
      this.lines = this.lines.filter((line) => line !== this.open || lengthOf(line) > 0)
      this.open = null
    }
  }

  clear(): void {
    this.lines = []
    this.open = null
  }

  /** The lines of the slice that a pane shows. */
  marks(view: View, cross: Vec3): SVGElement[] {
    const here = this.lines.filter(({ plane, slice }) => plane === view.plane.index && slice === cross[view.plane.normal])
    return here.flatMap((line) => {
      const [x1, y1] = mmToPoint(view, ...line.from)
      const [x2, y2] = mmToPoint(view, ...line.to)
      const text = svg('text', { x: String(Math.max(x1, x2) + 6), y: String((x1 > x2 ? y1 : y2) + 4) })
      text.textContent = `${lengthOf(line).toFixed(1)} mm`
      return [svg('line', { x1: String(x1), y1: String(y1), x2: String(x2), y2: String(y2) }), text]
    })
  }
}
