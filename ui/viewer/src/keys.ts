// Keyboard shortcuts, and the card that lists them.
import { el } from './dom'

/** Each shortcut: its keys, what the card says, and the command it gives. */
export const KEYS: readonly (readonly [keys: string[], text: string, command: string])[] = [
  [['ArrowUp', 'ArrowDown'], 'one slice up, down', 'slice1'],
  [['PageUp', 'PageDown'], 'ten slices up, down', 'slice10'],
  [['Home', 'End'], 'first, last slice', 'sliceEnd'],
  [['1', '2', '3', '4', '5'], 'window: brain, soft tissue, lung, bone, whole range', 'preset'],
  [['h'], 'hide or show the mask', 'mask'],
  [['o'], 'outline or fill', 'outline'],
  [['i'], 'smooth or exact voxels', 'smooth'],
  [['+', '-'], 'zoom in, out', 'zoom'],
  [['0'], 'whole picture', 'reset'],
  [['g'], 'this plane large, or all', 'large'],
  [['d'], '3D view on or off', 'solid'],
  [['m'], 'measure a distance', 'measure'],
  [['r'], 'radiological or neurological', 'convention'],
  [['?'], 'this card', 'help'],
  [['Escape'], 'end measuring, close the card', 'escape'],
]
const EDIT_KEYS = [
  ['B E L P F', 'brush, erase, lasso, polygon, fill'], ['W K', 'grow from a click, pick a label'],
  ['[ ]', 'smaller, larger brush'], ['V', 'slice reviewed, or not'], ['Ctrl+Z Ctrl+Y', 'undo, redo'],
  ['Enter Backspace', 'close a polygon, take a corner back'], ['Esc', 'give up the stroke; back to looking'],
]
const MOUSE = [
  ['click, drag', 'move the crosshair'], ['wheel', 'slices'], ['Ctrl + wheel', 'zoom'],
  ['right drag', 'window: width across, level up and down'], ['Shift or middle drag', 'move the picture'],
  ['double click', 'this plane large, or all'],
]

/** Give commands for key presses in the viewer, and keep every key from the page around it. */
export function bindKeys(root: HTMLElement, run: (command: string, key: string) => boolean): void {
  // Streamlit has single-key shortcuts (r reruns, c clears the cache) that must not fire while someone works here.
  for (const type of ['keydown', 'keyup', 'keypress']) root.addEventListener(type, (event) => event.stopPropagation())
  root.addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest('input[type=number], select')) return
    if (target.closest('input') && /^(Arrow|Page|Home|End)/.test(event.key)) return // a slider moves by itself
    const key = event.key === '=' ? '+' : event.key.length === 1 ? event.key.toLowerCase() : event.key
    const found = KEYS.find(([keys]) => keys.includes(key))
    if (found && run(found[2], key)) event.preventDefault()
  })
}

export function helpCard(close: () => void, isEditing: boolean): HTMLElement {
  const rows = (pairs: (readonly [string, string])[]): HTMLElement[] =>
    pairs.map(([keys, text]) => el('tr', {}, el('th', { scope: 'row' }, keys), el('td', {}, text)))
  const pretty = (keys: string[]): string => keys.map((key) => key.replace('Arrow', '').toUpperCase()).join(' ')
    .replace('PAGEUP PAGEDOWN', 'PgUp PgDn').replace('HOME END', 'Home End').replace('UP DOWN', '\u2191 \u2193').replace('ESCAPE', 'Esc')
  const button = el('button', { type: 'button', class: 'close' }, 'Close')
  button.addEventListener('click', close)
  return el('div', { class: 'help', role: 'dialog', 'aria-label': 'Keys and mouse' },
    el('div', { class: 'columns' },
      el('table', {}, el('caption', {}, 'Keys'), ...rows(KEYS.map(([keys, text]) => [pretty(keys), text] as const))),
      el('div', {}, el('table', {}, el('caption', {}, 'Mouse'), ...rows(MOUSE as [string, string][])),
        ...(isEditing ? [el('table', {}, el('caption', {}, 'Editing'), ...rows(EDIT_KEYS as [string, string][]))] : []))), button)
}
