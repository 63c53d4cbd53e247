// Loading a volume and its masks: the small copy first, then everything, each as it arrives.
import { LoadError, fetchGrid, gridProblem, probeGrid, type Grid } from './grid'
import type { Data } from './state'

export interface LoadingHost {
  onGeometry(grid: Grid): void
  /** The small copy is there; the full one is fetched when this has been dealt with. */
  onLow(grid: Grid): Promise<void>
  /** The first `n` slices of the full volume are there. */
  onSlices(grid: Grid, n: number): void
}

export function levelUrl(data: Data, kind: 'volumes' | 'masks' | 'drafts', id: string, level: number, ticket: string | null): string {
  const query = ticket ? `?ticket=${encodeURIComponent(ticket)}` : ''
  return `${data.apiBase}/v1/${kind}/${encodeURIComponent(id)}/levels/${level}${query}`
}

/** Load the volume; the small copy only shortens the wait, so without it the full one still comes. */
export async function loadVolume(data: Data, signal: AbortSignal, host: LoadingHost): Promise<Grid> {
  const at = (level: number): string => levelUrl(data, 'volumes', data.volumeId, level, data.volumeTicket)
  const small = fetchGrid(at(2), signal).catch(() => null)
  host.onGeometry(await probeGrid(at(0), signal))
  const low = await small
  if (low && !signal.aborted) await host.onLow(low)
  return fetchGrid(at(0), signal, (grid, n) => { if (!signal.aborted) host.onSlices(grid, n) })
}

/** Load a mask of the volume; one that lies elsewhere is refused. */
export async function loadMask(
  data: Data, kind: 'masks' | 'drafts', id: string, ticket: string | null, volume: Grid, signal: AbortSignal, onPart: (part: number) => void,
): Promise<Grid> {
  const mask = await fetchGrid(levelUrl(data, kind, id, 0, ticket), signal, (grid, n) => onPart(n / grid.shape[2]))
  const problem = gridProblem(mask, volume)
  if (problem) throw new LoadError(problem)
  return mask
}
