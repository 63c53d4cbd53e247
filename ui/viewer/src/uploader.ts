// Uploads a CT, a CT with its mask, or a mask straight to the API, in parts, with resume after a break.
import { el } from './dom'
import { Doubt, type Kind } from './doubt'
import { Names, type LabelMap, type Structure } from './names'
import CSS from './uploader.css?inline'

/** With a volume's id the box takes a mask of it. */
interface Data { instance: string; apiBase: string; project: string; volumeId: string | null; parentId: string | null; labels: { index: number; name: string }[] }
interface Args {
  data: Data
  parentElement: HTMLElement | ShadowRoot
  setTriggerValue: (name: string, value: unknown) => void
}
interface Upload { id: string; state?: string; part_bytes: number; n_parts: number; received: number[] }
interface Volume { id: string; is_hu_like: boolean; hu_min: number; hu_max: number }
/** What the API says of a refusal; of a mask whose file is kept for another answer, its structures and the project's labels, or why it may be no ground truth. */
interface Problem { code?: string; detail?: unknown; structures?: Structure[]; labels?: string[]; says?: string[] }
type Call = <T>(path: string, init?: RequestInit) => Promise<T>

const TRIES = 5
const MASK_NAME = /mask|label|seg|truth|(^|[^a-z])gt([^a-z]|$)/i

/** An answer that trying again won't change. */
class Refused extends Error {
  constructor(message: string, readonly status: number, readonly problem: Problem | null) { super(message) }
}

async function request<T>(url: string, init: RequestInit, signal: AbortSignal, onWait: (text: string) => void): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let reason = 'The server could not be reached.'
    try {
      const response = await fetch(url, { ...init, signal, credentials: 'same-origin' })
      if (response.ok) return (response.status === 204 ? null : await response.json()) as T
      const problem = await response.json().catch(() => null) as Problem | null
      reason = typeof problem?.detail === 'string' ? problem.detail : `The server answered ${response.status}.`
      if (response.status < 500 && response.status !== 408 && response.status !== 429) throw new Refused(reason, response.status, problem)
    } catch (error) {
      if (signal.aborted || error instanceof Refused) throw error
    }
    if (attempt > TRIES) throw new Error(reason)
    const seconds = Math.min(16, 2 ** (attempt - 1))
    onWait(`${reason} Trying again in ${seconds} s (${attempt} of ${TRIES}).`)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000)
      signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason as Error) }, { once: true })
    })
    onWait('')
  }
}

async function hash(bytes: ArrayBuffer): Promise<string | null> {
  if (!globalThis.crypto?.subtle) return null // plain http has no crypto.subtle
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** File names may hold patient names, so the browser's storage keeps only a short hash of them. */
function storageKey(data: Data, file: File, references: string[]): string {
  let code = 0x811c9dc5
  for (const char of [data.project, file.name, ...references].join('\n')) code = Math.imul(code ^ char.codePointAt(0)!, 0x01000193) >>> 0
  return `segloop-upload:${code.toString(16)}:${file.size}:${file.lastModified}`
}

function remember(key: string, id: string | null): void {
  try {
    if (id) localStorage.setItem(key, id)
    else localStorage.removeItem(key)
  } catch { /* storage may be switched off; then a broken upload starts afresh */ }
}

function recall(key: string): string | null {
  try { return localStorage.getItem(key) } catch { return null }
}

/** Which of two files is the CT and which its mask: a zip is a CT, then by their names, else the mask is the smaller one. */
function ctAndMask(files: [File, File]): [File, File] {
  const [a, b] = files
  const zipped = [a, b].map(({ name }) => /\.zip$/i.test(name))
  if (zipped[0] !== zipped[1]) return zipped[0] ? [a, b] : [b, a]
  const named = [a, b].map(({ name }) => MASK_NAME.test(name))
  if (named[0] !== named[1]) return named[1] ? [a, b] : [b, a]
  return a.size >= b.size ? [a, b] : [b, a]
}

function formatTime(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Which labels somebody looked for in the mask: all of them unless the user says otherwise. */
class Annotated {
  root = el('details', { class: 'annotated' })
  private summary = el('summary')
  private list = el('div', {})
  private checks: [number, HTMLInputElement][] = []

  constructor() {
    this.root.append(this.summary, el('p', {}, 'A label that nobody looked for is unknown in this mask, not absent. Untick it. All of a DICOM mask means those found in it.'), this.list)
  }

  /** Take the project's labels; what was ticked stays while they are the same, or can't be had for a moment. */
  offer(labels: Data['labels']): void {
    this.root.hidden = !labels.length && !this.checks.length
    if (!labels.length || JSON.stringify(labels.map(({ index }) => index)) === JSON.stringify(this.checks.map(([index]) => index))) return
    this.checks = labels.map(({ index, name }) => [index, el('input', { type: 'checkbox', checked: '', 'aria-label': `${name} annotated` })])
    this.list.replaceChildren(...this.checks.map(([, check], at) => el('label', {}, check, el('span', {}, labels[at]!.name))))
    for (const [, check] of this.checks) check.addEventListener('change', () => this.tell())
    this.tell()
  }

  /** Their numbers, or null for all. */
  get indices(): number[] | null {
    const found = this.checks.filter(([, check]) => check.checked).map(([index]) => index)
    return found.length === this.checks.length ? null : found
  }

  set disabled(value: boolean) { for (const [, check] of this.checks) check.disabled = value }

  private tell(): void {
    const all = this.checks.length
    this.summary.textContent = `Annotated in the mask: ${this.indices === null ? `all ${all} labels` : `${this.indices.length} of ${all} labels`}`
  }
}

class Uploader {
  root = el('div', { class: 'su', 'data-state': 'idle' })
  trigger: Args['setTriggerValue'] = () => {}
  private input = el('input', { type: 'file' })
  private choose = el('button', { type: 'button' }, 'Choose a file')
  private what = el('span')
  private kind = el('select', { 'aria-label': 'What the mask is' }, el('option', { value: '' }, 'choose ...'),
    el('option', { value: 'ground_truth' }, 'ground truth'), el('option', { value: 'imported' }, "another tool's result"))
  private corrects = el('input', { type: 'checkbox' })
  private corrected = el('label', { class: 'corrects' }, this.corrects, el('span', {}, 'It corrects the mask that is shown'))
  private annotated = new Annotated()
  private fields = el('div', { class: 'fields' })
  private patient = el('input', { type: 'text', maxlength: '200', autocomplete: 'off' })
  private caseName = el('input', { type: 'text', maxlength: '100', autocomplete: 'off' })
  private zone = el('div', { class: 'zone' }, this.what, this.choose, this.input)
  private bar = el('progress', { max: '1', value: '0', 'aria-label': 'Upload progress' })
  private text = el('span', { class: 'text' })
  private cancel = el('button', { type: 'button' }, 'Cancel')
  private progress = el('div', { class: 'progress' }, this.bar, this.text, this.cancel)
  private names = new Names()
  private doubt = new Doubt()
  private message = el('div', { class: 'message', role: 'status' })
  private running: AbortController | null = null

  constructor(private data: Data) {
    const field = (text: string, input: HTMLElement): HTMLElement => el('label', {}, el('span', {}, text), input)
    if (data.volumeId === null) {
      this.input.multiple = true
      this.what.textContent = 'Drop a CT (NIfTI, or a zip of its DICOM files) here, or a CT and its mask, or'
      this.fields.append(field('Patient reference (optional, stored as a pseudonym)', this.patient), field('Case reference (optional)', this.caseName))
    } else this.what.textContent = 'Drop a mask here (NIfTI on the CT\'s own grid, DICOM SEG or RTSTRUCT), or'
    this.fields.append(field(data.volumeId === null ? 'A mask that comes with it is' : 'The mask is', this.kind))
    this.root.append(el('style', {}, CSS), this.fields, this.corrected, this.annotated.root, this.zone, this.progress, this.message, this.doubt.root, this.names.root)
    for (const type of ['keydown', 'keyup', 'keypress']) this.root.addEventListener(type, (event) => event.stopPropagation())
    this.choose.addEventListener('click', () => this.input.click())
    this.input.addEventListener('change', () => {
      const files = [...(this.input.files ?? [])]
      this.input.value = ''
      void this.start(files)
    })
    this.zone.addEventListener('dragover', (event) => { event.preventDefault(); this.zone.classList.add('over') })
    this.zone.addEventListener('dragleave', () => this.zone.classList.remove('over'))
    this.zone.addEventListener('drop', (event) => {
      event.preventDefault()
      this.zone.classList.remove('over')
      void this.start([...(event.dataTransfer?.files ?? [])])
    })
    this.cancel.addEventListener('click', () => this.running?.abort())
    this.setState('idle')
    this.show(data)
  }

  /** Take what Streamlit says on each of its runs. */
  show(data: Data): void {
    this.data = data
    this.corrected.hidden = data.parentId === null
    this.annotated.offer(data.labels)
  }

  private setState(state: 'idle' | 'busy' | 'done' | 'error'): void {
    this.root.dataset.state = state
    const busy = state === 'busy'
    this.progress.hidden = !busy
    this.zone.hidden = busy
    this.patient.disabled = this.caseName.disabled = this.kind.disabled = this.corrects.disabled = this.annotated.disabled = busy
  }

  private say(text: string, isError = false): void {
    this.message.textContent = text
    this.message.classList.toggle('error', isError)
  }

  private async start(files: File[]): Promise<void> {
    if (this.running || !files.length) return
    const { data } = this
    const most = data.volumeId === null ? 2 : 1
    if (files.length > most) return this.say(most === 2 ? 'Drop one CT, or one CT and its mask.' : 'Drop one file at a time.', true)
    if (files.some(({ size }) => !size)) return this.say('This file is empty.', true)
    const hasMask = data.volumeId !== null || files.length === 2
    if (hasMask && !this.kind.value) return this.say("Say first what the mask is: ground truth, or another tool's result. Then choose the file again.", true)
    if (hasMask && this.annotated.indices?.length === 0) return this.say('Tick the labels that were annotated in the mask.', true)
    const running = (this.running = new AbortController())
    delete this.root.dataset.volume
    this.setState('busy')
    this.say('')
    const call: Call = (path, init = {}) => request(`${data.apiBase}/v1${path}`, init, running.signal, (text) => this.say(text, !!text))
    try {
      if (data.volumeId !== null) {
        const mask = await this.send<{ id: string }>(files[0]!, 'mask', data.volumeId, call)
        this.finish({ volume_id: data.volumeId, mask_id: mask.id })
      } else {
        const [ct, mask] = files.length === 2 ? ctAndMask(files as [File, File]) : [files[0]!, null]
        const volume = await this.send<Volume>(ct, 'CT', null, call)
        this.root.dataset.volume = volume.id
        const maskId = mask && (await this.sendMaskOf(volume, mask, call))
        this.finish({ volume_id: volume.id, mask_id: maskId, is_hu_like: volume.is_hu_like, hu_min: volume.hu_min, hu_max: volume.hu_max })
      }
    } catch (error) {
      if (running.signal.aborted) {
        this.setState('idle')
        this.say('The upload was cancelled.')
      } else {
        this.setState('error')
        this.say(error instanceof Error ? error.message : String(error), true)
      }
    } finally {
      this.running = null
    }
  }

  /** The CT is there already and stays, whatever becomes of its mask. */
  private async sendMaskOf(volume: Volume, mask: File, call: Call): Promise<string> {
    try {
      return (await this.send<{ id: string }>(mask, 'mask', volume.id, call)).id
    } catch (error) {
      if (this.running?.signal.aborted) throw error
      const text = error instanceof Error ? error.message : String(error)
      throw new Error(`The CT is uploaded and in the worklist. Its mask is not: ${text} Open the case and add another mask there.`)
    }
  }

  private finish(result: object): void {
    this.setState('done')
    this.say('The upload is complete.')
    this.patient.value = this.caseName.value = ''
    this.trigger('uploaded', result)
  }

  /** Upload one file and return what became of it; throws what to tell the user. */
  private async send<T>(file: File, what: 'CT' | 'mask', volumeId: string | null, call: Call): Promise<T> {
    const { data } = this
    this.bar.value = 0
    this.text.textContent = `Starting the ${what} ...`
    this.cancel.disabled = false
    const labels = this.annotated.indices
    const parentId = this.corrects.checked && what === 'mask' ? data.parentId : null
    const references = what === 'CT' ? [this.patient.value.trim(), this.caseName.value.trim()] : [volumeId!, this.kind.value, String(labels), String(parentId)]
    const key = storageKey(data, file, references)
    let upload: Upload | null = null
    try {
      upload = await this.resume(key, call)
      if (!upload) {
        const asked = what === 'CT' ? { patient_reference: references[0] || undefined, case_reference: references[1] || undefined }
          : { purpose: 'mask', volume_id: volumeId, mask_kind: this.kind.value, annotated_labels: labels, parent_id: parentId }
        upload = await call<Upload>(`/projects/${encodeURIComponent(data.project)}/uploads`, {
          method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ size_bytes: file.size, ...asked }),
        })
        remember(key, upload.id)
      }
      await this.sendParts(file, upload, what, call)
      const result = await this.complete<T>(upload.id, what, call)
      remember(key, null)
      return result
    } catch (error) {
      if (this.running?.signal.aborted) {
        remember(key, null)
        if (upload) await fetch(`${data.apiBase}/v1/uploads/${upload.id}`, { method: 'DELETE', credentials: 'same-origin' }).catch(() => null)
        throw error
      }
      const refused = error instanceof Refused
      if (refused && error.status !== 401 && error.status !== 403) remember(key, null)
      const text = error instanceof Error ? error.message : String(error)
      throw refused ? error : new Error(`${text} Choose the same file again to go on where it stopped.`)
    }
  }

  /** Let the API check the file; where it can't tell what a mask or its structures are, ask, and let it check again what it has. */
  private async complete<T>(id: string, what: string, call: Call): Promise<T> {
    const answer: { label_map?: LabelMap; mask_kind?: Kind } = {}
    for (;;) {
      this.text.textContent = `Checking the ${what} ...`
      this.cancel.disabled = true
      const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(answer) }
      try {
        return await call<T>(`/uploads/${id}/complete`, init)
      } catch (error) {
        const asked = error instanceof Refused && error.status === 409 ? error.problem : null
        if (!asked?.says && !(asked?.structures && asked.labels)) throw error
        // What the names are the question itself shows, and better.
        if (!asked.says && asked.code !== 'mask_names') this.say((error as Refused).message, true)
        this.text.textContent = `The ${what} waits for an answer.`
        this.cancel.disabled = false
        const { signal } = this.running!
        if (asked.says) answer.mask_kind = await this.doubt.ask(asked.says, signal)
        else answer.label_map = await this.names.ask(asked.structures!, asked.labels!, signal)
        this.say('')
      }
    }
  }

  private async sendParts(file: File, { id, part_bytes: size, n_parts: total, received: before }: Upload, what: string, call: Call): Promise<void> {
    const received = new Set(before)
    const started = performance.now()
    let sent = 0
    let done = [...received].reduce((sum, number) => sum + Math.min(size, file.size - (number - 1) * size), 0)
    for (let number = 1; number <= total; number++) {
      if (received.has(number)) continue
      const body = await file.slice((number - 1) * size, number * size).arrayBuffer()
      const headers: Record<string, string> = { 'Content-Type': 'application/octet-stream' }
      const digest = await hash(body)
      if (digest) headers['X-Content-Sha256'] = digest
      await call(`/uploads/${id}/parts/${number}`, { method: 'PUT', headers, body })
      sent += body.byteLength
      done += body.byteLength
      const speed = sent / ((performance.now() - started) / 1000)
      this.bar.value = done / file.size
      this.text.textContent = `${what}: ${(done / 1e6).toFixed(1)} of ${(file.size / 1e6).toFixed(1)} MB, ${(speed / 1e6).toFixed(1)} MB/s, ${formatTime((file.size - done) / speed)} left`
    }
  }

  private async resume(key: string, call: Call): Promise<Upload | null> {
    const id = recall(key)
    if (!id) return null
    try {
      const upload = await call<Upload>(`/uploads/${encodeURIComponent(id)}`)
      if (!upload.state || upload.state === 'open') return upload
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401 || error.status === 403) throw error
    }
    remember(key, null)
    return null
  }
}

// An upload goes on while Streamlit unmounts and remounts the component.
const uploaders = new Map<string, Uploader>()

export default function mount({ data, parentElement, setTriggerValue }: Args): () => void {
  const uploader = uploaders.get(data.instance) ?? new Uploader(data)
  uploaders.set(data.instance, uploader)
  uploader.show(data)
  uploader.trigger = setTriggerValue
  if (uploader.root.parentNode !== parentElement) parentElement.append(uploader.root)
  return () => {
    if (uploader.root.parentNode === parentElement) uploader.root.remove()
  }
}
