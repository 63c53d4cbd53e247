// One viewer: it ties state, voxels, renderer and page together.
import { run } from './commands'
import { Editor } from './edit/editor'
import { NO_SLICES } from './edit/region'
import { Controls } from './controls'
import { el } from './dom'
import { middleOf } from './find'
import { valueAt, type Grid, type Vec3 } from './grid'
import { makeHooks } from './hooks'
import { HiddenLabels, keepView, keptView } from './kept'
import { bindKeys, helpCard } from './keys'
import { lockable, showLabels, showLegend, showVolumes } from './labels_panel'
import { pointToVoxel, type Camera, type PlaneIndex, type View } from './layout'
import { Measuring } from './measure'
import { bindPointers, type Phase, type PointerHook, type PointerHost } from './pointer'
import { extremes, type Box, type Look, type Renderer } from './renderer'
import { makeRenderer, plainRenderer } from './rendering'
import { stripMarks, type Vouched } from './strip'
import { SolidView } from './solid'
import { Stage, type Pane } from './stage'
import { CUSTOM, PRESETS, WHOLE_RANGE, clampVoxel, colorTable, initialState, type Data, type ViewState } from './state'
import { VoxelStore, type Masks, type StoreHost } from './store'
import { TEXT } from './text'
import CSS from './viewer.css?inline'

const BELOW = 24 // CSS pixels left free under the viewer
const LEAST = 360
const AFTER_STROKE = 600 // ms until the 3D view follows an edit

export class App implements PointerHost, StoreHost {
  readonly root = el('div', { class: 'sv', 'data-ready': '' })
  readonly stage = new Stage()
  readonly state = initialState()
  readonly store: VoxelStore
  onPointer: PointerHook | null = null
  /** More to draw over a plane in every frame, such as an editor's brush; in CSS pixels of the plane's box. */
  onDecorate: ((view: View, cross: Vec3) => SVGElement[]) | null = null
  active: Pane = this.stage.panes[0]!
  private renderer: Renderer | null = null
  private rendererReady: Promise<void> | null = null
  private nLost = 0
  private solid = new SolidView(this.stage.solid)
  private measuring = new Measuring()
  private hiddenLabels: HiddenLabels
  private colors: Uint32Array = new Uint32Array(65536)
  private nDisagreements = 0
  private frame = 0
  private solidTimer = 0
  private notice = el('div', { class: 'notice' })
  private badge = el('strong', { class: 'badge' })
  private readout = el('div', { class: 'readout', 'aria-live': 'off' }, ' ')
  private status = el('div', { class: 'status', role: 'status' })
  private hint = el('div', { class: 'hint' })
  private legend = el('div', { class: 'legend' })
  private labelList = el('div', { class: 'labels' })
  readonly controls: Controls
  private card: HTMLElement | null = null
  private editor: { draftId: string; editor: Editor } | null = null
  /** Tells Python what was finished; set by the component at every mount. */
  trigger: (name: string, value: unknown) => void = () => undefined
  private observer = new ResizeObserver(() => this.resize())
  private onWindow = (): void => this.resize()

  constructor(public data: Data) {
    this.store = new VoxelStore(data, this)
    this.hiddenLabels = new HiddenLabels(data)
    Object.assign(this.state, keptView(data))
    this.controls = new Controls({
      setPreset: (name) => this.setPreset(name), setWindow: (width, level) => this.setWindow(width, level),
      set: (change) => this.set(change), run: (command) => { run(this, command, '') },
    })
    this.stage.side.append(this.readout, this.status, this.hint, this.legend, this.labelList)
    this.root.append(el('style', {}, CSS), el('div', { class: 'head' }, this.badge, this.notice), this.controls.row, this.stage.body)
    bindPointers(this)
    bindKeys(this.root, (command, key) => run(this, command, key))
    window.addEventListener('resize', this.onWindow)
    Object.assign(this.root, { segloop: makeHooks(this) })
    this.showTexts()
    this.showEditor()
    void this.store.open()
  }

  // --- the life of the viewer ---

  /** New data from Python: what changed is loaded and shown, the rest stays. */
  update(data: Data): void {
    if (data.maskId !== this.data.maskId || data.compareMaskId !== this.data.compareMaskId) this.nDisagreements = 0
    if (data.volumeId !== this.data.volumeId) this.hiddenLabels = new HiddenLabels(data)
    this.data = data
    this.showEditor()
    this.showTexts()
    this.store.update(data)
    this.draw()
  }

  /** The root is in the page (again). */
  attached(): void {
    // What the page shows above the viewer may grow, too: then the viewer has less room.
    const host = this.root.getRootNode()
    const around = host instanceof ShadowRoot ? host.host.closest('.stMainBlockContainer') : null
    this.observer.disconnect()
    for (const node of [this.stage.body, around]) if (node) this.observer.observe(node)
    this.resize()
    void this.startRenderer()
  }

  destroy(): void {
    this.store.close()
    this.observer.disconnect()
    window.removeEventListener('resize', this.onWindow)
    this.renderer?.destroy()
    this.renderer = null
    this.solid.close()
    this.editor?.editor.destroy()
    this.root.remove()
  }

  /** The editor comes and goes with the draft. */
  private showEditor(): void {
    const draftId = this.data.draftId ?? null
    if (this.editor?.draftId === draftId) return
    this.editor?.editor.destroy()
    this.editor = draftId === null ? null : {
      draftId, editor: new Editor(this, draftId, (maskId) => this.trigger('finalized', { draft_id: draftId, mask_id: maskId })),
    }
  }

  async onDraft(mask: Grid): Promise<Grid> {
    if (!this.editor) return mask
    const grid = await this.editor.editor.adopt(mask)
    this.showLabelList()
    return grid
  }

  // --- what the store tells ---

  onGeometry(shape: Vec3): void {
    Object.assign(this.state, { cross: shape.map((n) => Math.floor(n / 2)), zoom: 1, centre: [0.5, 0.5, 0.5] })
    this.measuring.clear()
    this.solid.close()
  }

  onScene(): void {
    const limit = this.renderer?.limit(this.store.scene.camera.shape)
    if (limit) {
      this.fallBack(`${limit} ${TEXT.tooLarge}`)
      return
    }
    this.renderer?.setScene(this.store.scene)
    this.markReady()
    this.draw()
  }

  async firstImage(): Promise<void> {
    await this.startRenderer()
    this.drawNow()
  }

  onSlices(z0: number, z1: number): void {
    this.renderer?.addSlices(z0, z1)
    if (this.store.isComplete() && this.state.preset === WHOLE_RANGE) this.setPreset(WHOLE_RANGE)
    this.markReady()
    this.draw()
  }

  onLabels(what: Masks): void {
    const mask = this.store.scene[what]
    if (what === 'mask') this.renderer?.setMask(mask)
    else this.renderer?.setCompared(mask)
    this.showState()
    this.showSolid()
    this.hover(null)
    this.draw()
  }

  onReady(ready: '' | 'low' | 'full'): void {
    this.root.dataset.ready = ready
    this.hover(null)
    this.showSolid()
  }

  onStatus(text: string): void {
    this.status.classList.remove('error')
    this.status.textContent = text
  }

  onError(start: string, text: string | null): void {
    this.status.classList.toggle('error', text !== null)
    if (text === null) delete this.root.dataset.error
    else {
      this.status.textContent = start + text
      this.root.dataset.error = text
    }
  }

  // --- rendering ---

  /** Something is on the screen. */
  private markReady(): void {
    const { low, nSlices } = this.store.scene
    if (this.renderer && (low || nSlices)) this.root.dataset.ready ||= 'low'
  }

  private startRenderer(): Promise<void> {
    this.rendererReady ??= makeRenderer(this.stage, this.nLost).then(({ renderer, why }) => {
      this.hint.textContent = why
      this.adopt(renderer)
    })
    return this.rendererReady
  }

  private adopt(renderer: Renderer): void {
    this.renderer = renderer
    this.root.dataset.renderer = renderer.kind
    renderer.setColors(this.colors)
    renderer.canvas.addEventListener('webglcontextlost', (event) => {
      event.preventDefault()
      if (this.renderer !== renderer) return
      // After a loss NiiVue stays black; all voxels are here, so a new canvas and renderer are made from them.
      this.nLost += 1
      this.renderer = this.rendererReady = null
      renderer.destroy()
      setTimeout(() => void this.startRenderer(), 200)
    })
    this.showState()
    this.onScene()
  }

  private fallBack(why: string): void {
    this.renderer?.destroy()
    this.hint.textContent = why
    this.adopt(plainRenderer(this.stage))
  }

  camera(): Camera | null {
    if (!this.store.geometry) return null
    const { zoom, centre, isRadiological } = this.state
    return Object.assign(this.store.scene.camera, { zoom, centre, isRadiological })
  }

  /** What was reviewed and edited, where that can be said. */
  private get vouched(): Vouched | null {
    if (this.editor) return this.editor.editor.vouched
    return this.data.region ? { region: this.data.region, edited: NO_SLICES } : null
  }

  private look(): Look {
    const { cross, width, level, opacity, isMaskHidden, isOutline, isSmooth, comparing } = this.state
    const low = level - width / 2 - this.data.huOffset
    return {
      cross, range: [low, low + width], opacity: isMaskHidden ? 0 : opacity, isOutline, isSmooth,
      isReviewed: this.data.isReviewed, isSecondReviewed: this.data.isSecondReviewed, colors: this.colors, comparing,
    }
  }

  draw(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0
      this.drawNow()
    })
  }

  drawNow(): void {
    const camera = this.camera()
    if (!camera || !this.root.isConnected) return
    this.stage.decorate(camera, this.state.cross, (view) => [
      ...this.measuring.marks(view, this.state.cross), ...(this.onDecorate?.(view, this.state.cross) ?? []),
      ...(this.vouched ? stripMarks(view, this.state.cross, camera.shape, this.vouched) : []),
    ])
    if (!this.renderer) return
    try {
      this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(camera), this.look())
    } catch (error) {
      if (this.renderer.kind === 'plain') throw error
      console.error(error)
      this.fallBack(TEXT.plain)
    }
  }

  private resize(): void {
    if (!this.root.isConnected) return
    this.root.style.height = `${this.data.height ?? this.roomBelow()}px`
    this.arrange()
    this.solid.draw()
    this.draw()
  }

  private arrange(): void {
    const { layout, is3d, comparing } = this.state
    const { compareMaskId, maskName, compareName } = this.data
    this.stage.arrange(layout, is3d, compareMaskId && comparing === 'both' ? [maskName, compareName] : null)
  }

  /** The height that reaches to the bottom of the window when the page is scrolled to its top. */
  private roomBelow(): number {
    let top = this.root.getBoundingClientRect().top
    const host = this.root.getRootNode()
    let node: Element | null = host instanceof ShadowRoot ? host.host : this.root.parentElement
    for (; node; node = node.parentElement) top += node.scrollTop
    return Math.max(LEAST, Math.floor(window.innerHeight - top - BELOW))
  }

  private showSolid(): void {
    const { state, store, data } = this
    if ((!state.is3d && state.layout !== '3d') || this.renderer?.kind !== 'webgl') return
    void this.solid.show(data, store.scene, this.colors)
  }

  // --- what the user does ---

  set(change: Partial<ViewState>): void {
    Object.assign(this.state, change)
    if ('preset' in change || 'isOutline' in change || 'is3d' in change) keepView(this.data, this.state)
    if ('layout' in change || 'is3d' in change || 'comparing' in change) {
      this.arrange()
      this.showSolid()
      if ('comparing' in change) this.showComparing()
    }
    this.showState()
    this.draw()
  }

  setPreset(name: string): void {
    const volume = this.store.scene.full ?? this.store.scene.low
    let [width, level] = PRESETS[name] ?? [this.state.width, this.state.level]
    if (name === WHOLE_RANGE && volume) {
      const [low, high] = extremes(volume)
      ;[width, level] = [Math.max(1, high - low), Math.round((high + low) / 2) + this.data.huOffset]
    }
    this.set({ preset: name, width, level })
  }

  setWindow(width: number, level: number): void { this.set({ width, level, preset: CUSTOM }) }
  setCamera(zoom: number, centre: Vec3): void { this.set({ zoom, centre }) }
  activate(pane: Pane): void {
    this.active = pane
    this.editor?.editor.show()
  }

  measure(pane: Pane, phase: Phase, mm: [number, number]): void {
    this.measuring.drag(pane, phase, mm, this.state.cross)
    this.draw()
  }

  toggleLarge(pane: Pane): void {
    this.set({ layout: this.state.layout === 'all' ? pane.plane.index : 'all' })
  }

  /** Whether the card of keys lies over the pictures; then Escape closes it before anything else. */
  get isCardOpen(): boolean { return this.card !== null }

  toggleHelp(): void {
    this.card?.remove()
    this.card = this.card ? null : helpCard(() => this.toggleHelp(), this.editor !== null)
    if (this.card) this.root.append(this.card)
  }

  /** Close what is open: first the card, then measuring with its lines. */
  escape(): void {
    if (this.card) this.toggleHelp()
    else {
      this.measuring.clear()
      this.set({ mode: 'cross' })
    }
  }

  moveTo(voxel: Vec3): void {
    if (!this.store.geometry) return
    this.state.cross = clampVoxel(voxel, this.store.geometry.shape)
    this.hover(null)
    this.editor?.editor.show()
    this.draw()
  }

  jumpTo(label: number): void {
    const { mask, compared } = this.store.scene
    const voxel = (mask && middleOf(mask, label)) ?? (compared && middleOf(compared, label))
    if (voxel) this.bring(voxel)
  }

  /** Go to a voxel, and bring it into view where the picture is zoomed in. */
  private bring(voxel: Vec3): void {
    const { shape } = this.store.scene.camera
    this.moveTo(voxel)
    if (this.state.zoom > 1) this.set({ centre: voxel.map((v, axis) => (v + 0.5) / shape[axis]!) as Vec3 })
  }

  /** Go to where the two masks differ most, then to where they differ next. */
  nextDisagreement(): void {
    const { disagreements } = this.data
    const next = this.nDisagreements++ % disagreements.length
    const found = disagreements[next]
    if (found) this.bring(found.centre)
    this.onStatus(found ? `${next + 1} of ${disagreements.length}: ${found.text}` : TEXT.noDifference)
  }

  /** The mask's voxels of a box were changed in place, in the array that was loaded (RAS order, x fastest). */
  updateMask(box: Box): void {
    this.renderer?.updateMask(box)
    this.hover(null)
    this.draw()
    clearTimeout(this.solidTimer)
    this.solidTimer = window.setTimeout(() => {
      this.solid.maskChanged()
      this.showSolid()
    }, AFTER_STROKE)
  }

  /** The voxel under a point of the page in one plane, or null; for the pieces of a fast stroke. */
  voxelAt(plane: PlaneIndex, point: { clientX: number; clientY: number }): Vec3 | null {
    const [camera, pane] = [this.camera(), this.stage.panes[plane]!]
    return camera && pointToVoxel(this.stage.viewOf(pane, camera), camera, ...this.stage.pointIn(pane, point), this.state.cross)
  }

  // --- what the user reads ---

  private showTexts(): void {
    const { notice, badge } = this.data
    this.notice.textContent = notice
    this.badge.textContent = badge
    this.badge.hidden = !badge
    this.showComparing()
    this.showHidden()
    this.showState()
    this.resize()
  }

  private showComparing(): void {
    const { compareMaskId, maskName, compareName } = this.data
    showLegend(this.legend, compareMaskId ? [maskName, compareName] : null, {
      comparing: this.state.comparing,
      choose: (comparing) => this.set({ comparing }),
      next: () => this.nextDisagreement(),
    })
  }

  showLabelList(): void {
    const editor = this.editor?.editor
    showLabels(this.labelList, this.data.labels, {
      isHidden: (index) => this.state.hidden.has(index),
      setHidden: (index, isHidden) => {
        this.hiddenLabels.set(this.data.labels.find((label) => label.index === index), isHidden)
        this.showHidden()
      },
      showAll: () => {
        this.hiddenLabels.showAll()
        this.showHidden()
      },
      jumpTo: (index) => this.jumpTo(index),
      editing: editor ? lockable(editor) : null,
    })
    this.showVolumes()
  }

  private showHidden(): void {
    this.state.hidden = this.hiddenLabels.among(this.data.labels)
    this.showLabelList()
    this.showColors()
  }

  /** While a mask is edited its volumes change with every stroke. */
  showVolumes(): void {
    const counts = this.editor?.editor.engine?.counts
    if (!counts) return
    const ml = this.store.scene.camera.spacing.reduce((product, mm) => product * mm, 1 / 1000)
    showVolumes(this.labelList, (index) => counts[index]! * ml)
  }

  private showColors(): void {
    this.colors = colorTable(this.data.labels, this.state.hidden)
    this.renderer?.setColors(this.colors)
    this.showSolid()
    this.draw()
  }

  private showState(): void {
    this.controls.show(this.state, this.store.scene.mask !== null, this.renderer?.kind === 'plain')
  }

  private nameAt(what: Masks, voxel: Vec3): string {
    const label = valueAt(this.store.scene[what], voxel)
    if (label === null) return ''
    return label ? (this.data.labels.find(({ index }) => index === label)?.name ?? TEXT.label(label)) : TEXT.noLabel
  }

  /** Say what is at a voxel, or, without one, at the crosshair. */
  hover(voxel: Vec3 | null): void {
    const at = voxel ?? this.state.cross
    const value = this.store.geometry && this.store.valueOf(at)
    if (value === null) return
    const [first, second] = [this.nameAt('mask', at), this.nameAt('compared', at)]
    const names = second ? `${this.data.maskName}: ${first} · ${this.data.compareName}: ${second}` : first
    this.readout.textContent = `${value + this.data.huOffset} ${this.data.unit}${names && ` · ${names}`}\nvoxel ${at.join(', ')}`
  }
}
