// Asks which label each structure of a DICOM mask is, where its names are not the project's.
import { el } from './dom'

/** A structure of the file: what it is, if codes say so, the label it was taken for, and why none could be told. */
export interface Structure { name: string; meaning: string; label: string | null; why: string }
export type LabelMap = Record<string, string | null>

const OPEN = '?'
const LEAVE_OUT = ''

export class Names {
  root = el('div', { class: 'names', hidden: '' })

  /** Show the structures until the user has said of each what it is, or `signal` says that nobody will. */
  ask(listed: Structure[], labels: string[], signal: AbortSignal): Promise<LabelMap> {
    // What is said of a name holds for all that have it.
    const structures = listed.filter(({ name }, at) => listed.findIndex((other) => other.name === name) === at)
    const selects = structures.map((one) => this.select(one, labels))
    const go = el('button', { type: 'button' }, 'Add this mask')
    const rest = el('button', { type: 'button' }, 'Leave out the others')
    const tell = (): void => {
      const open = selects.filter(({ value }) => value === OPEN).length
      go.disabled = open > 0 || selects.every(({ value }) => value === LEAVE_OUT)
      rest.hidden = !open
    }
    rest.addEventListener('click', () => {
      for (const select of selects) if (select.value === OPEN) select.value = LEAVE_OUT
      tell()
    })
    for (const select of selects) select.addEventListener('change', tell)
    const rows = structures.map((one, at) => el('label', {},
      el('span', { class: 'name' }, one.name, el('small', {}, [one.meaning, one.why].filter(Boolean).join(', '))), selects[at]!))
    this.root.replaceChildren(el('p', {}, 'Which label is each structure of this file?'), el('div', { class: 'rows' }, ...rows),
      el('div', { class: 'buttons' }, go, rest))
    tell()
    this.root.hidden = false
    return new Promise<LabelMap>((resolve, reject) => {
      go.addEventListener('click', () => resolve(Object.fromEntries(selects.map(({ value }, at) => [structures[at]!.name, value || null]))))
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    }).finally(() => { this.root.hidden = true })
  }

  private select({ name, label }: Structure, labels: string[]): HTMLSelectElement {
    const select = el('select', { 'aria-label': `${name} is` },
      ...(label === null ? [el('option', { value: OPEN }, 'choose ...')] : []),
      el('option', { value: LEAVE_OUT }, 'leave out'), ...labels.map((each) => el('option', { value: each }, each)))
    select.value = label ?? OPEN
    return select
  }
}
