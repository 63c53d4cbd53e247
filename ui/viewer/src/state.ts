// What the user can set, and the pure rules for it.
import type { Vec3 } from './grid'
import type { Region } from './edit/region'
import type { PlaneIndex } from './layout'

export interface Label { index: number; name: string; color: string | number[]; volume_ml: number | null }

/** What Python sends; a few kB, never voxels. */
export interface Data {
  instance: string; apiBase: string; volumeId: string; volumeTicket: string
  project?: string
  maskId: string | null; maskTicket: string | null
  draftId?: string | null // edit this draft instead of showing the mask
  compareMaskId: string | null; compareMaskTicket: string | null
  maskName: string; compareName: string
  compareTranslation: Record<number, number> | null // the second mask's indices in the first one's label set
  disagreements: Disagreement[]
  labels: Label[]; notice: string; height: number | null
  isReviewed: boolean; isSecondReviewed: boolean; unit: string; huOffset: number
  badge: string // what the mask is worth, in a word; '' where there is nothing to warn of
  region: Region | null // what of the mask a person vouches for, where that is known
}

export type Layout = 'all' | PlaneIndex | '3d'
/** With two masks: their difference, one of them, or both side by side. */
export type Comparing = 'difference' | 'first' | 'second' | 'both'
/** A place where two masks differ, the largest first; `text` says how. */
export interface Disagreement { centre: Vec3; text: string }
export type Mode = 'cross' | 'window' | 'pan' | 'measure'

export interface ViewState {
  cross: Vec3
  preset: string; width: number; level: number // of the displayed values, offset included
  opacity: number; isMaskHidden: boolean; isOutline: boolean; isSmooth: boolean
  hidden: Set<number>
  comparing: Comparing
  isRadiological: boolean
  layout: Layout; is3d: boolean; mode: Mode
  zoom: number; centre: Vec3
}

export const PRESETS: Record<string, [number, number]> = {
  Brain: [80, 40], 'Soft tissue': [400, 40], Lung: [1500, -600], Bone: [2000, 500],
}
export const WHOLE_RANGE = 'Whole range'
export const CUSTOM = 'Custom'

export function initialState(): ViewState {
  return {
    cross: [0, 0, 0], preset: 'Soft tissue', width: 400, level: 40,
    opacity: 0.5, isMaskHidden: false, isOutline: false, isSmooth: true, hidden: new Set(), comparing: 'difference',
    isRadiological: true, layout: 'all', is3d: false, mode: 'cross', zoom: 1, centre: [0.5, 0.5, 0.5],
  }
}

export function clampVoxel(voxel: Vec3, shape: Vec3): Vec3 {
  return voxel.map((v, axis) => Math.min(shape[axis]! - 1, Math.max(0, Math.round(v)))) as Vec3
}

export function clampZoom(zoom: number): number {
  return Math.min(40, Math.max(0.5, zoom))
}

export function parseColor(color: string | number[]): Vec3 {
  if (Array.isArray(color)) return [color[0] ?? 255, color[1] ?? 255, color[2] ?? 255]
  const number = parseInt(color.replace('#', ''), 16)
  return Number.isNaN(number) ? [255, 0, 0] : [(number >> 16) & 255, (number >> 8) & 255, number & 255]
}

/** One RGBA word per label index; alpha 0 where it is hidden. An index that no label names is shown in red, not lost. */
export function colorTable(labels: Label[], hidden: Set<number>): Uint32Array {
  const table = new Uint32Array(65536).fill(labels.length ? 0xff0000ff : 0)
  table[0] = 0
  for (const { index, color } of labels) {
    if (index <= 0 || index > 65535) continue
    const [r, g, b] = parseColor(color)
    table[index] = hidden.has(index) ? 0 : ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
  }
  return table
}
