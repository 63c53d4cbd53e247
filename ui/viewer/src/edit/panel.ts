// The editor's rows of controls.
import { el } from '../dom'
import type { Vec3 } from '../grid'
import type { Label } from '../state'
import { TEXT } from '../text'
import type { State } from './journal'
import { OverMenu, QuestionCard, ReviewMenu, ShapeMenu, button, finish, numberField, type Choice, type Menu } from './menus'
import type { PlaneName, Region, Slices } from './region'
import { SIZED, TOOLS, type EditorHost, type Settings } from './settings'

const SAID: Record<State, string> = {
  saved: 'All changes saved', saving: 'Saving ...',
  offline: 'No connection: changes are kept in this browser and sent as soon as it is back.',
  signed_out: 'Your sign-in has ended: sign in again in another tab. Changes are kept here and sent then.',
  no_access: 'NOT SAVED: you may not edit here any more. Your last changes are kept in this browser.',
  conflict: 'NOT SAVED: this draft was changed in another window. Reload the page; your last strokes are kept and added again.',
  closed: 'NOT SAVED: this draft was finished or given up elsewhere. Reload the page.',
  not_yours: 'NOT SAVED: this draft belongs to somebody else. Go back and open your own.',
  refused: 'NOT SAVED: the server refuses the last edit. Reload the page, and tell operations.',
}

/** What the panel shows besides the settings. */
export interface Shown {
  canUndo: boolean; canRedo: boolean; isBusy: boolean
  region: Region; edited: Slices; plane: PlaneName; slice: number; nSlices: number; shape: Vec3
}

export class Panel {
  private tools = TOOLS.map(([tool, text, title, key]) =>
    button(text, `${title} (${key === 'Escape' ? 'Esc' : key.toUpperCase()})`, () => this.host.change({ tool })))
  private label = el('select', { 'aria-label': 'Label to draw' })
  private size = numberField('Brush radius in mm', '5', { min: '0', max: '100', step: '1' })
  private ball = el('input', { type: 'checkbox', 'aria-label': 'Brush is a ball' })
  private ranged = el('input', { type: 'checkbox', 'aria-label': 'Paint only values in the range' })
  private low = numberField('Lowest value', '', { step: '10' })
  private high = numberField('Highest value', '', { step: '10' })
  private undo = button('Undo', 'Undo (Ctrl+Z)', () => this.host.undo())
  private redo = button('Redo', 'Redo (Ctrl+Y)', () => this.host.redo())
  private slice = button('Slice reviewed', 'You vouch for this slice of the plane in use (V)', () => this.host.reviewSlice())
  private done = button('Finalize', 'Make a new version of the mask', () => finish(this.question, this.host, this.shown!))
  private said = el('span', { class: 'saved', role: 'status' })
  private note = el('span', { class: 'note', role: 'status' })
  private over: OverMenu
  private shape: ShapeMenu
  private review: ReviewMenu
  private question = new QuestionCard()
  private settings: Settings | null = null
  private shown: Shown | null = null
  readonly rows: HTMLElement

  constructor(private host: EditorHost, private labels: Label[], unit: string) {
    this.over = new OverMenu(host, labels)
    this.shape = new ShapeMenu(host)
    this.review = new ReviewMenu(host, labels)
    this.label.append(...labels.map(({ index, name }) => el('option', { value: String(index) }, name)))
    this.label.addEventListener('change', () => host.change({ label: Number(this.label.value) }))
    this.size.addEventListener('input', () => {
      if (this.size.value !== '') host.change(this.settings?.tool === 'grow' ? { growMm: this.size.valueAsNumber } : { sizeMm: this.size.valueAsNumber })
    })
    this.ball.addEventListener('change', () => host.change({ isBall: this.ball.checked }))
    this.ranged.addEventListener('change', () => host.change({ isRanged: this.ranged.checked }))
    for (const input of [this.low, this.high]) {
      input.addEventListener('input', () => {
        const range: [number, number] = [this.low.valueAsNumber, this.high.valueAsNumber]
        if (!range.some(Number.isNaN)) host.change({ range })
      })
    }
    this.done.classList.add('primary')
    const field = (text: string, input: HTMLElement): HTMLElement => el('label', {}, el('span', {}, text), input)
    this.rows = el('div', { class: 'editing' },
      el('div', { class: 'tools edit' }, el('span', { class: 'group' }, ...this.tools), field('Label', this.label), field('Radius mm', this.size),
        el('label', {}, this.ball, el('span', {}, '3D')), this.undo, this.redo, this.note),
      el('div', { class: 'tools edit' }, this.over.menu.node,
        el('label', { title: `Paint, fill and grow only where the CT's value lies in this range` }, this.ranged, el('span', {}, `only ${unit}`)), this.low, 'to', this.high,
        this.shape.menu.node, this.slice, this.review.menu.node, this.done, this.said), this.question.node)
  }

  get menus(): Menu[] { return [this.over.menu, this.shape.menu, this.review.menu] }

  /** Close every menu but the one that a press was in. */
  closeMenus(path: EventTarget[]): void {
    for (const menu of this.menus) if (!path.includes(menu.node)) menu.close()
  }

  show(settings: Settings, shown: Shown): void {
    this.settings = settings
    this.shown = shown
    TOOLS.forEach(([tool], n) => this.tools[n]!.setAttribute('aria-pressed', String(tool === settings.tool)))
    this.label.value = String(settings.label)
    const size = settings.tool === 'grow' ? settings.growMm : settings.sizeMm
    if (this.size.valueAsNumber !== size) this.size.value = String(size)
    this.size.disabled = settings.tool !== 'look' && !SIZED.has(settings.tool)
    this.ball.checked = settings.isBall
    this.ranged.checked = settings.isRanged
    if (this.low.valueAsNumber !== settings.range[0]) this.low.value = String(settings.range[0])
    if (this.high.valueAsNumber !== settings.range[1]) this.high.value = String(settings.range[1])
    this.low.disabled = this.high.disabled = !settings.isRanged
    this.over.show(settings)
    this.shape.show(this.labels.find(({ index }) => index === settings.label)?.name ?? '')
    this.review.show(shown.region, shown.edited, shown.plane, shown.slice, shown.nSlices)
    this.undo.disabled = !shown.canUndo || shown.isBusy
    this.redo.disabled = !shown.canRedo || shown.isBusy
    this.done.disabled = shown.isBusy
  }

  tell(state: State): void {
    this.said.textContent = SAID[state]
    this.said.classList.toggle('error', !['saved', 'saving'].includes(state))
    this.said.dataset.state = state
  }

  ask(question: string, why: string, choices: Choice[]): void { this.question.ask(question, why, choices) }

  /** Say that this person may not edit here now, and that `n` changes wait; until they may, or close it. */
  tellNoAccess(n: number, retry: () => void): void {
    this.ask(TEXT.noAccess, `${TEXT.noAccessWhy} ${TEXT.noAccessKept(n)}`, [
      { text: 'Try again', title: 'Ask whether you may edit here now', run: retry },
      { text: 'Close', title: 'It is tried again from time to time', run: () => undefined },
    ])
  }

  takeBackNoAccess(): void { this.question.takeBack(TEXT.noAccess) }

  /** Say something about the last action; "" takes it back. */
  say(note: string): void { this.note.textContent = note }
}
