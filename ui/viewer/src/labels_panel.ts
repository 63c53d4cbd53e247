// The list of labels: colour, name, visibility and volume; a click on a name goes there.
import { el, svg } from './dom'
import type { Settings } from './edit/settings'
import { parseColor, type Comparing, type Label } from './state'
import { TEXT } from './text'

export interface LegendHost {
  comparing: Comparing
  choose(comparing: Comparing): void
  next(): void
}

/** Which of two masks is shown, and what the colours of their difference mean, as the renderers paint them. */
export function showLegend(legend: HTMLElement, names: [string, string] | null, host: LegendHost): void {
  if (!names) {
    legend.replaceChildren()
    return
  }
  const choice = el('select', { 'aria-label': TEXT.comparing })
  for (const [value, text] of [['difference', TEXT.difference], ['both', TEXT.both], ['first', names[0]], ['second', names[1]]] as const) {
    choice.append(el('option', { value }, text))
  }
  choice.value = host.comparing
  choice.addEventListener('change', () => host.choose(choice.value as Comparing))
  const next = el('button', { type: 'button' }, TEXT.nextDifference)
  next.addEventListener('click', () => host.next())
  const colors = [['#4db359', TEXT.agreement], ['#f28c1f', TEXT.onlyIn(names[0])], ['#4080ff', TEXT.onlyIn(names[1])],
    ['#d940d9', TEXT.otherLabel]] as const
  // Only the difference is painted in these colours; a mask by itself has those of its labels.
  const shown = host.comparing === 'difference' ? colors : []
  legend.replaceChildren(el('div', { class: 'choice' }, choice, next),
    ...shown.map(([color, text]) => el('span', {}, el('i', { style: `background:${color}` }), text)))
}

/** What an editor adds: which label is drawn with, and which may not change. */
export interface Lockable {
  isDrawn(index: number): boolean
  draw(index: number): void
  isLocked(index: number): boolean
  setLocked(index: number, isLocked: boolean): void
}

export function lockable(editor: { settings: Settings; change(change: Partial<Settings>): void }): Lockable {
  const { settings } = editor
  return {
    isDrawn: (index) => settings.label === index,
    draw: (index) => editor.change({ label: index }),
    isLocked: (index) => settings.locked.has(index),
    setLocked: (index, isLocked) => {
      const others = [...settings.locked].filter((each) => each !== index)
      editor.change({ locked: new Set(isLocked ? [...others, index] : others) })
    },
  }
}

export interface LabelsHost {
  editing: Lockable | null
  isHidden(index: number): boolean
  setHidden(index: number, isHidden: boolean): void
  showAll(): void
  jumpTo(index: number): void
}

function amount(ml: number | null | undefined): string {
  return ml === null || ml === undefined ? '-' : `${ml.toFixed(ml < 10 ? 2 : 1)} ml`
}

function row(label: Label, host: LabelsHost): HTMLElement {
  const [r, g, b] = parseColor(label.color)
  const check = el('input', { type: 'checkbox', 'aria-label': `Show ${label.name}` })
  check.checked = !host.isHidden(label.index)
  check.addEventListener('change', () => host.setHidden(label.index, !check.checked))
  const name = el('button', { class: 'text', type: 'button', title: `Go to ${label.name}` }, label.name)
  name.addEventListener('click', () => host.jumpTo(label.index))
  const colour = `background:rgb(${r},${g},${b})`
  const ml = el('span', { class: 'ml' }, amount(label.volume_ml))
  const attributes = { class: 'row', 'data-label': String(label.index) }
  if (!host.editing) return el('div', attributes, check, el('i', { style: colour }), name, ml)
  const draw = el('button', { class: 'swatch', type: 'button', style: colour, title: `Draw with ${label.name}`, 'aria-label': `Draw with ${label.name}` })
  const { editing } = host
  draw.addEventListener('click', () => editing.draw(label.index))
  const node = el('div', attributes, check, draw, name, ml, padlock(label, editing))
  node.classList.toggle('drawn', editing.isDrawn(label.index))
  return node
}

function padlock(label: Label, editing: Lockable): HTMLElement {
  const isLocked = editing.isLocked(label.index)
  const shackle = isLocked ? 'M4 7V5a3 3 0 0 1 6 0v2' : 'M4 7V5a3 3 0 0 1 6 0'
  const button = el('button', {
    class: 'lock', type: 'button', 'aria-pressed': String(isLocked), 'aria-label': `Lock ${label.name}`,
    title: isLocked ? `${label.name} is locked: nothing changes it` : `Lock ${label.name}, so that nothing changes it`,
  }, svg('svg', { viewBox: '0 0 14 14', width: '14', height: '14', 'aria-hidden': 'true' },
    svg('path', { d: shackle, fill: 'none', stroke: 'currentColor', 'stroke-width': '1.6' }),
    svg('rect', { x: '2', y: '7', width: '10', height: '6', rx: '1', fill: 'currentColor' })))
  button.addEventListener('click', () => editing.setLocked(label.index, !isLocked))
  return button
}

/** Show other volumes than the labels came with. */
export function showVolumes(list: HTMLElement, mlOf: (index: number) => number): void {
  for (const node of list.querySelectorAll<HTMLElement>('[data-label]')) {
    node.querySelector('.ml')!.textContent = amount(mlOf(Number(node.dataset.label)))
  }
}

export function showLabels(list: HTMLElement, labels: Label[], host: LabelsHost): void {
  const rows = labels.map((label) => row(label, host))
  const nHidden = labels.filter(({ index }) => host.isHidden(index)).length
  if (nHidden) {
    // A label that nobody sees must not be taken for one that isn't there.
    const all = el('button', { type: 'button' }, TEXT.showAll)
    all.addEventListener('click', () => host.showAll())
    rows.unshift(el('div', { class: 'hidden-labels', role: 'status' }, TEXT.hiddenLabels(nHidden), all))
  }
  const root = list.getRootNode()
  const active = root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null
  const focused = active && list.contains(active) ? active.getAttribute('aria-label') : null
  list.replaceChildren(...(rows.length ? rows : [el('div', { class: 'none' }, TEXT.noLabels)]))
  // Who works with the keyboard stays where they were.
  if (focused) [...list.querySelectorAll<HTMLElement>('[aria-label]')].find((node) => node.getAttribute('aria-label') === focused)?.focus()
}
