// Asks what a mask is that is to be ground truth and says of itself that a program made it, or that nobody reviewed it.
import { el } from './dom'

export type Kind = 'ground_truth' | 'imported'

export class Doubt {
  root = el('div', { class: 'doubt', hidden: '' })

  /** Show what the file says until the user has said what it is, or `signal` says that nobody will. */
  ask(said: string[], signal: AbortSignal): Promise<Kind> {
    const other = el('button', { type: 'button' }, "Add as another tool's result")
    const truth = el('button', { type: 'button' }, 'Add as ground truth')
    const looked = el('input', { type: 'checkbox' })
    truth.disabled = true
    looked.addEventListener('change', () => { truth.disabled = !looked.checked })
    this.root.replaceChildren(
      el('p', {}, 'Is this ground truth? Of itself the file says otherwise:'),
      el('ul', {}, ...said.map((why) => el('li', {}, why))),
      el('label', { class: 'corrects' }, looked, el('span', {}, 'A person has looked at every part of it')),
      el('div', { class: 'buttons' }, other, truth),
    )
    this.root.hidden = false
    return new Promise<Kind>((resolve, reject) => {
      other.addEventListener('click', () => resolve('imported'))
      truth.addEventListener('click', () => resolve('ground_truth'))
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    }).finally(() => { this.root.hidden = true })
  }
}
