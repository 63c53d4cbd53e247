// The editor's row of controls.
import { el } from '../dom'
import type { Label } from '../state'
import type { State } from './journal'

export type Tool = 'look' | 'brush' | 'erase' | 'lasso' | 'fill'
export interface Settings { tool: Tool; label: number; sizeMm: number; isBall: boolean; isOverAll: boolean; range: [number, number] | null }
export interface PanelHost { change(change: Partial<Settings>): void; undo(): void; redo(): void; review(): void; finalize(): void }

const TOOLS: [Tool, string, string][] = [
  ['look', 'Look', 'Move the crosshair (Esc)'], ['brush', 'Brush', 'Paint with the chosen label (B)'],
  ['erase', 'Erase', 'Paint background (E)'], ['lasso', 'Lasso', 'Fill what you draw around (L)'],
  ['fill', 'Fill', 'Give the whole region of one label in this slice the chosen label (F)'],
]
const SAID: Record<State, string> = {
  saved: 'All changes saved', saving: 'Saving ...', offline: 'Not saved yet: no connection. Keep this page open; it goes on trying.',
  conflict: 'NOT SAVED: this draft was changed in another window. Reload the page to go on with the newest.',
  closed: 'NOT SAVED: this draft was finished or given up elsewhere. Reload the page.',
  refused: 'NOT SAVED: the server refuses the last edit. Reload the page, and tell operations.',
}

export class Panel {
  private tools = TOOLS.map(([tool, text, title]) => this.button(text, title, () => this.host.change({ tool })))
  private label = el('select', { 'aria-label': 'Label to draw' })
  private size = el('input', { type: 'number', min: '0', max: '100', step: '1', 'aria-label': 'Brush radius in mm' })
  private ball = el('input', { type: 'checkbox', 'aria-label': 'Brush is a ball' })
  private over = el('input', { type: 'checkbox', 'aria-label': 'Paint over background only' })
  private undo = this.button('Undo', 'Undo (Ctrl+Z)', () => this.host.undo())
  private redo = this.button('Redo', 'Redo (Ctrl+Y)', () => this.host.redo())
  private done = this.button('Finalize', 'Make a new version of the mask', () => this.host.finalize())
  private said = el('span', { class: 'saved', role: 'status' })
  readonly row: HTMLElement

  constructor(private host: PanelHost, labels: Label[]) {
    this.label.append(...labels.map(({ index, name }) => el('option', { value: String(index) }, name)))
    this.label.addEventListener('change', () => host.change({ label: Number(this.label.value) }))
    this.size.addEventListener('input', () => { if (this.size.value !== '') host.change({ sizeMm: this.size.valueAsNumber }) })
    this.ball.addEventListener('change', () => host.change({ isBall: this.ball.checked }))
    this.over.addEventListener('change', () => host.change({ isOverAll: !this.over.checked }))
    this.done.classList.add('primary')
    this.row = el('div', { class: 'tools edit' }, ...this.tools, el('label', {}, el('span', {}, 'Label'), this.label),
      el('label', {}, el('span', {}, 'Radius mm'), this.size), el('label', {}, this.ball, el('span', {}, '3D')),
      el('label', {}, this.over, el('span', {}, 'only background')), this.undo, this.redo,
      this.button('Slice reviewed', 'You vouch for this slice of the plane in use', () => host.review()), this.done, this.said)
  }

  private button(text: string, title: string, run: () => void): HTMLButtonElement {
    const button = el('button', { type: 'button', title }, text)
    button.addEventListener('click', run)
    return button
  }

  show(settings: Settings, canUndo: boolean, canRedo: boolean): void {
    TOOLS.forEach(([tool], n) => this.tools[n]!.setAttribute('aria-pressed', String(tool === settings.tool)))
    this.label.value = String(settings.label)
    if (this.size.valueAsNumber !== settings.sizeMm) this.size.value = String(settings.sizeMm)
    this.ball.checked = settings.isBall
    this.over.checked = !settings.isOverAll
    this.undo.disabled = !canUndo
    this.redo.disabled = !canRedo
  }

  tell(state: State | string): void {
    this.said.textContent = SAID[state as State] ?? state
    this.said.classList.toggle('error', !['saved', 'saving'].includes(state))
    this.said.dataset.state = state
  }

  setBusy(isBusy: boolean): void { this.done.disabled = isBusy }
}
