// One viewer: its state, its voxels, and the page elements that show them.
import { Controls } from './controls'
import { el } from './dom'
import { middleOf } from './find'
import { LoadError, sameVoxel, valueAt, type Grid, type Vec3 } from './grid'
import { bindKeys, helpCard } from './keys'
import { showLabels } from './labels_panel'
import { PLANES, pointToVoxel, voxelToPoint, type Camera } from './layout'
import { bindPointers, zoomedAt, type Phase, type PointerHook, type PointerHost } from './pointer'
import { extremes, type Box, type Look, type Renderer, type Scene } from './renderer'
import { makeRenderer, plainRenderer } from './rendering'
import { Stage, type Pane } from './stage'
import { CUSTOM, PRESETS, WHOLE_RANGE, clampVoxel, colorTable, initialState, type Data, type ViewState } from './state'
import { TEXT } from './text'
import CSS from './viewer.css?inline'
import { loadMask, loadVolume } from './voxels'

const SLAB = 32 // slices uploaded at once while they arrive
const BELOW = 24 // CSS pixels left free under the viewer
const LEAST = 360

export class App implements PointerHost {
  readonly root = el('div', { class: 'sv', 'data-ready': '' })
  readonly stage = new Stage()
  readonly state = initialState()
  onPointer: PointerHook | null = null
  private scene: Scene = this.emptyScene()
  private renderer: Renderer | null = null
  private isMakingRenderer = false
  private nLost = 0
  private colors: Uint32Array = new Uint32Array(65536)
  private volumeLoad: AbortController | null = null
  private maskLoad: AbortController | null = null
  private comparedLoad: AbortController | null = null
  private failed = new Set<'volume' | 'mask' | 'compared'>()
  private active: Pane = this.stage.panes[0]!
  private frame = 0
  private notice = el('div', { class: 'notice' })
  private badge = el('strong', { class: 'badge' }, TEXT.unreviewed)
  private readout = el('div', { class: 'readout', 'aria-live': 'off' }, ' ')
  private status = el('div', { class: 'status', role: 'status' })
  private hint = el('div', { class: 'hint' })
  private labelList = el('div', { class: 'labels' })
  private controls: Controls
  private card: HTMLElement | null = null
  private observer = new ResizeObserver(() => this.resize())
  private onWindow = (): void => this.resize()

  constructor(private data: Data) {
    this.controls = new Controls({
      setPreset: (name) => this.setPreset(name), setWindow: (width, level) => this.setWindow(width, level),
      set: (change) => this.set(change), run: (command) => { this.run(command, '') },
    })
    this.stage.side.append(this.readout, this.status, this.hint, this.labelList)
    this.root.append(el('style', {}, CSS), el('div', { class: 'head' }, this.badge, this.notice), this.controls.row, this.stage.body)
    bindPointers(this)
    bindKeys(this.root, (command, key) => this.run(command, key))
    this.observer.observe(this.stage.body)
    window.addEventListener('resize', this.onWindow)
    Object.assign(this.root, { segloop: this.hooks() })
    this.showTexts()
    void this.loadVolume()
  }

  // --- the life of the viewer ---

  /** New data from Python: only what changed is loaded again; a new ticket alone changes nothing that is loaded. */
  update(data: Data): void {
    const old = this.data
    this.data = data
    this.showTexts()
    const retry = (what: 'volume' | 'mask' | 'compared', before: string | null, now: string | null): boolean =>
      this.failed.has(what) && before !== now
    if (data.apiBase !== old.apiBase || data.volumeId !== old.volumeId || retry('volume', old.volumeTicket, data.volumeTicket)) {
      void this.loadVolume()
      return
    }
    if (data.maskId !== old.maskId || retry('mask', old.maskTicket, data.maskTicket)) void this.loadMasks()
    else if (data.compareMaskId !== old.compareMaskId || retry('compared', old.compareMaskTicket, data.compareMaskTicket)) {
      void this.loadCompared()
    }
    this.draw()
  }

  /** The root is in the page (again). */
  attached(): void {
    this.resize()
    if (!this.renderer && !this.isMakingRenderer) void this.startRenderer()
  }

  destroy(): void {
    for (const load of [this.volumeLoad, this.maskLoad, this.comparedLoad]) load?.abort()
    this.observer.disconnect()
    window.removeEventListener('resize', this.onWindow)
    this.renderer?.destroy()
    this.renderer = null
    this.root.remove()
  }

  // --- loading ---

  private emptyScene(): Scene {
    return {
      camera: { shape: [1, 1, 1], spacing: [1, 1, 1], centre: [0.5, 0.5, 0.5], zoom: 1, isRadiological: true },
      low: null, full: null, nSlices: 0, mask: null, compared: null,
    }
  }

  private geometry: Grid | null = null

  private async loadVolume(): Promise<void> {
    for (const load of [this.volumeLoad, this.maskLoad, this.comparedLoad]) load?.abort()
    const load = (this.volumeLoad = new AbortController())
    this.scene = this.emptyScene()
    this.geometry = null
    this.failed.clear()
    this.root.dataset.ready = ''
    delete this.root.dataset.error
    this.say(TEXT.loadingVolume)
    this.draw()
    let masks: Promise<void> | null = null
    let uploaded = 0
    try {
      await loadVolume(this.data, load.signal, {
        onGeometry: (grid) => { if (!load.signal.aborted) this.setGeometry(grid) },
        onLow: (grid) => {
          this.scene.low = grid
          void this.startRenderer().then(() => {
            if (load.signal.aborted) return
            this.renderer?.setScene(this.scene)
            this.root.dataset.ready ||= 'low'
            this.draw()
          })
          masks ??= this.loadMasks()
        },
        onSlices: (grid, n) => {
          if (!this.scene.full) {
            this.scene.full = grid
            this.renderer?.setScene(this.scene)
          }
          const isAll = n === grid.shape[2]
          if (n - uploaded < SLAB && !isAll) return
          if (n > uploaded) {
            this.scene.nSlices = n
            this.renderer?.addSlices(uploaded, n)
            uploaded = n
            this.say(TEXT.loadingFull(n / grid.shape[2]))
            this.draw()
          }
        },
      })
      if (load.signal.aborted) return
      await this.startRenderer()
      if (this.state.preset === WHOLE_RANGE) this.setPreset(WHOLE_RANGE)
      this.root.dataset.ready = 'low'
      await (masks ?? this.loadMasks())
      if (load.signal.aborted) return
      this.finish()
    } catch (error) {
      if (load.signal.aborted) return
      this.failed.add('volume')
      this.fail(TEXT.volumeFailed, error)
    }
  }

  private setGeometry(grid: Grid): void {
    this.geometry = grid
    const { shape, spacing } = grid
    this.scene.camera = { ...this.scene.camera, shape, spacing }
    Object.assign(this.state, { cross: shape.map((n) => Math.floor(n / 2)), zoom: 1, centre: [0.5, 0.5, 0.5] })
  }

  private async loadMasks(): Promise<void> {
    await Promise.all([this.loadOne('mask'), this.loadOne('compared')])
    if (this.scene.nSlices === this.scene.camera.shape[2]) this.finish()
  }

  private async loadCompared(): Promise<void> {
    await this.loadOne('compared')
    this.finish()
  }

  private async loadOne(what: 'mask' | 'compared'): Promise<void> {
    const isMask = what === 'mask'
    const load = new AbortController()
    if (isMask) {
      this.maskLoad?.abort()
      this.maskLoad = load
    } else {
      this.comparedLoad?.abort()
      this.comparedLoad = load
    }
    this.setLabels(what, null)
    this.failed.delete(what)
    if (!this.failed.size) delete this.root.dataset.error
    const [id, ticket] = isMask ? [this.data.maskId, this.data.maskTicket] : [this.data.compareMaskId, this.data.compareMaskTicket]
    if (!id || !this.geometry) return
    if (this.root.dataset.ready === 'full') this.root.dataset.ready = 'low'
    try {
      const isAlone = this.scene.nSlices === this.geometry.shape[2]
      const mask = await loadMask(this.data, id, ticket, this.geometry, load.signal,
        (part) => { if (isAlone) this.say(TEXT.loadingMask(part)) })
      if (!load.signal.aborted) this.setLabels(what, mask)
    } catch (error) {
      if (load.signal.aborted) return
      this.failed.add(what)
      this.fail(isMask ? TEXT.maskFailed : TEXT.comparedFailed, error)
    }
  }

  private setLabels(what: 'mask' | 'compared', mask: Grid | null): void {
    this.scene[what] = mask
    if (what === 'mask') this.renderer?.setMask(mask)
    else this.renderer?.setCompared(mask)
    this.showState()
    this.draw()
  }

  private finish(): void {
    this.root.dataset.ready = 'full'
    if (!this.failed.size) this.say('')
    this.hover(null)
    this.draw()
  }

  private say(text: string): void {
    if (this.failed.size) return // what went wrong stays to be read
    this.status.classList.remove('error')
    this.status.textContent = text
  }

  private fail(start: string, error: unknown): void {
    const text = error instanceof LoadError ? error.message : TEXT.unreachable
    this.status.classList.add('error')
    this.status.textContent = start + text
    this.root.dataset.error = text
    this.draw()
  }

  // --- rendering ---

  private rendererReady: Promise<void> | null = null

  private startRenderer(): Promise<void> {
    this.rendererReady ??= this.useRenderer()
    return this.rendererReady
  }

  private async useRenderer(): Promise<void> {
    this.isMakingRenderer = true
    const made = await makeRenderer(this.stage, this.scene.camera.shape, this.nLost)
    this.isMakingRenderer = false
    this.renderer = made.renderer
    this.root.dataset.renderer = made.renderer.kind
    this.hint.textContent = made.why
    this.adopt(made.renderer)
  }

  private adopt(renderer: Renderer): void {
    renderer.setColors(this.colors)
    renderer.setScene(this.scene)
    renderer.canvas.addEventListener('webglcontextlost', (event) => {
      event.preventDefault()
      if (this.renderer !== renderer) return
      // After a loss NiiVue stays black; all voxels are here, so a new canvas and renderer are made from them.
      this.nLost += 1
      this.renderer = null
      this.rendererReady = null
      renderer.destroy()
      setTimeout(() => void this.startRenderer(), 200)
    })
    this.showState()
    this.draw()
  }

  camera(): Camera | null {
    if (!this.geometry) return null
    const { zoom, centre, isRadiological } = this.state
    return Object.assign(this.scene.camera, { zoom, centre, isRadiological })
  }

  private look(): Look {
    const { cross, width, level, opacity, isMaskHidden, isOutline, isSmooth } = this.state
    const low = level - width / 2 - this.data.huOffset
    return {
      cross, range: [low, low + width], opacity: isMaskHidden ? 0 : opacity, isOutline, isSmooth,
      isReviewed: this.data.isReviewed, colors: this.colors,
    }
  }

  draw(): void {
    if (this.frame) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      this.drawNow()
    })
  }

  private drawNow(): void {
    const camera = this.camera()
    if (!camera || !this.root.isConnected) return
    this.stage.decorate(camera, this.state.cross)
    if (!this.renderer) return
    try {
      this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(camera), this.look())
    } catch (error) {
      if (this.renderer.kind === 'plain') throw error
      console.error(error)
      this.renderer.destroy()
      this.renderer = plainRenderer(this.stage)
      this.hint.textContent = TEXT.plain
      this.adopt(this.renderer)
    }
  }

  private resize(): void {
    if (!this.root.isConnected) return
    this.root.style.height = `${this.data.height ?? this.roomBelow()}px`
    this.stage.arrange(this.state.layout, this.state.is3d)
    this.draw()
  }

  /** The height that reaches to the bottom of the window when the page is scrolled to its top. */
  private roomBelow(): number {
    let top = this.root.getBoundingClientRect().top
    const host = this.root.getRootNode()
    let node: Element | null = host instanceof ShadowRoot ? host.host : this.root.parentElement
    for (; node; node = node.parentElement) top += node.scrollTop
    return Math.max(LEAST, Math.floor(window.innerHeight - top - BELOW))
  }

  // --- what the user does ---

  set(change: Partial<ViewState>): void {
    const isLayout = 'layout' in change || 'is3d' in change
    Object.assign(this.state, change)
    if (isLayout) this.stage.arrange(this.state.layout, this.state.is3d)
    this.showState()
    this.draw()
  }

  setPreset(name: string): void {
    const volume = this.scene.full ?? this.scene.low
    let [width, level] = PRESETS[name] ?? [this.state.width, this.state.level]
    if (name === WHOLE_RANGE && volume) {
      const [low, high] = extremes(volume)
      ;[width, level] = [Math.max(1, high - low), Math.round((high + low) / 2) + this.data.huOffset]
    }
    this.set({ preset: name, width, level })
  }

  setWindow(width: number, level: number): void { this.set({ width, level, preset: CUSTOM }) }
  setCamera(zoom: number, centre: Vec3): void { this.set({ zoom, centre }) }
  activate(pane: Pane): void { this.active = pane }
  measure(_pane: Pane, _phase: Phase, _mm: [number, number]): void { /* see the measuring tool */ }

  toggleLarge(pane: Pane): void {
    this.set({ layout: this.state.layout === 'all' ? pane.plane.index : 'all' })
  }

  moveTo(voxel: Vec3): void {
    if (!this.geometry) return
    this.state.cross = clampVoxel(voxel, this.geometry.shape)
    this.hover(null)
    this.draw()
  }

  private run(command: string, key: string): boolean {
    const { state } = this
    const axis = this.active.plane.normal
    const step = (by: number): void => {
      const cross = [...state.cross] as Vec3
      cross[axis] += by
      this.moveTo(cross)
    }
    switch (command) {
      case 'slice1': step(key === 'ArrowUp' ? 1 : -1); break
      case 'slice10': step(key === 'PageUp' ? 10 : -10); break
      case 'sliceEnd': step(key === 'Home' ? -1e6 : 1e6); break
      case 'preset': this.setPreset([...Object.keys(PRESETS), WHOLE_RANGE][Number(key) - 1]!); break
      case 'mask': this.set({ isMaskHidden: !state.isMaskHidden }); break
      case 'outline': this.set({ isOutline: !state.isOutline }); break
      case 'smooth': this.set({ isSmooth: !state.isSmooth }); break
      case 'zoom': this.zoomActive(key === '+' ? 1.25 : 0.8); break
      case 'reset': this.set({ zoom: 1, centre: [0.5, 0.5, 0.5] }); break
      case 'large': this.toggleLarge(this.active); break
      case 'convention': this.set({ isRadiological: !state.isRadiological }); break
      case 'help': this.toggleHelp(); break
      case 'escape': this.card ? this.toggleHelp() : this.set({ mode: 'cross' }); break
      default: return false
    }
    return true
  }

  private zoomActive(factor: number): void {
    const camera = this.camera()
    if (!camera) return
    const view = this.stage.viewOf(this.active, camera)
    const { zoom, centre } = zoomedAt(view, camera, factor, ...voxelToPoint(view, camera, this.state.cross))
    this.setCamera(zoom, centre)
  }

  private toggleHelp(): void {
    this.card?.remove()
    this.card = this.card ? null : helpCard(() => this.toggleHelp())
    if (this.card) this.root.append(this.card)
  }

  // --- what the user reads ---

  private showTexts(): void {
    const { labels, notice, isReviewed, maskId } = this.data
    this.notice.textContent = notice
    this.badge.hidden = isReviewed || !maskId
    showLabels(this.labelList, labels, {
      isHidden: (index) => this.state.hidden.has(index),
      setHidden: (index, isHidden) => {
        if (isHidden) this.state.hidden.add(index)
        else this.state.hidden.delete(index)
        this.showColors()
      },
      jumpTo: (index) => {
        const voxel = this.scene.mask && middleOf(this.scene.mask, index)
        if (voxel) this.moveTo(voxel)
      },
    })
    this.showColors()
    this.showState()
    this.resize()
  }

  private showColors(): void {
    this.colors = colorTable(this.data.labels, this.state.hidden)
    this.renderer?.setColors(this.colors)
    this.draw()
  }

  private showState(): void {
    this.controls?.show(this.state, this.scene.mask !== null, this.renderer?.kind === 'plain')
  }

  private valueOf(voxel: Vec3): number | null {
    const { low, full, nSlices, camera } = this.scene
    const value = full && voxel[2] < nSlices ? valueAt(full, voxel)
      : low && valueAt(low, sameVoxel(camera.shape, low.shape, voxel))
    return value === null ? null : value + this.data.huOffset
  }

  hover(voxel: Vec3 | null): void {
    const at = voxel ?? this.state.cross
    const value = this.geometry && this.valueOf(at)
    if (value === null) return
    const label = valueAt(this.scene.mask, at)
    const name = label ? (this.data.labels.find(({ index }) => index === label)?.name ?? TEXT.label(label)) : label === 0 ? TEXT.noLabel : ''
    this.readout.textContent = `${value} ${this.data.unit}${name ? ` · ${name}` : ''}\nvoxel ${at.join(', ')}`
  }

  // --- for the editor and for tests ---

  /** The mask's voxels of a box were changed in place, in the array that was loaded (RAS order, x fastest). */
  updateMask(box: Box): void {
    this.renderer?.updateMask(box)
    this.draw()
  }

  private hooks(): object {
    const paneOf = (plane: number): Pane => this.stage.panes[plane]!
    return {
      hu: (i: number, j: number, k: number) => {
        const value = valueAt(this.scene.full, [i, j, k])
        return value === null ? null : value + this.data.huOffset
      },
      label: (i: number, j: number, k: number) => valueAt(this.scene.mask, [i, j, k]),
      crosshair: () => [...this.state.cross],
      setCrosshair: (i: number, j: number, k: number) => this.moveTo([i, j, k]),
      set: (change: Partial<ViewState>) => this.set(change),
      state: () => ({ ...this.state, hidden: [...this.state.hidden] }),
      /** Where the centre of a voxel is on the page. */
      pointOf: (plane: number, voxel: Vec3) => {
        const bounds = this.stage.body.getBoundingClientRect()
        const { rect } = paneOf(plane)
        const [x, y] = voxelToPoint(this.stage.viewOf(paneOf(plane), this.camera()!), this.camera()!, voxel)
        return [bounds.left + rect[0] / this.stage.ratio + x, bounds.top + rect[1] / this.stage.ratio + y]
      },
      voxelAt: (plane: number, clientX: number, clientY: number) => {
        const view = this.stage.viewOf(paneOf(plane), this.camera()!)
        const [x, y] = this.stage.pointIn(paneOf(plane), { clientX, clientY })
        return pointToVoxel(view, this.camera()!, x, y, this.state.cross)
      },
      planes: PLANES.map(({ name }) => name),
      app: this,
    }
  }
}
