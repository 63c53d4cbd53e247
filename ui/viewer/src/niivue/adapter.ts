// NiiVue as renderer of the planes: it keeps the tiles and projections; voxels, camera and colours are ours.
//
// NiiVue sees a tiny volume of the right extent (in mm from the grid's outer corner, along the voxel axes) and draws
// every tile with our slice shader. Its own pointer handling, text, crosshair and window are not used.
import { Niivue, NVImage, SLICE_TYPE } from '@niivue/niivue'
import type { Grid, Vec3 } from '../grid'
import { pointToMm } from '../layout'
import { isVouched, type Box, type Look, type Renderer, type Scene, type Tile } from '../renderer'
import { UNITS, featureKey, sliceShader, type Features } from './slice_shader'
import { VoxelTexture } from './textures'

const OPTIONS = {
  interactive: false, isResizeCanvas: false, dragAndDropEnabled: false, isSliceMM: true, crosshairWidth: 0,
  isRadiologicalConvention: true, sagittalNoseLeft: true, isOrientationTextVisible: false, loadingText: '',
  backColor: [0, 0, 0, 1], sliceType: SLICE_TYPE.MULTIPLANAR, logLevel: 'error',
}
type SliceShader = NonNullable<Niivue['customSliceShader']> & { uniforms: Record<string, WebGLUniformLocation | null> }
type Bounds = ReturnType<Niivue['screenFieldOfViewExtendedMM']>

/** NiiVue with the field of view of each tile given from outside. */
class Planes extends Niivue {
  tiles: Tile[] = []
  /** Give a tile's program, ready to draw with. */
  prepare: (tile: Tile) => SliceShader | null = () => null
  private current: Tile | null = null
  depthMm: Vec3 = [1, 1, 1]
  private isCompiling = false

  override screenFieldOfViewExtendedMM(axCorSag = 0): Bounds {
    const isMeant = (tile: Tile): boolean => (tile.view.plane.index as number) === axCorSag
    const tile = this.current && isMeant(this.current) ? this.current : this.tiles.find(isMeant)
    const bounds = super.screenFieldOfViewExtendedMM(axCorSag)
    if (!tile) return bounds
    const { view } = tile
    const corners = [pointToMm(view, 0, view.height), pointToMm(view, view.width, 0)] as const
    const [low, high] = view.isFlipped ? [corners[1][0], corners[0][0]] : [corners[0][0], corners[1][0]]
    const least = [low, corners[0][1], 0]
    const most = [high, corners[1][1], this.depthMm[view.plane.normal]]
    for (let axis = 0; axis < 3; axis++) {
      bounds.mnMM[axis] = least[axis]!
      bounds.mxMM[axis] = most[axis]!
      bounds.fovMM[axis] = most[axis]! - least[axis]!
    }
    return bounds
  }

  /** A tile fills its place; device pixels must be whole, or the viewport is cut short. */
  override draw2D(place: number[], axCorSag: SLICE_TYPE): void {
    const whole = place.map(Math.round)
    const tile = this.tiles.find(({ rect, view }) => (view.plane.index as number) === axCorSag && rect[0] === whole[0] && rect[1] === whole[1])
    const shader = this.isCompiling || !tile ? null : this.prepare(tile)
    if (!tile || !shader) return
    this.current = tile
    this.customSliceShader = shader
    this.draw2DMain(whole, axCorSag)
    this.current = null
  }

  /** Make a program, beside those there are; NiiVue itself keeps one, and draws with it at once. */
  compile(source: string): SliceShader {
    this.isCompiling = true
    this.customSliceShader = null // else it would be deleted
    this.setCustomSliceShader(source)
    this.isCompiling = false
    return this.customSliceShader! as SliceShader
  }

  override drawCrosshairs3D(): void { /* drawn over the canvas, where it never vanishes between pixels */ }
}

/** A volume of 2 x 2 x 2 voxels with the extent of the real one, its outer corner at 0 mm. */
function extentOnly(scene: Scene): NVImage {
  const pixel = scene.camera.shape.map((n, axis) => (n * scene.camera.spacing[axis]!) / 2) as Vec3
  const affine = [0, 1, 2].flatMap((r) => [0, 1, 2, 3].map((c) => (c === r ? pixel[r]! : c === 3 ? pixel[r]! / 2 : 0)))
  const image = new NVImage()
  image.hdr = NVImage.createNiftiHeader([2, 2, 2], pixel, [...affine, 0, 0, 0, 1], 4) as NVImage['hdr']
  image.hdr!.sform_code = 1
  const voxels = new Int16Array([0, 1, 0, 1, 0, 1, 0, 1]).buffer
  image.init(voxels, 'extent.nii', 'gray', 1, null, 0, 1, true, 0.02, false, false, '', 0, undefined, NaN, NaN, true, null, 0, voxels)
  return image
}

export class NiivuePlanes implements Renderer {
  readonly kind = 'webgl'
  private textures: Record<'low' | 'full' | 'mask' | 'compared', VoxelTexture>
  private colors: WebGLTexture
  private scene: Scene | null = null
  private shaders = new Map<string, SliceShader>()

  private constructor(readonly canvas: HTMLCanvasElement, private planes: Planes) {
    const { gl } = planes
    this.textures = {
      low: new VoxelTexture(gl, UNITS.low, false), full: new VoxelTexture(gl, UNITS.full, false),
      mask: new VoxelTexture(gl, UNITS.mask, true), compared: new VoxelTexture(gl, UNITS.compared, true),
    }
    this.colors = gl.createTexture()
  }

  /** Make a renderer in a canvas that is already in the page; throws where WebGL2 is missing or fails. */
  static async create(canvas: HTMLCanvasElement): Promise<NiivuePlanes> {
    const planes = new Planes(OPTIONS as unknown as ConstructorParameters<typeof Niivue>[0])
    await planes.attachToCanvas(canvas, false)
    return new NiivuePlanes(canvas, planes)
  }

  limit(shape: Vec3): string | null {
    const most = this.planes.gl.getParameter(this.planes.gl.MAX_3D_TEXTURE_SIZE) as number
    return Math.max(...shape) > most ? `This browser's graphics take at most ${most} voxels along an axis.` : null
  }

  setScene(scene: Scene): void {
    this.scene = scene
    if (scene.low) this.hold('low', scene.low)
    else this.textures.low.clear()
    if (scene.full) {
      this.textures.full.allocate(scene.full)
      if (scene.nSlices) this.textures.full.upload(0, scene.nSlices)
    } else this.textures.full.clear()
    this.setMask(scene.mask)
    this.setCompared(scene.compared)
    this.planes.depthMm = scene.camera.shape.map((n, axis) => n * scene.camera.spacing[axis]!) as Vec3
    this.planes.volumes = []
    this.planes.addVolume(extentOnly(scene))
  }

  addSlices(z0: number, z1: number): void { this.textures.full.upload(z0, z1) }
  setMask(mask: Grid | null): void { this.hold('mask', mask) }
  setCompared(mask: Grid | null): void { this.hold('compared', mask) }
  updateMask(box: Box): void { this.textures.mask.uploadBox(box) }

  setColors(colors: Uint32Array): void {
    const { gl } = this.planes
    gl.activeTexture(gl.TEXTURE0 + UNITS.colors)
    gl.bindTexture(gl.TEXTURE_2D, this.colors)
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST)
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 256, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(colors.buffer))
  }

  draw(width: number, height: number, tiles: Tile[], look: Look): void {
    const { planes, scene } = this
    if (!scene || planes.gl.isContextLost()) return
    if (this.canvas.width !== width) this.canvas.width = width
    if (this.canvas.height !== height) this.canvas.height = height
    // Made before the first tile is drawn: NiiVue draws everything once whenever it compiles.
    for (const tile of tiles) this.shaderFor(this.featuresOf(scene, tile, look))
    planes.prepare = (tile) => this.prepare(scene, tile, look)
    planes.tiles = tiles
    planes.opts.isRadiologicalConvention = scene.camera.isRadiological
    planes.scene.crosshairPos = look.cross.map((v, axis) => (v + 0.5) / scene.camera.shape[axis]!) as Vec3
    planes.customLayout = tiles.map(({ rect: [left, top, w, h], view }) => ({
      sliceType: view.plane.index as number as SLICE_TYPE,
      position: [left / width, top / height, w / width, h / height],
    }))
    planes.drawScene()
  }

  destroy(): void {
    this.planes.cleanup()
    // The context is freed with the canvas, but only some minutes later; browsers allow sixteen.
    this.planes.gl.getExtension('WEBGL_lose_context')?.loseContext()
    this.canvas.remove()
  }

  private hold(name: 'low' | 'mask' | 'compared', grid: Grid | null): void {
    const texture = this.textures[name]
    if (!grid) texture.clear()
    else {
      texture.allocate(grid)
      texture.upload(0, grid.shape[2])
    }
  }

  /** The program for these features, made at its first use. */
  private shaderFor(features: Features): SliceShader {
    const { planes } = this
    const key = featureKey(features)
    let shader = this.shaders.get(key)
    if (!shader) {
      shader = planes.compile(sliceShader(features))
      shader.use(planes.gl)
      for (const [name, unit] of Object.entries(UNITS)) planes.gl.uniform1i(shader.uniforms[name] ?? null, unit)
      this.shaders.set(key, shader)
    }
    return shader
  }

  private featuresOf(scene: Scene, tile: Tile, look: Look): Features {
    const { view, comparing } = tile
    const hasMask = scene.mask !== null && look.opacity > 0
    const hasCompared = hasMask && scene.compared !== null && comparing === null && look.comparing === 'difference'
    const volume = scene.full ?? scene.low
    return {
      plane: view.plane.index, isComplete: scene.nSlices === scene.camera.shape[2], isSmooth: look.isSmooth,
      isUnsigned: volume?.voxels instanceof Uint16Array, hasMask, hasCompared,
      hasEdges: hasMask && (look.isOutline || !(hasCompared || isVouched(tile, look))),
    }
  }

  private prepare(scene: Scene, tile: Tile, look: Look): SliceShader {
    const { gl } = this.planes
    const features = this.featuresOf(scene, tile, look)
    const shader = this.shaderFor(features)
    shader.use(gl)
    const set = (name: string, ...values: number[]): void => {
      const at = shader.uniforms[name]
      if (at) gl[`uniform${values.length as 1 | 2}fv`](at, values)
    }
    const isSecond = scene.compared !== null && (tile.comparing ?? look.comparing) === 'second'
    if (shader.uniforms.mask) gl.uniform1i(shader.uniforms.mask, isSecond ? UNITS.compared : UNITS.mask)
    set('nSlices', scene.nSlices)
    set('range', ...look.range)
    set('fill', look.isOutline ? 0 : look.opacity)
    set('edge', Math.max(look.opacity, 0.9))
    set('pixelRatio', tile.rect[2] / tile.view.width)
    set('reviewed', features.hasCompared || isVouched(tile, look) ? 1 : 0)
    return shader
  }
}
