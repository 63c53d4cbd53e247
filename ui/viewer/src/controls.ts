// The row of controls above the planes.
import { el } from './dom'
import { CUSTOM, PRESETS, WHOLE_RANGE, type Layout, type ViewState } from './state'
import { TEXT } from './text'

export interface ControlsHost {
  setPreset(name: string): void
  setWindow(width: number, level: number): void
  set(change: Partial<ViewState>): void
  run(command: string): void
}

function field(text: string, input: HTMLElement): HTMLElement {
  return el('label', {}, el('span', {}, text), input)
}

function options(select: HTMLSelectElement, values: [string, string][]): HTMLSelectElement {
  select.append(...values.map(([value, text]) => el('option', { value }, text)))
  return select
}

export class Controls {
  private preset = options(el('select', { 'aria-label': 'Window preset' }),
    [...Object.keys(PRESETS), WHOLE_RANGE, CUSTOM].map((name) => [name, name]))
  private width = el('input', { type: 'number', min: '1', step: '10', 'aria-label': 'Window width' })
  private level = el('input', { type: 'number', step: '10', 'aria-label': 'Window level' })
  private opacity = el('input', { type: 'range', min: '0', max: '100', 'aria-label': 'Mask opacity' })
  private style = options(el('select', { 'aria-label': 'Fill or outline' }), [['fill', 'Fill'], ['outline', 'Outline']])
  private layout = options(el('select', { 'aria-label': 'Layout' }),
    [['all', 'All planes'], ['0', 'Axial'], ['1', 'Coronal'], ['2', 'Sagittal'], ['3d', '3D']])
  private convention = options(el('select', { 'aria-label': 'Convention', class: 'convention' }),
    [['1', TEXT.radiological], ['0', TEXT.neurological]])
  private solid = el('button', { type: 'button', title: '3D view (D)' }, '3D')
  private measure = el('button', { type: 'button', title: 'Drag to measure; Esc ends (M)' }, 'Measure')
  private reset = el('button', { type: 'button', title: 'Whole picture (0); Ctrl + wheel zooms' })
  private help = el('button', { type: 'button', 'aria-label': 'Keys and mouse', title: 'Keys and mouse (?)' }, '?')
  readonly row = el('div', { class: 'tools' }, field('Window', this.preset), field('W', this.width), field('L', this.level),
    field('Mask', this.opacity), this.style, this.layout, this.convention,
    this.solid, this.measure, this.reset, this.help)

  constructor(host: ControlsHost) {
    this.preset.addEventListener('change', () => host.setPreset(this.preset.value))
    for (const input of [this.width, this.level]) {
      input.addEventListener('input', () => {
        const [width, level] = [this.width.valueAsNumber, this.level.valueAsNumber]
        if (!Number.isNaN(width) && !Number.isNaN(level) && width >= 1) host.setWindow(width, level)
      })
    }
    this.opacity.addEventListener('input', () => host.set({ opacity: this.opacity.valueAsNumber / 100, isMaskHidden: false }))
    this.style.addEventListener('change', () => host.set({ isOutline: this.style.value === 'outline' }))
    this.layout.addEventListener('change', () => {
      const value = this.layout.value
      host.set({ layout: (/^\d$/.test(value) ? Number(value) : value) as Layout })
    })
    this.convention.addEventListener('change', () => host.set({ isRadiological: this.convention.value === '1' }))
    for (const [button, command] of [[this.help, 'help'], [this.solid, 'solid'], [this.measure, 'measure'], [this.reset, 'reset']] as const) {
      button.addEventListener('click', () => host.run(command))
    }
  }

  /** Show a state; a number that is being typed is left alone. */
  show(state: ViewState, hasMask: boolean, isPlain: boolean): void {
    const active = (this.row.getRootNode() as Document | ShadowRoot).activeElement
    this.preset.value = state.preset
    if (active !== this.width) this.width.value = String(state.width)
    if (active !== this.level) this.level.value = String(state.level)
    this.opacity.value = String(Math.round(state.opacity * 100))
    this.opacity.disabled = !hasMask
    this.style.value = state.isOutline ? 'outline' : 'fill'
    this.style.disabled = !hasMask || isPlain
    this.layout.value = String(state.layout)
    this.solid.setAttribute('aria-pressed', String(state.is3d || state.layout === '3d'))
    this.solid.disabled = this.layout.options[4]!.disabled = isPlain
    this.measure.setAttribute('aria-pressed', String(state.mode === 'measure'))
    this.reset.textContent = `${Math.round(state.zoom * 100)} %`
    this.convention.value = state.isRadiological ? '1' : '0'
  }
}
