// Integer 3D textures that hold voxels as they are stored.
import type { Grid, Voxels } from '../grid'
import type { Box } from '../renderer'

interface Kind { internal: number; format: number; type: number }

function kindOf(gl: WebGL2RenderingContext, voxels: Voxels, isLabels: boolean): Kind {
  if (!isLabels) return { internal: gl.R16I, format: gl.RED_INTEGER, type: gl.SHORT }
  // One byte only where the type says so: an index above 255 must never wrap.
  if (voxels instanceof Uint8Array) return { internal: gl.R8UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_BYTE }
  return { internal: gl.R16UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_SHORT }
}

/** The same voxels in the type that their texture takes; a volume's 16 bits are taken as they are. */
function toUpload(voxels: Voxels, isLabels: boolean): Voxels {
  if (isLabels) return voxels instanceof Int16Array ? new Uint16Array(voxels.buffer) : voxels
  if (voxels instanceof Uint16Array) return new Int16Array(voxels.buffer)
  return voxels instanceof Uint8Array ? Int16Array.from(voxels) : voxels
}

export class VoxelTexture {
  private texture: WebGLTexture | null = null
  private kind: Kind | null = null
  private grid: Grid | null = null

  constructor(private gl: WebGL2RenderingContext, private unit: number, private isLabels: boolean) { this.clear() }

  /** Hold one empty voxel, so that the sampler always has a complete texture. */
  clear(): void {
    const voxels = this.isLabels ? new Uint8Array(1) : new Int16Array(1)
    this.allocate({ shape: [1, 1, 1], affine: [], spacing: [1, 1, 1], voxels })
    this.upload(0, 1)
  }

  allocate(grid: Grid): void {
    const { gl } = this
    gl.deleteTexture(this.texture)
    this.texture = gl.createTexture()
    this.grid = grid
    this.kind = kindOf(gl, grid.voxels, this.isLabels)
    this.bind()
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_3D, name, gl.NEAREST)
    for (const name of [gl.TEXTURE_WRAP_R, gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_3D, name, gl.CLAMP_TO_EDGE)
    gl.texStorage3D(gl.TEXTURE_3D, 1, this.kind.internal, ...grid.shape)
  }

  /** Upload the slices z0 <= z < z1. */
  upload(z0: number, z1: number): void {
    const [nx, ny] = this.grid!.shape
    this.uploadBox({ from: [0, 0, z0], to: [nx - 1, ny - 1, z1 - 1] })
  }

  /** Upload a box of voxels straight from the whole array, without a copy. */
  uploadBox({ from, to }: Box): void {
    const { gl, kind, grid } = this
    if (!kind || !grid) return
    const voxels = toUpload(grid.voxels, this.isLabels) // here, not earlier: they may still be arriving
    this.bind()
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, grid.shape[0])
    gl.pixelStorei(gl.UNPACK_IMAGE_HEIGHT, grid.shape[1])
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, from[0])
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, from[1])
    gl.pixelStorei(gl.UNPACK_SKIP_IMAGES, from[2])
    gl.texSubImage3D(gl.TEXTURE_3D, 0, ...from, to[0] - from[0] + 1, to[1] - from[1] + 1, to[2] - from[2] + 1,
      kind.format, kind.type, voxels)
    for (const name of [gl.UNPACK_ROW_LENGTH, gl.UNPACK_IMAGE_HEIGHT, gl.UNPACK_SKIP_PIXELS, gl.UNPACK_SKIP_ROWS,
      gl.UNPACK_SKIP_IMAGES]) gl.pixelStorei(name, 0)
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4)
    gl.activeTexture(gl.TEXTURE0) // whatever NiiVue binds next is not ours
  }

  private bind(): void {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit)
    this.gl.bindTexture(this.gl.TEXTURE_3D, this.texture)
  }
}
