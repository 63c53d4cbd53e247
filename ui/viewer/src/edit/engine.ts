// The edit engine: strokes on one mask in memory, what they changed, undo and redo. No page, no network.
import type { Grid, Vec3 } from '../grid'
import type { Box } from '../renderer'
import { inverse, toRuns, type Run } from './runs'

export type Operation = 'brush' | 'erase' | 'lasso' | 'fill' | 'threshold' | 'copy' | 'restore' | Computed | 'undo' | 'redo'
/** What the server computes. */
export type Computed = 'grow' | 'smooth' | 'islands' | 'holes' | 'interpolate'
export interface Edit { operation: Operation; label: number; runs: Run[] }

/** What may be painted over: only these labels where given, never locked ones, only values in the range. */
export interface Rules { only: ReadonlySet<number> | null; locked: ReadonlySet<number>; range: [number, number] | null }
export const FREE: Rules = { only: null, locked: new Set(), range: null }
const MOST_RUNS = 2_000_000 // kept for undo: about 120 MB

export class Engine {
  private undoable: Edit[] = []
  private redoable: Edit[] = []
  private changes: Map<number, number> | null = null
  private stroke: { operation: Operation; label: number; rules: Rules } | null = null
  private touched: Box | null = null
  private nRuns = 0
  /** Labels that kept the last stroke out, and how many voxels' values did. */
  protectedLabels = new Set<number>()
  nOutside = 0
  /** Voxels of each label, kept up to date. */
  readonly counts = new Float64Array(65536)

  /** `mask` is edited in place; `values` gives the CT's stored values on the same grid, for rules with a range. */
  constructor(readonly mask: Grid, private values: () => Grid | null = () => null) {
    const { counts } = this
    const { voxels } = mask
    for (let index = 0; index < voxels.length; index++) counts[voxels[index]!]! += 1
  }

  get canUndo(): boolean { return this.undoable.length > 0 }
  get canRedo(): boolean { return this.redoable.length > 0 }
  /** What can be undone, oldest first. */
  get done(): readonly Edit[] { return this.undoable }
  get isDrawing(): boolean { return this.stroke !== null }

  /** Open a stroke; one that is still open is taken back, for the journal could not hear of it any more. */
  begin(operation: Operation, label: number, rules: Rules = FREE): void {
    this.cancel()
    this.stroke = { operation, label, rules }
    this.protectedLabels.clear()
    this.nOutside = 0
    this.changes = new Map()
  }

  /** Give voxels the stroke's label where the rules allow it; outside the grid nothing happens. */
  paint(voxels: Iterable<Vec3>): void {
    if (!this.stroke || !this.changes) return
    const { shape, voxels: labels } = this.mask
    const { label, rules } = this.stroke
    for (const voxel of voxels) {
      const [x, y, z] = voxel
      if (x < 0 || y < 0 || z < 0 || x >= shape[0] || y >= shape[1] || z >= shape[2]) continue
      const index = x + shape[0] * (y + shape[1] * z)
      const before = labels[index]!
      if (before === label || !this.allows(rules, before, index)) continue
      this.changes.set(index, before) // once: from now on the voxel has the stroke's label
      this.set(index, label)
      this.touch(voxel, voxel)
    }
  }

  private set(index: number, label: number): void {
    this.counts[this.mask.voxels[index]!]! -= 1
    this.counts[label]! += 1
    this.mask.voxels[index] = label
  }

  private allows(rules: Rules, before: number, index: number): boolean {
    if (rules.locked.has(before) || (rules.only && !rules.only.has(before))) {
      this.protectedLabels.add(before)
      return false
    }
    if (!rules.range) return true
    const value = this.values()?.voxels[index]
    const isInside = value !== undefined && value >= rules.range[0] && value <= rules.range[1]
    if (!isInside) this.nOutside += 1
    return isInside
  }

  /** End the stroke; null when it changed nothing. */
  end(): Edit | null {
    const { stroke, changes } = this
    this.stroke = this.changes = null
    if (!stroke || !changes?.size) return null
    const edit = { operation: stroke.operation, label: stroke.label, runs: toRuns(changes, () => stroke.label) }
    this.push(edit)
    return edit
  }

  private push(edit: Edit): void {
    this.undoable.push(edit)
    this.redoable = []
    this.nRuns = this.undoable.reduce((sum, { runs }) => sum + runs.length, 0)
    // A very long memory would fill the browser's; the oldest edits stay, but can't be undone one by one any more.
    while (this.nRuns > MOST_RUNS && this.undoable.length > 1) this.nRuns -= this.undoable.shift()!.runs.length
  }

  /** Do what was reckoned elsewhere; null, and no change, where a voxel isn't what a run says it was. */
  apply(operation: Operation, label: number, runs: Run[]): Edit | null {
    if (!runs.length || this.isDrawing || !this.fits(runs)) return null
    this.write(runs)
    const edit = { operation, label, runs }
    this.push(edit)
    return edit
  }

  /** Say whether every voxel is what the runs say it was. */
  fits(runs: readonly Run[]): boolean {
    const { voxels } = this.mask
    return runs.every(({ start, length, before }) => {
      for (let index = start; index < start + length; index++) if (voxels[index] !== before) return false
      return true
    })
  }

  /** Take back what the open stroke has done, as if it had not begun. */
  cancel(): void {
    for (const [index, before] of this.changes ?? []) {
      this.set(index, before)
      const [nx, ny] = this.mask.shape
      const voxel: Vec3 = [index % nx, Math.floor(index / nx) % ny, Math.floor(index / (nx * ny))]
      this.touch(voxel, voxel)
    }
    this.stroke = this.changes = null
  }

  undo(): Edit | null { return this.move(this.undoable, this.redoable, 'undo') }
  redo(): Edit | null { return this.move(this.redoable, this.undoable, 'redo') }

  private move(from: Edit[], to: Edit[], operation: 'undo' | 'redo'): Edit | null {
    const edit = this.isDrawing ? undefined : from.pop()
    if (!edit) return null
    to.push(edit)
    const runs = operation === 'undo' ? inverse(edit.runs) : edit.runs
    this.write(runs)
    return { operation, label: edit.label, runs }
  }

  private write(runs: readonly Run[]): void {
    const [nx, ny] = this.mask.shape
    for (const { start, length, before, after } of runs) {
      this.counts[before]! -= length
      this.counts[after]! += length
      this.mask.voxels.fill(after, start, start + length)
      const last = start + length - 1
      const [y0, y1] = [Math.floor(start / nx), Math.floor(last / nx)]
      const [z0, z1] = [Math.floor(y0 / ny), Math.floor(y1 / ny)]
      if (y0 === y1) this.touch([start % nx, y0 % ny, z0], [last % nx, y1 % ny, z1])
      else if (z0 === z1) this.touch([0, y0 % ny, z0], [nx - 1, y1 % ny, z1])
      else this.touch([0, 0, z0], [nx - 1, ny - 1, z1])
    }
  }

  /**
   * Rebuild what can be undone and redone from the journal, oldest first; the mask has all of it already.
   *
   * The entries may begin anywhere: an undo or redo of an edit before them holds that edit's runs itself.
   */
  remember(edits: Iterable<{ operation: string; label: number; runs: Run[] }>): void {
    for (const { operation, label, runs } of edits) {
      if (operation === 'undo') this.redoable.push(this.undoable.pop() ?? { operation: 'brush', label, runs: inverse(runs) })
      else if (operation === 'redo') this.undoable.push(this.redoable.pop() ?? { operation: 'brush', label, runs })
      else if (runs.length) {
        this.undoable.push({ operation: operation as Operation, label, runs })
        this.redoable = []
      }
    }
  }

  /** Do an edit again that was once made on these very voxels, and remember it. */
  replay(edit: { operation: string; label: number; runs: Run[] }): void {
    this.write(edit.runs)
    this.remember([edit])
  }

  private touch(low: Vec3, high: Vec3): void {
    this.touched ??= { from: [...low], to: [...high] }
    for (const axis of [0, 1, 2] as const) {
      this.touched.from[axis] = Math.min(this.touched.from[axis], low[axis])
      this.touched.to[axis] = Math.max(this.touched.to[axis], high[axis])
    }
  }

  /** The box of voxels changed since this was asked for last; null when there is none. */
  takeTouched(): Box | null {
    const box = this.touched
    this.touched = null
    return box
  }
}
