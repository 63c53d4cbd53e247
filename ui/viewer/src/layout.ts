// Pure geometry of the planes: which axes a plane shows, where a voxel lies on the screen, which voxel lies under a point.
import type { Vec3 } from './grid'

/** 0 axial, 1 coronal, 2 sagittal (NiiVue's numbers too). */
export type PlaneIndex = 0 | 1 | 2
export interface Plane { index: PlaneIndex; name: string; normal: 0 | 1 | 2; across: 0 | 1 | 2; up: 0 | 1 | 2 }
export const PLANES: readonly Plane[] = [
  { index: 0, name: 'Axial', normal: 2, across: 0, up: 1 },
  { index: 1, name: 'Coronal', normal: 1, across: 0, up: 2 },
  { index: 2, name: 'Sagittal', normal: 0, across: 1, up: 2 },
]
const LETTERS = [['L', 'R'], ['P', 'A'], ['I', 'S']] as const // where an index begins and where it ends

/** What all planes share: the grid, the point in the middle (0..1 of the field of view per axis) and the zoom. */
export interface Camera { shape: Vec3; spacing: Vec3; centre: Vec3; zoom: number; isRadiological: boolean }

/** A plane's picture in a box of `width` x `height` CSS pixels: what it shows, in mm from the grid's outer corner. */
export interface View {
  plane: Plane; width: number; height: number
  pxPerMm: number; isFlipped: boolean
  acrossMm: number; upMm: number // of the middle of the box
}

/** Say whether the plane's horizontal index grows to the left: patient's right, or the nose, is on the left. */
export function isFlipped(plane: Plane, isRadiological: boolean): boolean {
  return plane.across === 1 || isRadiological
}

/** Letters at the left, right, top and bottom of a plane; on an oblique grid, those of the nearest direction. */
export function lettersOf(plane: Plane, isRadiological: boolean): [string, string, string, string] {
  const [low, high] = LETTERS[plane.across]
  const [bottom, top] = LETTERS[plane.up]
  return isFlipped(plane, isRadiological) ? [high, low, top, bottom] : [low, high, top, bottom]
}

export function makeView(plane: Plane, camera: Camera, width: number, height: number): View {
  const extent = camera.shape.map((n, axis) => n * camera.spacing[axis]!) as Vec3
  return {
    plane, width, height,
    pxPerMm: Math.min(width / extent[plane.across], height / extent[plane.up]) * camera.zoom,
    isFlipped: isFlipped(plane, camera.isRadiological),
    acrossMm: camera.centre[plane.across] * extent[plane.across],
    upMm: camera.centre[plane.up] * extent[plane.up],
  }
}

/** Millimetres along the plane's two axes, from the grid's outer corner, under a point of the box. */
export function pointToMm(view: View, x: number, y: number): [number, number] {
  const across = (x - view.width / 2) / view.pxPerMm
  return [view.acrossMm + (view.isFlipped ? -across : across), view.upMm - (y - view.height / 2) / view.pxPerMm]
}

export function mmToPoint(view: View, acrossMm: number, upMm: number): [number, number] {
  const across = (acrossMm - view.acrossMm) * view.pxPerMm
  return [view.width / 2 + (view.isFlipped ? -across : across), view.height / 2 - (upMm - view.upMm) * view.pxPerMm]
}

/** Where the centre of a voxel lies in the box. */
export function voxelToPoint(view: View, camera: Camera, voxel: Vec3): [number, number] {
  const { across, up } = view.plane
  return mmToPoint(view, (voxel[across] + 0.5) * camera.spacing[across], (voxel[up] + 0.5) * camera.spacing[up])
}

/** The voxel under a point of the box, in the slice `cross` lies in; null outside the volume. */
export function pointToVoxel(view: View, camera: Camera, x: number, y: number, cross: Vec3): Vec3 | null {
  const { across, up } = view.plane
  const [acrossMm, upMm] = pointToMm(view, x, y)
  const voxel = [...cross] as Vec3
  voxel[across] = Math.floor(acrossMm / camera.spacing[across])
  voxel[up] = Math.floor(upMm / camera.spacing[up])
  return voxel.every((v, axis) => v >= 0 && v < camera.shape[axis]!) ? voxel : null
}
