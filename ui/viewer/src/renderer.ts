// What the viewer asks of a renderer; the NiiVue adapter and the plain 2D canvas both give it.
import type { Grid, Vec3 } from './grid'
import type { Camera, View } from './layout'
import type { Comparing } from './state'

/** Voxels as they are known so far; arrays stay owned by the viewer, so a renderer can be made again from them. */
export interface Scene {
  camera: Camera
  low: Grid | null
  full: Grid | null
  nSlices: number // of `full` that have arrived, along z
  mask: Grid | null
  compared: Grid | null
}

/** A box of voxels, both corners included. */
export interface Box { from: Vec3; to: Vec3 }

/** How one frame looks. `range` is in stored values; `colors` is 65536 RGBA words, alpha 0 where a label is hidden. */
export interface Look {
  cross: Vec3
  range: [number, number]
  opacity: number
  isOutline: boolean
  isReviewed: boolean; isSecondReviewed: boolean
  comparing: Comparing
  isSmooth: boolean
  colors: Uint32Array
}

/** One plane's place on the canvas, in device pixels, its geometry in CSS pixels, and which mask it shows if one alone. */
export interface Tile { rect: [number, number, number, number]; view: View; comparing: 'first' | 'second' | null }

export interface Renderer {
  readonly kind: 'webgl' | 'plain'
  readonly canvas: HTMLCanvasElement
  /** Say why it can't draw a volume of this shape; null when it can. */
  limit(shape: Vec3): string | null
  /** Take over a scene: all of it, whatever was there before. */
  setScene(scene: Scene): void
  /** Slices z0 <= z < z1 of the full volume have arrived. */
  addSlices(z0: number, z1: number): void
  setMask(mask: Grid | null): void
  setCompared(mask: Grid | null): void
  /** These voxels of the mask were changed in place. */
  updateMask(box: Box): void
  setColors(colors: Uint32Array): void
  /** Draw all tiles on a canvas of that many device pixels. */
  draw(width: number, height: number, tiles: Tile[], look: Look): void
  destroy(): void
}

/** A volume's own extremes, for the window "whole range". */
export function extremes(grid: Grid): [number, number] {
  let low = Infinity
  let high = -Infinity
  for (const value of grid.voxels) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return [low, high]
}

/** Say whether a person vouched for the mask that a tile shows. */
export function isVouched(tile: Tile, look: Look): boolean {
  return (tile.comparing ?? look.comparing) === 'second' ? look.isSecondReviewed : look.isReviewed
}
