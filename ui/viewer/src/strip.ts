// What of a plane's slices was reviewed and edited: a strip under the picture, and a word on the slice that is shown.
import { svg } from './dom'
import type { Vec3 } from './grid'
import type { View } from './layout'
import { isReviewed, nameOf, type Ranges, type Region, type Slices } from './edit/region'
import { TEXT } from './text'

const HIGH = 5 // CSS pixels

export interface Vouched { region: Region; edited: Slices }

export function stripMarks(view: View, cross: Vec3, shape: Vec3, { region, edited }: Vouched): SVGElement[] {
  const name = nameOf(view.plane)
  const n = shape[view.plane.normal]
  const at = cross[view.plane.normal]
  const wide = view.width / n
  const bars = (ranges: Ranges, kind: string, y: number): SVGElement[] => ranges.map(([first, last]) => svg('rect', {
    class: kind, x: String(first! * wide), width: String(Math.max(1, (last! - first! + 1) * wide)), y: String(y), height: String(HIGH),
  }))
  const reviewed = isReviewed(region, name, at, shape)
  const text = svg('text', { class: reviewed ? 'vouched' : 'unvouched', x: '6', y: '34' })
  text.textContent = reviewed ? TEXT.reviewedLabels(region.labels?.length ?? null) : TEXT.notReviewed
  return [
    svg('rect', { class: 'track', x: '0', width: String(view.width), y: String(view.height - 2 * HIGH), height: String(2 * HIGH) }),
    ...bars(region.whole ? [[0, n - 1]] : region[name], 'reviewed', view.height - HIGH),
    ...bars(edited[name], 'edited', view.height - 2 * HIGH),
    svg('rect', { class: 'now', x: String(Math.max(0, (at + 0.5) * wide - 1)), width: '2', y: String(view.height - 2 * HIGH), height: String(2 * HIGH) }),
    text,
  ]
}
