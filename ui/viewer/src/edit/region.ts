// The reviewed region: what a person vouches for. Pure rules; ranges of slices in RAS order, both ends included.
import type { Vec3 } from '../grid'
import type { Plane } from '../layout'
import type { Run } from './runs'

export type PlaneName = 'axial' | 'coronal' | 'sagittal'
export type Ranges = number[][]
export type Slices = Record<PlaneName, Ranges>
/** `labels`: the only ones vouched for; null for all. */
export interface Region extends Slices { whole: boolean; labels: number[] | null }

export const NO_SLICES: Slices = { axial: [], coronal: [], sagittal: [] }
export const NOTHING: Region = { whole: false, labels: null, ...NO_SLICES }

export function nameOf(plane: Plane): PlaneName { return plane.name.toLowerCase() as PlaneName }

/** The ranges with one more, in order and merged where they touch. */
export function withRange(ranges: Ranges, first: number, last: number): Ranges {
  const merged: Ranges = []
  for (const [a, b] of [...ranges, [Math.min(first, last), Math.max(first, last)]].sort((x, y) => x[0]! - y[0]!) as [number, number][]) {
    const before = merged.at(-1)
    if (before && a <= before[1]! + 1) before[1] = Math.max(before[1]!, b)
    else merged.push([a, b])
  }
  return merged
}

export function withoutSlice(ranges: Ranges, slice: number): Ranges {
  return ranges.flatMap(([first, last]) => first! <= slice && slice <= last!
    ? [[first!, slice - 1], [slice + 1, last!]].filter(([a, b]) => a! <= b!) : [[first!, last!]])
}

export function holds(ranges: Ranges, slice: number): boolean {
  return ranges.some(([first, last]) => first! <= slice && slice <= last!)
}

export function count(ranges: Ranges): number {
  return ranges.reduce((sum, [first, last]) => sum + last! - first! + 1, 0)
}

/** Say whether a slice is reviewed: itself, or all of it by slices of another plane. */
export function isReviewed(region: Region, plane: PlaneName, slice: number, shape: Vec3): boolean {
  if (region.whole || holds(region[plane], slice)) return true
  const lengths: Record<PlaneName, number> = { axial: shape[2], coronal: shape[1], sagittal: shape[0] }
  return (Object.keys(lengths) as PlaneName[]).some((other) => other !== plane && count(region[other]) === lengths[other])
}

/** Say whether all edits lie in reviewed slices: every edited slice of at least one plane is reviewed. */
export function coversEdits(region: Region, edited: Slices, shape: Vec3): boolean {
  return (Object.keys(NO_SLICES) as PlaneName[]).some((plane) => edited[plane].every(([first, last]) => {
    for (let slice = first!; slice <= last!; slice++) if (!isReviewed(region, plane, slice, shape)) return false
    return true
  }))
}

export function isEmpty(region: Region): boolean {
  if (region.labels?.length === 0) return true
  return !region.whole && !count(region.axial) && !count(region.coronal) && !count(region.sagittal)
}

/** Ranges as a person counts slices: from 1, such as "4, 7-9". */
export function inWords(ranges: Ranges): string {
  return ranges.map(([first, last]) => (first === last ? `${first! + 1}` : `${first! + 1}-${last! + 1}`)).join(', ')
}

export function describe(region: Region): string {
  if (region.whole) return 'whole volume'
  const parts = (['axial', 'coronal', 'sagittal'] as const).filter((plane) => count(region[plane]))
    .map((plane) => `${count(region[plane])} ${plane}`)
  return parts.length ? parts.join(', ') : 'nothing yet'
}

/** The slices of each plane in which runs change something. */
export function slicesOf(runs: readonly Run[], [nx, ny]: Vec3): Record<PlaneName, Set<number>> {
  const found = { axial: new Set<number>(), coronal: new Set<number>(), sagittal: new Set<number>() }
  for (const { start, length } of runs) {
    for (let row = Math.floor(start / nx); row * nx < start + length; row++) {
      found.axial.add(Math.floor(row / ny))
      found.coronal.add(row % ny)
      const [from, to] = [Math.max(start, row * nx), Math.min(start + length, (row + 1) * nx)]
      if (to - from === nx && found.sagittal.size === nx) continue
      for (let index = from; index < to; index++) found.sagittal.add(index % nx)
    }
  }
  return found
}

/** Slices with those of an edit added. */
export function withEdit(slices: Slices, runs: readonly Run[], shape: Vec3): Slices {
  const touched = slicesOf(runs, shape)
  const add = (plane: PlaneName): Ranges => [...touched[plane]].reduce((ranges, slice) => holds(ranges, slice) ? ranges : withRange(ranges, slice, slice), slices[plane])
  return { axial: add('axial'), coronal: add('coronal'), sagittal: add('sagittal') }
}
