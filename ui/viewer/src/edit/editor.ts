// The editor: ties the pen, the edit engine, the journal, the server's tools and the controls together.
import type { App } from '../app'
import type { Grid, Vec3 } from '../grid'
import type { Plane } from '../layout'
import type { Vouched } from '../strip'
import { changes, finalize, isOver, latestEdits, recover, restore, runTool, takes, widen } from './draft'
import { Engine, type Computed, type Edit, type Rules } from './engine'
import { keepActiveMs, keepSettings, keptActiveMs, keptSettings } from '../kept'
import { Journal, NO_HEAD, type Entry, type State } from './journal'
import { Keep } from './keep'
import { Panel } from './panel'
import { Pen } from './pen'
import * as regions from './region'
import { NOTHING, NO_SLICES, nameOf, slicesOf, withEdit, type PlaneName, type Region, type Slices } from './region'
import type { Run } from './runs'
import { initialSettings, TOOLS, type EditorHost, type Settings, type ShapeSettings, type ShapeTool, type Tool } from './settings'

const IDLE_MS = 30_000 // a longer pause is not work
const PATIENCE_MS = 30_000 // an answer that takes longer is not coming
const SETTLE_MS = 1500 // after an undo, until the server is asked what is still edited
const GROW_AROUND = 60 // values around the seed's that a structure grows through, where no range is set
const STUCK = 'This draft can\'t be edited here any more; see at the right.'
const KEYS = new Map<string, Tool>(TOOLS.filter(([tool]) => tool !== 'look').map(([tool, , , key]) => [key, tool]))
const DRAWN: ReadonlySet<string> = new Set(['brush', 'lasso', 'fill', 'threshold', 'copy'])

function countOf(runs: readonly Run[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0)
}

export class Editor implements EditorHost {
  readonly panel: Panel
  readonly settings: Settings
  engine: Engine | null = null
  private journal: Journal | null = null
  private keep: Keep
  private pen: Pen
  private isBusy = false
  private activeMs: number
  private seenAt = 0
  private region: Region = NOTHING
  private edited: Slices = NO_SLICES
  private settling = 0
  private url: string

  constructor(private app: App, private draftId: string, private onFinalized: (maskId: string) => void) {
    this.url = `${app.data.apiBase}/v1/drafts/${encodeURIComponent(draftId)}`
    this.keep = new Keep(draftId, app.data.volumeId)
    this.settings = { ...initialSettings(app.data.labels[0]?.index ?? 1), ...keptSettings(app.data, draftId) }
    this.activeMs = keptActiveMs(draftId)
    this.pen = new Pen(app, this)
    this.panel = new Panel(this, app.data.labels, app.data.unit)
    app.controls.row.after(this.panel.rows)
    app.onPointer = (plane, voxel, event, phase) => this.pen.pointer(plane, voxel, event, phase)
    app.onDecorate = (view) => this.pen.outline(view)
    app.root.addEventListener('keydown', this.onKey, { capture: true })
    app.root.addEventListener('pointerdown', this.onPress, { capture: true })
    window.addEventListener('beforeunload', this.onLeave)
    this.show()
  }

  destroy(): void {
    this.panel.rows.remove()
    this.app.onPointer = this.app.onDecorate = null
    this.app.root.removeEventListener('keydown', this.onKey, { capture: true })
    this.app.root.removeEventListener('pointerdown', this.onPress, { capture: true })
    window.removeEventListener('beforeunload', this.onLeave)
    clearTimeout(this.settling)
  }

  get vouched(): Vouched { return { region: this.region, edited: this.edited } }

  /** The draft's voxels have arrived: from here on they are edited in place. */
  async adopt(mask: Grid): Promise<Grid> {
    const head = mask.head ?? NO_HEAD
    const grid = widen(mask, this.app.data.labels.map(({ index }) => index))
    const [edits, known, kept] = await Promise.all([latestEdits(this.url, head), changes(this.url), this.keep.list()])
    this.region = known.reviewed ?? NOTHING
    this.edited = known.edited
    const engine = new Engine(grid, () => this.app.store.scene.full)
    engine.remember(edits)
    const journal = new Journal(this.url, head, {
      fetch: (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) }),
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      onState: (state, waiting) => this.onState(state, waiting),
      keep: (entry) => this.keep.put(entry),
      drop: (entry) => this.keep.delete(entry),
    })
    const found = await recover(this.url, kept, engine, journal, this.taken, (entry) => this.keep.delete(entry))
    if (found.region) this.region = found.region
    if (found.nEdits) this.settle(journal)
    this.panel.say([
      found.nEdits ? `${found.nEdits} strokes that had not been saved were added again.` : '',
      found.isReviewLost ? 'What you marked as reviewed before was not saved, and the mask has changed since: mark it again.' : '',
    ].join(' ').trim())
    this.engine = engine
    this.journal = journal
    this.panel.tell(journal.state)
    this.show()
    void this.offerStrays(engine, journal)
    return grid
  }

  private onState(state: State, waiting: number): void {
    this.panel.tell(state)
    if (state === 'no_access') this.panel.tellNoAccess(waiting, () => this.journal?.retry())
    else this.panel.takeBackNoAccess()
  }

  /** The labels that this draft takes. */
  private get taken(): ReadonlySet<number> { return new Set([0, ...this.app.data.labels.map(({ index }) => index)]) }

  /** Strokes that never reached a draft of this case before it was finalized elsewhere: ask what to do with them. */
  private async offerStrays(engine: Engine, journal: Journal): Promise<void> {
    const strays: { draft: string; entry: Entry }[] = []
    for (const [draft, entries] of await this.keep.listOthers()) {
      const isDone = await isOver(`${this.app.data.apiBase}/v1/drafts/${encodeURIComponent(draft)}`).catch(() => false)
      // A review vouched for what that draft's mask became: it can't be said again of another.
      if (isDone) strays.push(...entries.filter((entry) => entry.operation !== 'review' && takes(this.taken, entry)).map((entry) => ({ draft, entry })))
    }
    const forget = (): void => strays.forEach(({ draft, entry }) => this.keep.delete(entry, draft))
    const add = (): void => {
      const n = strays.filter(({ entry }) => restore(entry, engine, journal)).length
      forget()
      this.panel.say(`${n} strokes were added.`)
      this.showChanges()
      this.settle(journal)
      this.show()
    }
    if (!strays.length) return
    this.panel.ask(`${strays.length} of your strokes were never saved`,
      'They were made on this case in this browser, and the edit they belong to was finished elsewhere before they arrived.', [
        { text: 'Add them to this edit', title: 'Wherever a voxel is still what it was then', run: add },
        { text: 'Not now', title: 'Ask again next time', run: () => undefined },
        { text: 'Forget them', title: 'They are gone for good', run: forget },
      ])
  }

  // --- settings ---

  change(change: Partial<Settings>): void {
    if (change.tool) this.pen.giveUp()
    Object.assign(this.settings, change)
    keepSettings(this.app.data, this.draftId, this.settings)
    if (change.label !== undefined || change.tool) this.panel.say('')
    if (change.label !== undefined || change.locked) this.app.showLabelList()
    this.show()
    this.app.draw()
  }

  /** The plane or slice in use may be another one now. */
  show(): void {
    const { plane } = this.app.active
    const { shape } = this.app.store.scene.camera
    this.panel.show(this.settings, {
      canUndo: this.engine?.canUndo ?? false, canRedo: this.engine?.canRedo ?? false, isBusy: this.isBusy || !this.engine,
      region: this.region, edited: this.edited, plane: nameOf(plane), shape,
      slice: this.app.state.cross[plane.normal], nSlices: shape[plane.normal],
    })
    this.app.root.dataset.tool = this.settings.tool
  }

  private onKey = (event: KeyboardEvent): void => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const isTyping = event.composedPath().some((node) => node instanceof HTMLElement && node.matches('input:not([type=checkbox]), select'))
    const meant = event.ctrlKey || event.metaKey ? this.chord(key, event.shiftKey) : !event.altKey && !isTyping && this.press(key)
    if (!meant) return
    event.preventDefault()
    event.stopPropagation()
  }

  private chord(key: string, isShifted: boolean): boolean {
    if (key !== 'z' && key !== 'y') return false
    if (key === 'y' || isShifted) this.redo()
    else this.undo()
    return true
  }

  private press(key: string): boolean {
    if (this.pen.key(key)) return true
    const tool = KEYS.get(key)
    if (tool) this.change({ tool })
    else if (key === '[' || key === ']') this.change({ sizeMm: Math.max(0, this.settings.sizeMm + (key === ']' ? 1 : -1)) })
    else if (key === 'v') this.reviewSlice()
    else if (key === 'Escape' && this.settings.tool !== 'look' && !this.app.isCardOpen) {
      if (!this.pen.giveUp()) this.change({ tool: 'look' })
      this.app.draw()
    } else return false
    return true
  }

  private onPress = (event: Event): void => this.panel.closeMenus(event.composedPath())

  private onLeave = (event: BeforeUnloadEvent): void => {
    if (this.journal && this.journal.state !== 'saved') event.preventDefault()
  }

  // --- drawing ---

  rules(): Rules {
    const { over, chosen, tool, label, isRanged, range } = this.settings
    const offset = this.app.data.huOffset
    return {
      // Where only background may be painted over, the eraser takes the chosen label away.
      only: over === 'everything' ? null : over === 'background' ? new Set([tool === 'erase' ? label : 0]) : chosen,
      locked: new Set([...this.settings.locked, ...this.app.state.hidden]),
      range: isRanged ? [range[0] - offset, range[1] - offset] : null,
    }
  }

  refusal(): string | null {
    const { tool, label } = this.settings
    if (this.isBusy) return 'Wait a moment: a tool is at work.'
    if (!this.journal || this.journal.isStuck) return STUCK
    // Voxels that have not arrived yet read as 0, which may well lie in the range.
    if (this.settings.isRanged && !this.app.store.isComplete()) return 'The CT is still loading, and painting by value needs all of it. Wait a moment.'
    if (tool === 'erase') return this.unhide()
    if (this.settings.locked.has(label)) return `${this.nameOf(label)} is locked. Unlock it in the list at the right, or choose another label.`
    if (this.app.state.hidden.has(label)) return `${this.nameOf(label)} is hidden. Show it in the list at the right first.`
    return this.unhide()
  }

  /** Nobody draws on a mask that can't be seen. */
  private unhide(): null {
    if (this.app.state.isMaskHidden) this.app.set({ isMaskHidden: false })
    return null
  }

  tell(note: string): void { this.panel.say(note) }

  pick(label: number): void {
    if (label === 0) this.panel.say('There is no label here.')
    else this.change({ label, tool: 'brush' })
  }

  /** Say why a stroke has changed nothing; "" where there was nothing to change. */
  whyNothing(): string {
    const { protectedLabels, nOutside } = this.engine!
    const names = [...protectedLabels].map((label) => (label ? this.nameOf(label) : 'background')).join(', ')
    if (names) return `Nothing changed: ${names} may not be painted over (locked, hidden, or not chosen under Over).`
    return nOutside ? `Nothing changed: no value here lies in the range of "only ${this.app.data.unit}".` : ''
  }

  record(edit: Edit | null): void {
    if (edit) {
      this.journal?.edit(edit)
      this.edited = withEdit(this.edited, edit.runs, this.app.store.scene.camera.shape)
      if ((edit.operation === 'undo' || edit.operation === 'redo') && this.journal) this.settle(this.journal)
      this.app.showVolumes()
    }
    this.show()
  }

  showChanges(): void {
    const box = this.engine?.takeTouched()
    if (box) this.app.updateMask(box)
    else this.app.draw()
  }

  undo(): void { this.step('undo') }
  redo(): void { this.step('redo') }

  private step(which: 'undo' | 'redo'): void {
    if (!this.engine || !this.journal || this.isBusy) return
    if (this.journal.isStuck) {
      this.panel.say(STUCK)
      return
    }
    this.noteActivity()
    this.record(this.engine[which]())
    this.showChanges()
  }

  /** Ask what is still edited once all is saved: what an undo took back may be as it was at first. */
  private settle(journal: Journal): void {
    clearTimeout(this.settling)
    this.settling = window.setTimeout(() => {
      void journal.flush().then(async () => {
        const { hash, edited } = await changes(this.url)
        if (hash !== journal.next.hash) return
        this.edited = edited
        this.show()
        this.app.draw()
      }).catch(() => undefined) // it says a little too much until the next time
    }, SETTLE_MS)
  }

  noteActivity(): void {
    const now = performance.now()
    if (now - this.seenAt < IDLE_MS) this.activeMs += now - this.seenAt
    this.seenAt = now
    keepActiveMs(this.draftId, this.activeMs)
  }

  // --- tools ---

  grow(seed: Vec3): void {
    const { isRanged, range, growMm } = this.settings
    const { huOffset, unit } = this.app.data
    const value = this.app.store.valueOf(seed)
    if (value === null) return
    const [low, high] = isRanged ? [range[0] - huOffset, range[1] - huOffset] : [value - GROW_AROUND, value + GROW_AROUND]
    const words = `${low + huOffset} to ${high + huOffset} ${unit}, at most ${growMm} mm away`
    void this.compute('grow', { seed, low_hu: low, high_hu: high, radius_mm: growMm }, words)
  }

  shape(tool: ShapeTool, { smoothMm, minVoxels, isHolesInPlane }: ShapeSettings): void {
    const plane = nameOf(this.app.active.plane)
    const parameters = {
      smooth: { radius_mm: smoothMm }, islands: { min_voxels: minVoxels }, holes: { plane: isHolesInPlane ? plane : null },
      interpolate: { plane, slices: this.drawnSlices(plane) },
    }
    const refusal = this.refusal()
    if (refusal) this.panel.say(refusal)
    else void this.compute(tool, parameters[tool], '')
  }

  /** The slices of a plane in which the chosen label was drawn by hand; null where fewer than two were. */
  private drawnSlices(plane: PlaneName): number[] | null {
    const { shape } = this.app.store.scene.camera
    const drawn = new Set<number>()
    for (const { operation, label, runs } of this.engine?.done ?? []) {
      if (label !== this.settings.label || !DRAWN.has(operation)) continue
      const slices = slicesOf(runs, shape)[plane]
      if (slices.size === 1) drawn.add([...slices][0]!)
    }
    return drawn.size > 1 ? [...drawn].sort((a, b) => a - b) : null
  }

  private async compute(tool: Computed, parameters: object, words: string): Promise<void> {
    const { engine, journal } = this
    const { label } = this.settings
    if (!engine || !journal) return
    this.setBusy(true)
    this.panel.say('Working ...')
    try {
      if (!(await journal.flush())) {
        this.panel.say('')
        return
      }
      const rules = this.rules()
      const known = [0, ...this.app.data.labels.map(({ index }) => index)]
      const over = known.filter((index) => index !== label && !rules.locked.has(index) && (!rules.only || rules.only.has(index)))
      const runs = await runTool(this.url, journal.next, tool, label, { ...parameters, over })
      const edit = engine.apply(tool, label, runs)
      this.record(edit)
      this.showChanges()
      const n = countOf(runs)
      this.panel.say(edit ? `${n.toLocaleString('en')} voxels changed${words && ` (${words})`}.` : `Nothing to change${words && ` (${words})`}.`)
    } catch (error) {
      this.panel.say(error instanceof Error ? error.message : String(error))
    } finally {
      this.setBusy(false)
    }
  }

  /** Bring the chosen label over from the slice before or after, in the plane in use. */
  copySlice(by: -1 | 1): void {
    const { engine } = this
    const { plane } = this.app.active
    const refusal = this.refusal()
    if (!engine || refusal) {
      this.panel.say(refusal ?? '')
      return
    }
    const { shape, voxels } = engine.mask
    const to = this.app.state.cross[plane.normal]
    const from = to + by
    const found: Vec3[] = []
    if (from >= 0 && from < shape[plane.normal]) {
      for (let b = 0; b < shape[plane.up]; b++) {
        for (let a = 0; a < shape[plane.across]; a++) {
          const voxel: Vec3 = [0, 0, 0]
          ;[voxel[plane.across], voxel[plane.up], voxel[plane.normal]] = [a, b, from]
          if (voxels[voxel[0] + shape[0] * (voxel[1] + shape[1] * voxel[2])] !== this.settings.label) continue
          voxel[plane.normal] = to
          found.push(voxel)
        }
      }
    }
    engine.begin('copy', this.settings.label, this.rules())
    engine.paint(found)
    const edit = engine.end()
    this.noteActivity()
    this.record(edit)
    this.showChanges()
    const name = this.nameOf(this.settings.label)
    if (edit) this.panel.say(`${countOf(edit.runs).toLocaleString('en')} voxels of ${name} brought over from slice ${from + 1}.`)
    else if (found.length) this.panel.say(this.whyNothing() || `Slice ${to + 1} has all of ${name} that slice ${from + 1} has.`)
    else this.panel.say(`Slice ${from + 1} has nothing of ${name} to bring over.`)
  }

  private setBusy(isBusy: boolean): void {
    this.isBusy = isBusy
    this.show()
  }

  private nameOf(label: number): string {
    return this.app.data.labels.find(({ index }) => index === label)?.name ?? `Label ${label}`
  }

  // --- what the person vouches for ---

  private vouch(region: Region): void {
    // While the mask is being made, what is said now would not be part of it.
    if (this.isBusy) this.panel.say('Wait a moment: a tool is at work.')
    else if (this.journal?.isOver) this.panel.say(STUCK)
    if (!this.journal || this.journal.isOver || this.isBusy || JSON.stringify(region) === JSON.stringify(this.region)) return
    this.region = region
    this.journal.add('review', 0, new TextEncoder().encode(JSON.stringify(region)))
    this.noteActivity()
    this.show()
    this.app.draw()
  }

  private inUse(): { plane: Plane; name: PlaneName; slice: number; n: number } {
    const { plane } = this.app.active
    return { plane, name: nameOf(plane), slice: this.app.state.cross[plane.normal], n: this.app.store.scene.camera.shape[plane.normal] }
  }

  /** Mark the slice, or take its mark back. */
  reviewSlice(): void {
    const { name, slice } = this.inUse()
    const ranges = this.region[name]
    if (this.region.whole) return
    this.vouch({ ...this.region, [name]: regions.holds(ranges, slice) ? regions.withoutSlice(ranges, slice) : regions.withRange(ranges, slice, slice) })
  }

  reviewRange(first: number, last: number): void {
    const { name, n } = this.inUse()
    if (Number.isNaN(first + last) || Math.min(first, last) < 0 || Math.max(first, last) >= n) {
      this.panel.say(`There are ${n} ${name} slices; give two numbers from 1 to ${n}.`)
      return
    }
    this.vouch({ ...this.region, [name]: regions.withRange(this.region[name], first, last) })
  }

  reviewEdited(): void {
    const { name } = this.inUse()
    const ranges = this.edited[name].reduce((all, [first, last]) => regions.withRange(all, first!, last!), this.region[name])
    this.vouch({ ...this.region, [name]: ranges })
  }

  reviewWhole(): void { this.vouch({ ...this.region, whole: true }) }
  reviewNothing(): void { this.vouch(NOTHING) }
  reviewLabels(labels: number[] | null): void { this.vouch({ ...this.region, labels }) }

  goTo(plane: PlaneName, slice: number): void {
    const cross = [...this.app.state.cross] as Vec3
    cross[{ sagittal: 0, coronal: 1, axial: 2 }[plane]] = slice
    this.app.moveTo(cross)
  }

  private async makeMask(): Promise<void> {
    const { journal } = this
    if (!journal) return
    this.setBusy(true)
    this.panel.say('Making a new version of the mask ...')
    try {
      if (await journal.flush()) {
        const maskId = await finalize(this.url, journal.next, Math.round(this.activeMs / 1000))
        keepActiveMs(this.draftId, null)
        this.onFinalized(maskId)
      } else this.panel.say('No new version was made.')
    } catch (error) {
      this.panel.say(error instanceof Error ? error.message : String(error))
    } finally {
      this.setBusy(false)
    }
  }

  finalize(): void { void this.makeMask() }
}
