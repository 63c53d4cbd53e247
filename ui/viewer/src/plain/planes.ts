// The fallback for a browser without WebGL2: slices drawn on a 2D canvas, voxel by voxel.
import { sameVoxel, type Grid, type Vec3 } from '../grid'
import { mmToPoint } from '../layout'
import { isVouched, type Box, type Look, type Renderer, type Scene, type Tile } from '../renderer'

const AGREED = 0xff59b34d
const ONLY_FIRST = 0xff1f8cf2
const ONLY_SECOND = 0xffff8040
const OTHER_LABEL = 0xffd940d9

export class PlainPlanes implements Renderer {
  readonly kind = 'plain'
  readonly canvas = document.createElement('canvas')
  private scene: Scene | null = null
  private slice = document.createElement('canvas')

  limit(): null { return null }
  setScene(scene: Scene): void { this.scene = scene }
  addSlices(_from: number, to: number): void { if (this.scene) this.scene.nSlices = to }
  setMask(mask: Grid | null): void { if (this.scene) this.scene.mask = mask }
  setCompared(mask: Grid | null): void { if (this.scene) this.scene.compared = mask }
  updateMask(_box: Box): void { /* every frame reads the mask anew */ }
  setColors(): void { /* so are the colours */ }
  destroy(): void { this.canvas.remove() }

  draw(width: number, height: number, tiles: Tile[], look: Look): void {
    this.canvas.width = width
    this.canvas.height = height
    const context = this.canvas.getContext('2d')!
    for (const tile of tiles) {
      context.save()
      const [left, top, w, h] = tile.rect
      context.beginPath()
      context.rect(left, top, w, h)
      context.clip()
      context.fillStyle = '#000'
      context.fillRect(left, top, w, h)
      context.translate(left, top)
      context.scale(w / tile.view.width, h / tile.view.height)
      this.drawTile(context, tile, look)
      context.restore()
    }
  }

  private drawTile(context: CanvasRenderingContext2D, tile: Tile, look: Look): void {
    const { scene } = this
    const { view } = tile
    const comparing = tile.comparing ?? look.comparing
    if (!scene) return
    const { shape, spacing } = scene.camera
    const { across, up } = view.plane
    const corner = mmToPoint(view, 0, 0)
    const opposite = mmToPoint(view, shape[across] * spacing[across], shape[up] * spacing[up])
    const paint = (voxels: Grid, isSmooth: boolean, color: (at: number, column: number, row: number) => number): void => {
      this.fill(voxels, view.plane, view.isFlipped, sameVoxel(shape, voxels.shape, look.cross), color)
      context.imageSmoothingEnabled = isSmooth
      context.drawImage(this.slice, Math.min(corner[0], opposite[0]), opposite[1],
        Math.abs(opposite[0] - corner[0]), corner[1] - opposite[1])
    }
    const volume = scene.full && scene.nSlices === shape[2] ? scene.full : scene.low
    if (volume) {
      const gain = 255 / (look.range[1] - look.range[0])
      paint(volume, look.isSmooth, (at) => {
        const gray = Math.min(255, Math.max(0, Math.round((volume.voxels[at]! - look.range[0]) * gain)))
        return ((255 << 24) | (gray << 16) | (gray << 8) | gray) >>> 0
      })
    }
    const compared = comparing === 'difference' ? scene.compared : null
    const mask = comparing === 'second' && scene.compared ? scene.compared : scene.mask
    if (!mask || look.opacity === 0) return
    context.globalAlpha = look.opacity
    const visible = (label: number): number => look.colors[label]!
    if (compared) {
      paint(mask, false, (at) => {
        const first = visible(mask.voxels[at]!) ? mask.voxels[at]! : 0
        const second = visible(compared.voxels[at]!) ? compared.voxels[at]! : 0
        if (!first && !second) return 0
        if (first === second) return AGREED
        return first && second ? OTHER_LABEL : first ? ONLY_FIRST : ONLY_SECOND
      })
    } else {
      paint(mask, false, (at, column, row) => {
        // Hatched until a person has vouched for it.
        if (!isVouched(tile, look) && (column + row) % 4 > 1) return 0
        return visible(mask.voxels[at]!)
      })
    }
  }

  private fill(
    grid: Grid, plane: Tile['view']['plane'], isFlipped: boolean, cross: Vec3,
    color: (at: number, column: number, row: number) => number,
  ): void {
    const strides = [1, grid.shape[0], grid.shape[0] * grid.shape[1]]
    const [columns, rows] = [grid.shape[plane.across], grid.shape[plane.up]]
    this.slice.width = columns
    this.slice.height = rows
    const pixels = new ImageData(columns, rows)
    const words = new Uint32Array(pixels.data.buffer)
    const step = strides[plane.across]!
    for (let row = 0, n = 0; row < rows; row++) {
      let at = cross[plane.normal] * strides[plane.normal]! + (rows - 1 - row) * strides[plane.up]!
      if (isFlipped) at += (columns - 1) * step
      for (let column = 0; column < columns; column++, at += isFlipped ? -step : step) words[n++] = color(at, column, row)
    }
    this.slice.getContext('2d')!.putImageData(pixels, 0, 0)
  }
}
