// The list of labels: colour, name, visibility and volume; a click on a name goes there.
import { el } from './dom'
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
  for (const [value, text] of [['difference', TEXT.difference], ['first', names[0]], ['second', names[1]]] as const) {
    choice.append(el('option', { value }, text))
  }
  choice.value = host.comparing
  choice.addEventListener('change', () => host.choose(choice.value as Comparing))
  const next = el('button', { type: 'button' }, TEXT.nextDifference)
  next.addEventListener('click', () => host.next())
  const colors = [['#4db359', TEXT.agreement], ['#f28c1f', TEXT.onlyIn(names[0])], ['#4080ff', TEXT.onlyIn(names[1])],
    ['#d940d9', TEXT.otherLabel]] as const
  legend.replaceChildren(el('div', { class: 'choice' }, choice, next),
    ...colors.map(([color, text]) => el('span', {}, el('i', { style: `background:${color}` }), text)))
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
