// The editor's menus: what may be painted over, tools for a whole label, and what was reviewed.
import { el } from '../dom'
import type { Vec3 } from '../grid'
import type { Label } from '../state'
import { count, coversEdits, describe, holds, inWords, isEmpty, type PlaneName, type Region, type Slices } from './region'
import type { EditorHost, Over, Settings, ShapeSettings, ShapeTool } from './settings'

export function button(text: string, title: string, run: () => void): HTMLButtonElement {
  const made = el('button', { type: 'button', title }, text)
  made.addEventListener('click', run)
  return made
}

export function numberField(label: string, value: string, attributes: Record<string, string> = {}): HTMLInputElement {
  return el('input', { type: 'number', value, 'aria-label': label, ...attributes })
}

/** A menu that opens under its title; only one is open at a time, and a press elsewhere closes it. */
export class Menu {
  private title = el('summary')
  readonly node: HTMLDetailsElement

  constructor(label: string, content: HTMLElement) {
    this.title.setAttribute('aria-label', label)
    content.classList.add('menu-card')
    this.node = el('details', { class: 'menu' }, this.title, content)
    this.node.addEventListener('toggle', () => {
      content.classList.remove('leftwards')
      const edge = this.node.closest('.sv')?.getBoundingClientRect().right ?? Infinity
      content.classList.toggle('leftwards', content.getBoundingClientRect().right > edge)
    })
  }

  show(text: string): void { if (this.title.textContent !== text) this.title.textContent = text }

  /** Close it; keys go on to reach the viewer, which they would not from a button that is hidden. */
  close(): void {
    const root = this.node.getRootNode() as Document | ShadowRoot
    const had = this.node.open && this.node.contains(root.activeElement)
    this.node.open = false
    if (had) this.title.focus({ preventScroll: true })
  }
}

const OVER: readonly (readonly [Over, string])[] = [
  ['everything', 'everything unlocked'], ['background', 'background only'], ['chosen', 'chosen labels'],
]

/** What may be painted over. */
export class OverMenu {
  private over = el('select', { 'aria-label': 'Paint over' }, ...OVER.map(([value, text]) => el('option', { value }, text)))
  private checks: [number, HTMLInputElement][]
  private list: HTMLElement
  readonly menu: Menu

  constructor(host: EditorHost, labels: Label[]) {
    const all = [{ index: 0, name: 'background' }, ...labels]
    this.checks = all.map(({ index, name }) => [index, el('input', { type: 'checkbox', 'aria-label': `Paint over ${name}` })])
    this.list = el('div', { class: 'checks' },
      ...this.checks.map(([, check], n) => el('label', {}, check, el('span', {}, all[n]!.name))))
    this.over.addEventListener('change', () => host.change({ over: this.over.value as Over }))
    for (const [, check] of this.checks) {
      check.addEventListener('change', () => host.change({ chosen: new Set(this.checks.filter(([, each]) => each.checked).map(([index]) => index)) }))
    }
    this.menu = new Menu('What may be painted over', el('div', {}, el('label', {}, el('span', {}, 'Paint over'), this.over), this.list,
      el('p', {}, 'Locked and hidden labels are never changed. Lock a label in the list at the right.')))
  }

  show({ over, chosen, locked }: Settings): void {
    this.over.value = over
    this.list.hidden = over !== 'chosen'
    for (const [index, check] of this.checks) check.checked = chosen.has(index)
    const text = over === 'chosen' ? `${chosen.size} chosen` : over
    this.menu.show(`Over: ${text}${locked.size ? `, ${locked.size} locked` : ''}`)
  }
}

/** Tools that reshape one label, or bring it over from the next slice. */
export class ShapeMenu {
  private smooth = numberField('Smoothing radius in mm', '2', { min: '0.5', max: '20', step: '0.5' })
  private islands = numberField('Smallest piece to keep, in voxels', '', { min: '1', placeholder: 'largest' })
  private plane = el('input', { type: 'checkbox', 'aria-label': 'Fill holes slice by slice' })
  private name = el('strong')
  readonly menu: Menu

  constructor(host: EditorHost) {
    const run = (tool: ShapeTool) => (): void => {
      this.menu.close()
      host.shape(tool, this.settings())
    }
    const copy = (by: -1 | 1) => (): void => {
      this.menu.close()
      host.copySlice(by)
    }
    const row = (...nodes: (Node | string)[]): HTMLElement => el('div', { class: 'line' }, ...nodes)
    this.menu = new Menu('Tools for the chosen label', el('div', {},
      el('p', {}, 'For ', this.name, ', in the plane in use where it matters:'),
      row(button('Interpolate', 'Fill in between the slices that you drew in this plane; without any, between slices that have the label', run('interpolate'))),
      row(button('Copy from slice below', 'Bring the label over from one slice lower', copy(-1)), button('Copy from slice above', 'Bring the label over from one slice higher', copy(1))),
      row(button('Smooth', 'Smooth the outline in 3D', run('smooth')), this.smooth, 'mm'),
      row(button('Remove islands', 'Keep the largest piece, or all pieces that are large enough', run('islands')), 'smaller than', this.islands, 'voxels'),
      row(button('Fill holes', 'Fill what the label encloses', run('holes')), el('label', {}, this.plane, el('span', {}, 'slice by slice')))))
    this.menu.show('Label tools')
  }

  show(name: string): void { this.name.textContent = name }

  private settings(): ShapeSettings {
    const least = this.islands.valueAsNumber
    return {
      smoothMm: this.smooth.valueAsNumber || 2, minVoxels: Number.isNaN(least) ? null : Math.max(1, Math.round(least)),
      isHolesInPlane: this.plane.checked,
    }
  }
}

/** What was reviewed and edited, and how to say more. */
export class ReviewMenu {
  private from = numberField('First slice', '1', { min: '1' })
  private to = numberField('Last slice', '1', { min: '1' })
  private all = el('input', { type: 'checkbox', 'aria-label': 'All labels reviewed' })
  private checks: [number, HTMLInputElement][]
  private list: HTMLElement
  private said = el('div', { class: 'said' })
  private plane = el('span')
  readonly menu: Menu

  constructor(private host: EditorHost, labels: Label[]) {
    this.checks = labels.map(({ index, name }) => [index, el('input', { type: 'checkbox', 'aria-label': `${name} reviewed` })])
    this.list = el('div', { class: 'checks' }, ...this.checks.map(([, check], n) => el('label', {}, check, el('span', {}, labels[n]!.name))))
    const tellLabels = (): void => host.reviewLabels(this.all.checked ? null : this.checks.filter(([, each]) => each.checked).map(([index]) => index))
    this.all.addEventListener('change', tellLabels)
    for (const [, check] of this.checks) check.addEventListener('change', tellLabels)
    this.menu = new Menu('Reviewed region', el('div', {},
      el('p', {}, 'What you vouch for. What you do not mark counts as not looked at, and never as background.'),
      el('div', { class: 'line' }, this.plane, ' slices', this.from, 'to', this.to,
        button('Mark range', 'You vouch for these slices', () => host.reviewRange(this.from.valueAsNumber - 1, this.to.valueAsNumber - 1))),
      el('div', { class: 'line' }, button('Mark edited slices', 'You vouch for the slices of this plane that you edited', () => host.reviewEdited()),
        button('Whole volume', 'You vouch for every slice', () => host.reviewWhole()), button('Nothing', 'Take all marks back', () => host.reviewNothing())),
      el('div', { class: 'line' }, el('label', {}, this.all, el('span', {}, 'all labels'))), this.list, this.said))
  }

  show(region: Region, edited: Slices, plane: PlaneName, slice: number, n: number): void {
    this.plane.textContent = plane[0]!.toUpperCase() + plane.slice(1)
    this.to.max = this.from.max = String(n)
    if (!this.menu.node.open) this.from.value = this.to.value = String(slice + 1)
    this.all.checked = region.labels === null
    this.list.hidden = region.labels === null
    for (const [index, check] of this.checks) check.checked = region.labels?.includes(index) ?? true
    this.menu.show(`Reviewed: ${describe(region)}${region.labels ? `, ${region.labels.length} labels` : ''}`)
    const names = ['axial', 'coronal', 'sagittal'] as const
    const rows = names.flatMap((name) => [
      ...(count(region[name]) ? [el('div', {}, `Reviewed ${name}: ${inWords(region[name])}`)] : []),
      ...(count(edited[name]) ? [this.editedRow(name, edited, region)] : []),
    ])
    this.said.replaceChildren(...rows)
  }

  /** The edited slices of a plane, each a way to go there; those that nobody vouched for stand out. */
  private editedRow(name: PlaneName, edited: Slices, region: Region): HTMLElement {
    const parts = edited[name].map(([first, last]) => {
      const link = button(first === last ? `${first! + 1}` : `${first! + 1}-${last! + 1}`, 'Go there', () => this.host.goTo(name, first!))
      const isOpen = !region.whole && Array.from({ length: last! - first! + 1 }, (_, at) => first! + at).some((at) => !holds(region[name], at))
      link.className = isOpen ? 'slice open' : 'slice'
      return link
    })
    return el('div', { class: 'slices' }, `Edited ${name}: `, ...parts)
  }
}

export interface Choice { text: string; title: string; run: () => void }

/** A question under the controls; whatever is answered, it goes away. */
export class QuestionCard {
  readonly node = el('div', { class: 'question', role: 'dialog', hidden: '' })

  ask(question: string, why: string, choices: Choice[]): void {
    this.node.setAttribute('aria-label', question)
    this.node.replaceChildren(el('strong', {}, question), el('span', {}, why), ...choices.map(({ text, title, run }) =>
      button(text, title, () => {
        this.node.hidden = true
        run()
      })))
    this.node.hidden = false
  }

  /** Ask it no more, where it is still asked. */
  takeBack(question: string): void {
    if (this.node.getAttribute('aria-label') === question) this.node.hidden = true
  }
}

/** Finalize; where an edit lies outside of what is marked as reviewed, or nothing is marked, ask first. */
export function finish(card: QuestionCard, host: EditorHost, { region, edited, plane, shape }: { region: Region; edited: Slices; plane: PlaneName; shape: Vec3 }): void {
  const nothing = isEmpty(region)
  if (!nothing && coversEdits(region, edited, shape)) {
    host.finalize()
    return
  }
  const after = (mark: () => void) => (): void => {
    mark()
    host.finalize()
  }
  const n = count(edited[plane])
  card.ask(nothing ? 'Which part have you looked at, and vouch for?' : 'Some of your edits lie outside of what is marked as reviewed. What do you vouch for?',
    'The model learns only from what you vouch for; the rest counts as unknown.', [
    { text: 'Whole volume', title: 'Every slice and label is as it should be', run: after(() => host.reviewWhole()) },
    ...(n ? [{ text: `The ${n} edited ${plane} slices${nothing ? '' : ' too'}`, title: nothing ? 'Only these slices' : 'These, and what is marked', run: after(() => host.reviewEdited()) }] : []),
    { text: nothing ? 'Nothing yet' : 'Only what is marked', title: nothing ? 'Keep the mask, without a word for it' : 'The other edits stay in the mask, without a word for them', run: after(() => undefined) },
    { text: 'Cancel', title: 'Go on editing', run: () => undefined },
  ])
}
