// Read-only CT viewer: three linked planes drawn on 2D canvases, voxel-exact and without WebGL.
import CSS from './viewer.css?inline'

type Vec3 = [number, number, number]
type Voxels = Int16Array | Uint8Array | Uint16Array
interface Label { index: number; name: string; color: string | number[]; volume_ml: number | null }
interface Data {
  instance: string; apiBase: string; volumeId: string; volumeTicket: string
  maskId: string | null; maskTicket: string | null; labels: Label[]; notice: string; height: number
}
interface Grid { shape: Vec3; affine: number[][]; spacing: Vec3; voxels: Voxels }
interface Args { data: Data; parentElement: HTMLElement | ShadowRoot }

// Every plane is flipped on both screen axes: RAS indices grow to the right, front and top of the patient, and the
// screen shows the patient's right (or the nose, in sagittal) on the left and the front or top of the patient above.
const PLANES = [
  { name: 'Axial', normal: 2, across: 0, up: 1, letters: ['R', 'L', 'A', 'P'] },
  { name: 'Coronal', normal: 1, across: 0, up: 2, letters: ['R', 'L', 'S', 'I'] },
  { name: 'Sagittal', normal: 0, across: 1, up: 2, letters: ['A', 'P', 'S', 'I'] },
] as const
const PRESETS: Record<string, [number, number]> = {
  Brain: [80, 40], 'Soft tissue': [400, 40], Lung: [1500, -600], Bone: [2000, 500],
}

class LoadError extends Error {}

function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Record<string, string> = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

function parseColor(color: string | number[]): Vec3 {
  if (Array.isArray(color)) return [color[0] ?? 255, color[1] ?? 255, color[2] ?? 255]
  const number = parseInt(color.replace('#', ''), 16)
  return Number.isNaN(number) ? [255, 0, 0] : [(number >> 16) & 255, (number >> 8) & 255, number & 255]
}

function checkRas(affine: number[][]): void {
  for (let axis = 0; axis < 3; axis++) {
    const column = [0, 1, 2].map((row) => affine[row]![axis]!)
    const largest = Math.max(...column.map(Math.abs))
    if (column[axis]! < largest) throw new LoadError('The volume is not in RAS order, so left and right are not certain; it is not shown.')
  }
}

function toWorld(affine: number[][], v: Vec3): Vec3 {
  return [0, 1, 2].map((r) => affine[r]![0]! * v[0] + affine[r]![1]! * v[1] + affine[r]![2]! * v[2] + affine[r]![3]!) as Vec3
}

function toVoxel(affine: number[][], world: Vec3): Vec3 {
  const [a, b, c] = affine.slice(0, 3).map((row) => row.slice(0, 3)) as [number[], number[], number[]]
  const cross = (u: number[], v: number[]): number[] => [
    u[1]! * v[2]! - u[2]! * v[1]!, u[2]! * v[0]! - u[0]! * v[2]!, u[0]! * v[1]! - u[1]! * v[0]!,
  ]
  const columns = [cross(b, c), cross(c, a), cross(a, b)] // of the adjugate
  const det = a[0]! * columns[0]![0]! + a[1]! * columns[0]![1]! + a[2]! * columns[0]![2]!
  const d = [0, 1, 2].map((r) => world[r]! - affine[r]![3]!)
  return [0, 1, 2].map((r) => (columns[0]![r]! * d[0]! + columns[1]![r]! * d[1]! + columns[2]![r]! * d[2]!) / det) as Vec3
}

async function explain(response: Response): Promise<string> {
  const problem = await response.json().catch(() => null) as { detail?: unknown } | null
  if (typeof problem?.detail === 'string') return problem.detail
  return `The server answered ${response.status}.`
}

async function fetchGrid(url: string, signal: AbortSignal, onProgress: (part: number) => void): Promise<Grid> {
  const response = await fetch(url, { signal, credentials: 'same-origin' })
  if (!response.ok) throw new LoadError(await explain(response))
  const shape = JSON.parse(response.headers.get('X-Shape') ?? 'null') as Vec3 | null
  const rows = JSON.parse(response.headers.get('X-Affine') ?? 'null') as number[][] | number[] | null
  const dtype = response.headers.get('X-Dtype') ?? ''
  const flat = rows?.flat()
  if (!shape || flat?.length !== 16) throw new LoadError('The server did not say how the voxels lie.')
  const affine = [0, 4, 8, 12].map((start) => flat.slice(start, start + 4))
  checkRas(affine)
  const kind = /uint16|u2/.test(dtype) ? Uint16Array : /uint8|u1/.test(dtype) ? Uint8Array : /int16|i2/.test(dtype) ? Int16Array : null
  if (!kind) throw new LoadError(`Voxels of type "${dtype}" can't be shown.`)
  const count = shape[0] * shape[1] * shape[2]
  const bytes = new Uint8Array(count * kind.BYTES_PER_ELEMENT)
  let at = 0
  const reader = response.body!.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    if (at + value.length > bytes.length) throw new LoadError('The server sent more voxels than announced.')
    bytes.set(value, at)
    at += value.length
    onProgress(at / bytes.length)
  }
  if (at !== bytes.length) throw new LoadError('The server sent fewer voxels than announced.')
  const spacing = [0, 1, 2].map((c) => Math.hypot(affine[0]![c]!, affine[1]![c]!, affine[2]![c]!)) as Vec3
  return { shape, affine, spacing, voxels: new kind(bytes.buffer) }
}

class App {
  root = el('div', { class: 'sv', 'data-ready': '' })
  private data: Data
  private volume: Grid | null = null
  private mask: Grid | null = null
  private cross: Vec3 = [0, 0, 0]
  private window = 400
  private level = 40
  private opacity = 0.5
  private hidden = new Set<number>()
  private colors = new Uint32Array(65536)
  private names = new Map<number, string>()
  private volumeLoad: AbortController | null = null
  private maskLoad: AbortController | null = null
  private isLow = true
  private volumeFailed = false
  private maskFailed = false
  private frame = 0
  private views = PLANES.map((plane) => {
    const canvas = el('canvas', { tabindex: '0', 'aria-label': `${plane.name} plane; arrow up and down change the slice` })
    const slider = el('input', { type: 'range', min: '0', max: '0', value: '0', 'aria-label': `${plane.name} slice` })
    const count = el('span', { class: 'count' })
    const box = el('div', { class: 'plane' }, canvas, el('div', { class: 'name' }, plane.name),
      ...plane.letters.map((letter, n) => el('div', { class: `letter l${n}` }, letter)),
      el('div', { class: 'bar' }, slider, count))
    return { plane, canvas, slider, count, box, image: document.createElement('canvas'), over: document.createElement('canvas'), rect: [0, 0, 1, 1] }
  })
  private widthInput = el('input', { type: 'number', min: '1', step: '10', 'aria-label': 'Window width' })
  private levelInput = el('input', { type: 'number', step: '10', 'aria-label': 'Window level' })
  private presetSelect = el('select', { 'aria-label': 'Window preset' })
  private opacityInput = el('input', { type: 'range', min: '0', max: '100', value: '50', 'aria-label': 'Mask opacity' })
  private readout = el('div', { class: 'readout', 'aria-live': 'off' }, ' ')
  private status = el('div', { class: 'status', role: 'status' })
  private labelList = el('div', { class: 'labels' })
  private notice = el('div', { class: 'notice' })
  private observer = new ResizeObserver(() => this.draw())

  constructor(data: Data) {
    this.data = data
    for (const name of [...Object.keys(PRESETS), 'Whole range', 'Custom']) this.presetSelect.append(el('option', { value: name }, name))
    const field = (text: string, input: HTMLElement): HTMLElement => el('label', {}, el('span', {}, text), input)
    const tools = el('div', { class: 'tools' }, field('Window', this.presetSelect), field('W', this.widthInput),
      field('L', this.levelInput), field('Mask opacity', this.opacityInput),
      el('span', { class: 'convention' }, 'Radiological view: patient right is on the left'))
    const side = el('div', { class: 'side' }, this.readout, this.status, this.labelList)
    this.root.append(el('style', {}, CSS), this.notice, tools, el('div', { class: 'grid' }, ...this.views.map((v) => v.box), side))
    // Streamlit has single-key shortcuts (r, c) that must not fire while someone works in the viewer.
    for (const type of ['keydown', 'keyup', 'keypress']) this.root.addEventListener(type, (event) => event.stopPropagation())
    this.bind()
    this.setPreset('Soft tissue')
    Object.assign(this.root, {
      segloop: {
        hu: (i: number, j: number, k: number) => this.valueAt(this.volume, [i, j, k]),
        label: (i: number, j: number, k: number) => this.valueAt(this.mask, [i, j, k]),
        crosshair: () => [...this.cross],
        setCrosshair: (i: number, j: number, k: number) => this.moveTo([i, j, k]),
      },
    })
    this.observer.observe(this.root)
    this.showTexts()
    void this.loadVolume()
  }

  update(data: Data): void {
    const old = this.data
    this.data = data
    this.showTexts()
    if (data.apiBase !== old.apiBase || data.volumeId !== old.volumeId || (this.volumeFailed && data.volumeTicket !== old.volumeTicket)) {
      void this.loadVolume()
    } else if (data.maskId !== old.maskId || (this.maskFailed && data.maskTicket !== old.maskTicket)) {
      void this.loadMask()
    }
    this.draw()
  }

  destroy(): void {
    this.volumeLoad?.abort()
    this.maskLoad?.abort()
    this.observer.disconnect()
    this.root.remove()
  }

  private url(kind: string, id: string, level: number, ticket: string | null): string {
    const query = ticket ? `?ticket=${encodeURIComponent(ticket)}` : ''
    return `${this.data.apiBase}/v1/${kind}/${encodeURIComponent(id)}/levels/${level}${query}`
  }

  private async loadVolume(): Promise<void> {
    this.volumeLoad?.abort()
    this.maskLoad?.abort()
    const load = (this.volumeLoad = new AbortController())
    this.volume = this.mask = null
    this.volumeFailed = false
    this.root.dataset.ready = ''
    delete this.root.dataset.error
    this.say('Loading the volume ...')
    this.draw()
    const { volumeId, volumeTicket } = this.data
    try {
      // The small copy only shortens the wait: without it the full volume still comes.
      const low = await fetchGrid(this.url('volumes', volumeId, 2, volumeTicket), load.signal, () => {}).catch((error: unknown) => {
        if (load.signal.aborted) throw error
        return null
      })
      if (low) this.setVolume(low, true)
      const full = await fetchGrid(this.url('volumes', volumeId, 0, volumeTicket), load.signal,
        (part) => this.say(`Loading full resolution: ${Math.floor(part * 100)} %`))
      if (load.signal.aborted) return
      this.setVolume(full, false)
      await this.loadMask()
    } catch (error) {
      if (load.signal.aborted) return
      this.volumeFailed = true
      this.fail('The volume could not be loaded. ', error)
    }
  }

  private async loadMask(): Promise<void> {
    this.maskLoad?.abort()
    const load = (this.maskLoad = new AbortController())
    this.mask = null
    this.maskFailed = false
    this.draw()
    if (!this.volume || this.isLow) return // the volume's own load ends with the mask
    const { maskId, maskTicket } = this.data
    delete this.root.dataset.error
    if (maskId) {
      this.root.dataset.ready = 'low'
      try {
        const mask = await fetchGrid(this.url('masks', maskId, 0, maskTicket), load.signal,
          (part) => this.say(`Loading the mask: ${Math.floor(part * 100)} %`))
        if (load.signal.aborted) return
        const volume = this.volume
        if (mask.shape.join() !== volume.shape.join()) throw new LoadError('Its grid is not the volume\'s grid.')
        if (mask.affine.some((row, r) => row.some((value, c) => Math.abs(value - volume.affine[r]![c]!) > 0.01))) {
          throw new LoadError('It does not lie where the volume lies.')
        }
        this.mask = mask
      } catch (error) {
        if (load.signal.aborted) return
        this.maskFailed = true
        this.root.dataset.ready = 'full'
        this.fail('The mask could not be loaded. ', error)
        return
      }
    }
    this.root.dataset.ready = 'full'
    this.say('')
    this.draw()
  }

  private setVolume(volume: Grid, isLow: boolean): void {
    const before = this.volume
    this.volume = volume
    this.isLow = isLow
    const middle = volume.shape.map((n) => Math.floor(n / 2)) as Vec3
    if (this.presetSelect.value === 'Whole range') this.setPreset('Whole range')
    this.moveTo(before ? toVoxel(volume.affine, toWorld(before.affine, this.cross)) : middle)
    this.root.dataset.ready = 'low'
    this.draw()
  }

  private say(text: string): void {
    this.status.classList.remove('error')
    this.status.textContent = text
  }

  private fail(start: string, error: unknown): void {
    const text = error instanceof LoadError ? error.message : 'The server could not be reached.'
    this.status.classList.add('error')
    this.status.textContent = start + text
    this.root.dataset.error = text
    this.draw()
  }

  private showTexts(): void {
    const { labels, notice, height } = this.data
    this.root.style.height = `${height}px`
    this.notice.textContent = notice
    this.notice.hidden = !notice
    this.names = new Map(labels.map((label) => [label.index, label.name]))
    const rows = labels.map((label) => {
      const [r, g, b] = parseColor(label.color)
      const check = el('input', { type: 'checkbox' })
      check.checked = !this.hidden.has(label.index)
      check.addEventListener('change', () => {
        if (check.checked) this.hidden.delete(label.index)
        else this.hidden.add(label.index)
        this.setColors()
        this.draw()
      })
      const ml = label.volume_ml
      const amount = ml === null || ml === undefined ? '-' : `${ml.toFixed(ml < 10 ? 2 : 1)} ml`
      return el('label', { class: 'row' }, check, el('i', { style: `background:rgb(${r},${g},${b})` }),
        el('span', { class: 'text' }, label.name), el('span', { class: 'ml' }, amount))
    })
    this.labelList.replaceChildren(...(rows.length ? rows : [el('div', { class: 'none' }, 'No labels')]))
    this.opacityInput.disabled = !this.data.maskId
    this.setColors()
  }

  private setColors(): void {
    this.colors.fill(0)
    for (const { index, color } of this.data.labels) {
      if (index <= 0 || this.hidden.has(index)) continue
      const [r, g, b] = parseColor(color)
      this.colors[index] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
    }
  }

  private setPreset(name: string): void {
    this.presetSelect.value = name
    const preset = PRESETS[name]
    if (preset) [this.window, this.level] = preset
    else if (name === 'Whole range' && this.volume) {
      let low = Infinity
      let high = -Infinity
      for (const value of this.volume.voxels) {
        if (value < low) low = value
        if (value > high) high = value
      }
      this.window = Math.max(1, high - low)
      this.level = Math.round((high + low) / 2)
    }
    this.widthInput.value = String(this.window)
    this.levelInput.value = String(this.level)
    this.draw()
  }

  private moveTo(voxel: Vec3): void {
    if (!this.volume) return
    this.cross = voxel.map((v, a) => Math.min(this.volume!.shape[a]! - 1, Math.max(0, Math.round(v)))) as Vec3
    this.showReadout(this.cross)
    this.draw()
  }

  private step(axis: number, by: number): void {
    const next = [...this.cross] as Vec3
    next[axis] = next[axis]! + by
    this.moveTo(next)
  }

  private valueAt(grid: Grid | null, [i, j, k]: Vec3): number | null {
    if (!grid || [i, j, k].some((v, a) => v < 0 || v >= grid.shape[a]!)) return null
    return grid.voxels[i + grid.shape[0] * (j + grid.shape[1] * k)] ?? null
  }

  private showReadout(voxel: Vec3): void {
    const value = this.valueAt(this.volume, voxel)
    if (value === null) return
    const label = this.valueAt(this.mask, voxel)
    const name = label ? (this.names.get(label) ?? `label ${label}`) : label === 0 ? 'no label' : ''
    this.readout.textContent = `${value} HU${name ? ` · ${name}` : ''}\nvoxel ${voxel.join(', ')}`
  }

  private bind(): void {
    this.presetSelect.addEventListener('change', () => this.setPreset(this.presetSelect.value))
    const custom = (): void => {
      const [width, level] = [this.widthInput.valueAsNumber, this.levelInput.valueAsNumber]
      if (Number.isNaN(width) || Number.isNaN(level) || width < 1) return
      this.window = width
      this.level = level
      this.presetSelect.value = 'Custom'
      this.draw()
    }
    this.widthInput.addEventListener('input', custom)
    this.levelInput.addEventListener('input', custom)
    this.opacityInput.addEventListener('input', () => {
      this.opacity = this.opacityInput.valueAsNumber / 100
      this.draw()
    })
    for (const view of this.views) {
      const { canvas, slider, plane } = view
      const pick = (event: PointerEvent): Vec3 | null => {
        if (!this.volume) return null
        const bounds = canvas.getBoundingClientRect()
        const [left, top, width, height] = view.rect as [number, number, number, number]
        const u = (event.clientX - bounds.left - left) / width
        const v = (event.clientY - bounds.top - top) / height
        if (u < 0 || v < 0 || u >= 1 || v >= 1) return null
        const voxel = [...this.cross] as Vec3
        const [across, up] = [this.volume.shape[plane.across], this.volume.shape[plane.up]]
        voxel[plane.across] = across - 1 - Math.floor(u * across)
        voxel[plane.up] = up - 1 - Math.floor(v * up)
        return voxel
      }
      canvas.addEventListener('pointerdown', (event) => {
        if (event.button !== 0) return
        canvas.setPointerCapture(event.pointerId)
        const voxel = pick(event)
        if (voxel) this.moveTo(voxel)
      })
      canvas.addEventListener('pointermove', (event) => {
        const voxel = pick(event)
        if (!voxel) return
        if (event.buttons & 1) this.moveTo(voxel)
        else this.showReadout(voxel)
      })
      canvas.addEventListener('pointerleave', () => this.showReadout(this.cross))
      canvas.addEventListener('wheel', (event) => {
        event.preventDefault()
        if (event.deltaY) this.step(plane.normal, event.deltaY > 0 ? -1 : 1)
      }, { passive: false })
      canvas.addEventListener('keydown', (event) => {
        const by = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key]
        if (!by) return
        event.preventDefault()
        this.step(plane.normal, by)
      })
      slider.addEventListener('input', () => {
        const next = [...this.cross] as Vec3
        next[plane.normal] = slider.valueAsNumber
        this.moveTo(next)
      })
    }
  }

  draw(): void {
    if (this.frame) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      for (const view of this.views) this.drawPlane(view)
    })
  }

  private drawPlane(view: App['views'][number]): void {
    const { canvas, plane } = view
    const ratio = window.devicePixelRatio || 1
    const [boxWidth, boxHeight] = [canvas.clientWidth, canvas.clientHeight]
    if (!boxWidth || !boxHeight) return
    canvas.width = Math.round(boxWidth * ratio)
    canvas.height = Math.round(boxHeight * ratio)
    const context = canvas.getContext('2d')!
    context.scale(ratio, ratio)
    const volume = this.volume
    if (!volume) return
    const { shape, spacing } = volume
    const [columns, rows] = [shape[plane.across], shape[plane.up]]
    const slice = this.cross[plane.normal]!
    view.slider.max = String(shape[plane.normal] - 1)
    view.slider.value = String(slice)
    view.count.textContent = `${slice + 1} / ${shape[plane.normal]}`

    const [mmAcross, mmUp] = [columns * spacing[plane.across], rows * spacing[plane.up]]
    const scale = Math.min(boxWidth / mmAcross, boxHeight / mmUp)
    const [width, height] = [mmAcross * scale, mmUp * scale]
    const [left, top] = [(boxWidth - width) / 2, (boxHeight - height) / 2]
    view.rect = [left, top, width, height]

    const strides = [1, shape[0], shape[0] * shape[1]]
    const [stepAcross, stepUp] = [strides[plane.across]!, strides[plane.up]!]
    const origin = slice * strides[plane.normal]!
    const fill = (target: HTMLCanvasElement, voxels: Voxels, color: (value: number) => number): void => {
      target.width = columns
      target.height = rows
      const pixels = new ImageData(columns, rows)
      const words = new Uint32Array(pixels.data.buffer)
      for (let row = 0, n = 0; row < rows; row++) {
        let at = origin + (rows - 1 - row) * stepUp + (columns - 1) * stepAcross
        for (let column = 0; column < columns; column++, at -= stepAcross) words[n++] = color(voxels[at]!)
      }
      target.getContext('2d')!.putImageData(pixels, 0, 0)
    }
    const floor = this.level - this.window / 2
    const gain = 255 / this.window
    fill(view.image, volume.voxels, (value) => {
      const gray = Math.min(255, Math.max(0, Math.round((value - floor) * gain)))
      return ((255 << 24) | (gray << 16) | (gray << 8) | gray) >>> 0
    })
    context.imageSmoothingEnabled = true
    context.drawImage(view.image, left, top, width, height)
    if (this.mask && this.opacity > 0) {
      fill(view.over, this.mask.voxels, (value) => this.colors[value]!)
      context.imageSmoothingEnabled = false
      context.globalAlpha = this.opacity
      context.drawImage(view.over, left, top, width, height)
      context.globalAlpha = 1
    }
    const x = left + ((columns - 0.5 - this.cross[plane.across]) / columns) * width
    const y = top + ((rows - 0.5 - this.cross[plane.up]) / rows) * height
    const gap = 8
    context.strokeStyle = 'rgba(90, 220, 120, 0.85)'
    context.lineWidth = 1
    context.beginPath()
    for (const [x0, y0, x1, y1] of [[left, y, x - gap, y], [x + gap, y, left + width, y], [x, top, x, y - gap], [x, y + gap, x, top + height]] as const) {
      if (x1 < x0 || y1 < y0) continue
      context.moveTo(x0, y0)
      context.lineTo(x1, y1)
    }
    context.stroke()
  }
}

// Streamlit may unmount and remount a component on any rerun; the loaded viewers wait here for their return.
const apps = new Map<string, App>()
const KEPT = 3

export default function mount({ data, parentElement }: Args): () => void {
  let app = apps.get(data.instance)
  if (app) {
    app.update(data)
    apps.delete(data.instance)
  } else app = new App(data)
  apps.set(data.instance, app)
  for (const [instance, other] of apps) {
    if (apps.size <= KEPT) break
    if (other.root.isConnected || other === app) continue
    other.destroy()
    apps.delete(instance)
  }
  const current = app
  if (current.root.parentNode !== parentElement) parentElement.append(current.root)
  current.draw()
  return () => {
    if (current.root.parentNode === parentElement) current.root.remove()
  }
}
