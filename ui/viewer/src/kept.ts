// What a person has set, kept in this browser by project and label names, so that a reload doesn't undo it.
import type { Settings } from './edit/settings'
import type { Data, Label, ViewState } from './state'

const BACKGROUND = '' // no label has this name

function read<T>(key: string): Partial<T> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? '{}')
    return found && typeof found === 'object' ? found : {}
  } catch {
    return {} // a browser that keeps nothing, or something that others wrote
  }
}

function write(key: string, value: object | null): void {
  try {
    if (value) localStorage.setItem(key, JSON.stringify(value))
    else localStorage.removeItem(key)
  } catch {
    // a browser that keeps nothing: then it holds until the next reload
  }
}

function namesOf(indices: Iterable<number>, labels: readonly Label[]): string[] {
  return [...indices].flatMap((index) => (index === 0 ? [BACKGROUND] : labels.filter((label) => label.index === index).map(({ name }) => name)))
}

function indicesOf(names: readonly string[], labels: readonly Label[]): Set<number> {
  return new Set(names.flatMap((name) => (name === BACKGROUND ? [0] : labels.filter((label) => label.name === name).map(({ index }) => index))))
}

interface KeptSettings extends Pick<Settings, 'sizeMm' | 'growMm' | 'isBall' | 'over' | 'isRanged' | 'range' | 'tool'> {
  draft: string; label: string; chosen: string[]; locked: string[]
}

// Values of another unit have other ranges.
const keyOf = ({ project, unit }: Data): string => `segloop:editing:${project ?? ''}:${unit}`

/** What was set last, as far as the labels are there; the tool only for the same draft, so that nobody paints on a new case unawares. */
export function keptSettings(data: Data, draft: string): Partial<Settings> {
  const { draft: last, label, chosen, locked, tool, ...plain } = read<KeptSettings>(keyOf(data))
  const found = data.labels.find(({ name }) => name === label)
  return {
    ...plain,
    ...(found && { label: found.index }),
    ...(chosen && { chosen: indicesOf(chosen, data.labels) }),
    ...(locked && { locked: indicesOf(locked, data.labels) }),
    ...(tool && last === draft && { tool }),
  }
}

export function keepSettings(data: Data, draft: string, settings: Settings): void {
  const { label, chosen, locked, ...plain } = settings
  write(keyOf(data), {
    ...plain, draft, label: namesOf([label], data.labels)[0] ?? '', chosen: namesOf(chosen, data.labels), locked: namesOf(locked, data.labels),
  } satisfies KeptSettings)
}

const activeKey = (draft: string): string => `segloop:active:${draft}`

/** How long a draft has been worked on in this browser, in ms. */
export function keptActiveMs(draft: string): number {
  const { ms } = read<{ ms: number }>(activeKey(draft))
  return typeof ms === 'number' && ms >= 0 ? ms : 0
}

export function keepActiveMs(draft: string, ms: number | null): void { write(activeKey(draft), ms === null ? null : { ms }) }

type KeptView = Pick<ViewState, 'preset' | 'width' | 'level' | 'isOutline' | 'is3d'>
const viewKeyOf = ({ unit }: Data): string => `segloop:view:${unit}`

/**
 * How pictures were shown last. Not the opacity, for a mask that can't be seen must not seem to be missing; nor the
 * convention: every page begins radiological.
 */
export function keptView(data: Data): Partial<KeptView> { return read<KeptView>(viewKeyOf(data)) }

export function keepView(data: Data, { preset, width, level, isOutline, is3d }: ViewState): void {
  write(viewKeyOf(data), { preset, width, level, isOutline, is3d } satisfies KeptView)
}

/** The labels that are hidden on one CT; by name, since another of its masks may have other indices. */
export class HiddenLabels {
  private names: Set<string>
  private key: string

  constructor({ volumeId }: Data) {
    this.key = `segloop:hidden:${volumeId}`
    this.names = new Set(read<{ names: string[] }>(this.key).names ?? [])
  }

  among(labels: readonly Label[]): Set<number> { return indicesOf([...this.names], labels) }

  set(label: Label | undefined, isHidden: boolean): void {
    if (!label) return
    if (isHidden) this.names.add(label.name)
    else this.names.delete(label.name)
    this.keep()
  }

  showAll(): void {
    this.names.clear()
    this.keep()
  }

  private keep(): void { write(this.key, this.names.size ? { names: [...this.names] } : null) }
}
