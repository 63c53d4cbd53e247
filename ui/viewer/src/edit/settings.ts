// What the editor can be set to.
import type { PlaneName } from './region'

export type Tool = 'look' | 'brush' | 'erase' | 'lasso' | 'polygon' | 'fill' | 'grow' | 'pick'
/** What may be painted over: every label that is neither locked nor hidden, nothing but background, or chosen ones. */
export type Over = 'everything' | 'background' | 'chosen'

export interface Settings {
  tool: Tool
  label: number
  sizeMm: number
  growMm: number
  isBall: boolean
  over: Over
  chosen: Set<number>
  locked: Set<number>
  isRanged: boolean
  range: [number, number] // displayed values, both ends included
}

export type ShapeTool = 'interpolate' | 'smooth' | 'islands' | 'holes'
export interface ShapeSettings { smoothMm: number; minVoxels: number | null; isHolesInPlane: boolean }

export interface EditorHost {
  change(change: Partial<Settings>): void
  undo(): void
  redo(): void
  shape(tool: ShapeTool, settings: ShapeSettings): void
  copySlice(by: -1 | 1): void
  reviewSlice(): void
  reviewRange(first: number, last: number): void
  reviewWhole(): void
  reviewEdited(): void
  reviewNothing(): void
  reviewLabels(labels: number[] | null): void
  goTo(plane: PlaneName, slice: number): void
  finalize(): void
}

export const TOOLS: readonly (readonly [tool: Tool, text: string, title: string, key: string])[] = [
  ['look', 'Look', 'Move the crosshair', 'Escape'], ['brush', 'Brush', 'Paint with the chosen label', 'b'],
  ['erase', 'Erase', 'Paint background', 'e'], ['lasso', 'Lasso', 'Fill what you draw around', 'l'],
  ['polygon', 'Polygon', 'Click corners; double click, Enter or a click on the first corner fills it; Backspace takes one back', 'p'],
  ['fill', 'Fill', 'Give the whole region of one label in this slice the chosen label', 'f'],
  ['grow', 'Grow', 'Click into a structure: the chosen label grows through similar values', 'w'],
  ['pick', 'Pick', 'Choose the label under the pointer', 'k'],
]
export const SIZED: ReadonlySet<Tool> = new Set<Tool>(['brush', 'erase', 'grow'])

export function initialSettings(label: number): Settings {
  return {
    tool: 'look', label, sizeMm: 5, growMm: 20, isBall: false, over: 'everything', chosen: new Set([0]), locked: new Set(),
    isRanged: false, range: [-100, 300],
  }
}
