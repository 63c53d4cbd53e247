// The 3D view's life: nothing of it is loaded before someone asks for it.
import { el } from './dom'
import { LoadError, fetchGrid, type Grid } from './grid'
import type { Solid } from './niivue/three_d'
import { extremes, type Scene } from './renderer'
import type { Data } from './state'
import { TEXT } from './text'
import { levelUrl } from './voxels'

const BONE: [number, number] = [150, 1400]

export class SolidView {
  private message = el('div', { class: 'message' }, TEXT.loadingSolid)
  private made: Promise<Solid | null> | null = null
  private solid: Solid | null = null
  private mask: Grid | null = null
  private colors: Uint32Array | null = null
  private nClosed = 0

  constructor(private host: HTMLElement) {
    host.append(el('div', { class: 'name' }, '3D'), this.message)
  }

  /** Show the scene, loading what that takes the first time; cheap when nothing changed. */
  async show(data: Data, scene: Scene, colors: Uint32Array): Promise<void> {
    this.made ??= this.make(data)
    const solid = await this.made
    if (!solid || solid !== this.solid) return
    if (scene.mask !== this.mask || colors !== this.colors) {
      this.mask = scene.mask
      this.colors = colors
      solid.setMask(scene.mask, data.labels, colors)
    }
    solid.draw()
  }

  /** The mask's voxels were changed in place. */
  maskChanged(): void { this.mask = null }

  draw(): void { this.solid?.draw() }

  close(): void {
    this.nClosed += 1
    this.solid?.destroy()
    this.solid = this.made = this.mask = this.colors = null
  }

  private async make(data: Data): Promise<Solid | null> {
    const { nClosed } = this
    this.message.hidden = false
    this.message.textContent = TEXT.loadingSolid
    try {
      const { Solid } = await import('./niivue/three_d')
      const grid = await fetchGrid(levelUrl(data, 'volumes', data.volumeId, 1, data.volumeTicket), AbortSignal.timeout(120_000))
      if (nClosed !== this.nClosed) return null // another volume came meanwhile
      const solid = await Solid.create(this.host)
      const [low, high] = extremes(grid)
      const range = data.unit === 'HU' ? BONE.map((value) => value - data.huOffset) as [number, number] : [low + (high - low) / 3, high] as [number, number]
      solid.setVolume(grid, range)
      solid.canvas.addEventListener('webglcontextlost', () => { if (this.solid === solid) this.close() })
      this.solid = solid
      this.message.hidden = true
      return solid
    } catch (error) {
      console.error(error)
      this.message.textContent = error instanceof LoadError ? error.message : TEXT.noSolid
      this.made = null
      return null
    }
  }
}
