// The list of labels: colour, name, visibility and volume; a click on a name goes there.
import { el } from './dom'
import { parseColor, type Label } from './state'
import { TEXT } from './text'

/** What the colours of a difference mean, as the renderers paint them. */
export function showLegend(legend: HTMLElement, names: [string, string] | null): void {
  const entries: [string, string][] = names ? [['#4db359', TEXT.agreement], ['#f28c1f', TEXT.onlyIn(names[0])],
    ['#4080ff', TEXT.onlyIn(names[1])], ['#d940d9', TEXT.otherLabel]] : []
  legend.replaceChildren(...entries.map(([color, text]) =>
    el('span', {}, el('i', { style: `background:${color}` }), text)))
}

export interface LabelsHost {
  isHidden(index: number): boolean
  setHidden(index: number, isHidden: boolean): void
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
  return el('div', { class: 'row', 'data-label': String(label.index) }, check,
    el('i', { style: `background:rgb(${r},${g},${b})` }), name, el('span', { class: 'ml' }, amount(label.volume_ml)))
}

export function showLabels(list: HTMLElement, labels: Label[], host: LabelsHost): void {
  const rows = labels.map((label) => row(label, host))
  list.replaceChildren(...(rows.length ? rows : [el('div', { class: 'none' }, TEXT.noLabels)]))
}
