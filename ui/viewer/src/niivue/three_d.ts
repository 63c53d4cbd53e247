// The 3D view: NiiVue renders the half-resolution copy and the mask in a small canvas of its own, only when asked.
import { NVImage, Niivue, SLICE_TYPE } from '@niivue/niivue'
import { sameVoxel, type Grid, type Vec3 } from '../grid'
import type { Label } from '../state'

const OPTIONS = {
  interactive: false, isResizeCanvas: false, dragAndDropEnabled: false, crosshairWidth: 0, show3Dcrosshair: false,
  isOrientCube: true, loadingText: '', backColor: [0, 0, 0, 1], sliceType: SLICE_TYPE.RENDER, logLevel: 'error',
}
const DRAWING_UNIT = 33991 // gl.TEXTURE7, where NiiVue keeps its drawing
const MOST = 255 // labels that NiiVue's drawing can tell apart

/** The mask at another resolution of the same field of view, labels numbered 1.. in the order of the list. */
export function smallMask(mask: Grid, shape: Vec3, order: Map<number, number>): Uint8Array {
  const small = new Uint8Array(shape[0] * shape[1] * shape[2])
  const [xs, ys, zs] = [0, 1, 2].map((axis) => Array.from({ length: shape[axis]! }, (_, n) =>
    sameVoxel(shape, mask.shape, [n, n, n])[axis]!)) as [number[], number[], number[]]
  let at = 0
  for (const z of zs) {
    for (const y of ys) {
      const row = mask.shape[0] * (y + mask.shape[1] * z)
      for (const x of xs) {
        const label = mask.voxels[row + x]!
        small[at++] = label ? (order.get(label) ?? 0) : 0
      }
    }
  }
  return small
}

/** A volume along the voxel axes, as the planes show it. */
function imageOf(grid: Grid, range: [number, number]): NVImage {
  const [sx, sy, sz] = grid.spacing
  const image = new NVImage()
  image.hdr = NVImage.createNiftiHeader(grid.shape, grid.spacing, [sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, sz, 0, 0, 0, 0, 1], 4) as NVImage['hdr']
  image.hdr!.sform_code = 1
  const voxels = Int16Array.from(grid.voxels).buffer
  image.init(voxels, 'volume.nii', 'gray', 1, null, ...range, true, 0.02, false, false, '', 0, undefined, NaN, NaN, true, null, 0, voxels)
  return image
}

export class Solid {
  readonly canvas = document.createElement('canvas')
  private niivue = new Niivue(OPTIONS as unknown as ConstructorParameters<typeof Niivue>[0])
  private grid: Grid | null = null
  private isTurning = false
  private frame = 0

  private constructor(private host: HTMLElement) {
    this.canvas.className = 'solid-picture'
    host.append(this.canvas)
  }

  static async create(host: HTMLElement): Promise<Solid> {
    const solid = new Solid(host)
    await solid.niivue.attachToCanvas(solid.canvas, false)
    solid.bind()
    return solid
  }

  /** Show the bright parts of a volume (bone, where values are HU), `range` in stored values. */
  setVolume(grid: Grid, range: [number, number]): void {
    this.grid = grid
    this.niivue.volumes = []
    this.niivue.addVolume(imageOf(grid, range))
    this.niivue.volumes[0]!.opacity = 1
  }

  setMask(mask: Grid | null, labels: Label[], colors: Uint32Array): void {
    const { grid, niivue } = this
    if (!grid) return
    const shown = labels.slice(0, MOST)
    const order = new Map(shown.map(({ index }, n) => [index, n + 1]))
    const voxels = mask ? smallMask(mask, grid.shape, order) : new Uint8Array(grid.voxels.length)
    const lut = new Uint8ClampedArray(1024)
    const bytes = new Uint8Array(colors.buffer)
    shown.forEach(({ index }, n) => lut.set(bytes.subarray(index * 4, index * 4 + 4), (n + 1) * 4))
    const { gl } = niivue
    niivue.drawBitmap = voxels
    niivue.drawTexture = niivue.r8Tex(niivue.drawTexture, DRAWING_UNIT, [3, ...grid.shape], false)
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, 0, ...grid.shape, gl.RED, gl.UNSIGNED_BYTE, voxels)
    niivue.drawLut = { lut, labels: [] } as unknown as typeof niivue.drawLut
    niivue.drawOpacity = 1
    niivue.refreshColormaps()
    this.draw()
  }

  draw(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0
      // A software renderer takes its time: half the pixels while turning.
      const ratio = (window.devicePixelRatio || 1) * (this.isTurning ? 0.5 : 1)
      const [width, height] = [this.host.clientWidth, this.host.clientHeight].map((side) => Math.round(side * ratio))
      if (!width || !height || !this.grid) return
      this.canvas.width = width
      this.canvas.height = height
      this.niivue.drawScene()
    })
  }

  destroy(): void {
    cancelAnimationFrame(this.frame)
    this.niivue.cleanup()
    this.niivue.gl.getExtension('WEBGL_lose_context')?.loseContext()
    this.canvas.remove()
  }

  private bind(): void {
    const { canvas, niivue } = this
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId)
      this.isTurning = true
    })
    canvas.addEventListener('pointermove', (event) => {
      if (!this.isTurning) return
      const { scene } = niivue
      scene.renderAzimuth = (scene.renderAzimuth - event.movementX * 0.6 + 360) % 360
      scene.renderElevation = Math.max(-90, Math.min(90, scene.renderElevation + event.movementY * 0.6))
      this.draw()
    })
    const stop = (): void => {
      this.isTurning = false
      this.draw()
    }
    canvas.addEventListener('pointerup', stop)
    canvas.addEventListener('pointercancel', stop)
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault()
      const { scene } = niivue
      scene.volScaleMultiplier = Math.max(0.5, Math.min(6, scene.volScaleMultiplier * Math.exp(-event.deltaY / 600)))
      this.draw()
    }, { passive: false })
  }
}
