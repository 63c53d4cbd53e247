// What a page's tests, and a curious user's console, can ask of a viewer: `root.segloop`.
import type { App } from './app'
import { valueAt, type Vec3 } from './grid'
import { voxelToPoint, type PlaneIndex } from './layout'
import type { ViewState } from './state'

export function makeHooks(app: App): object {
  const paneAt = (plane: number) => app.stage.panes[plane]!
  return {
    app,
    /** The shown value of a voxel of the full volume, in RAS order. */
    hu: (i: number, j: number, k: number) => {
      const value = valueAt(app.store.scene.full, [i, j, k])
      return value === null ? null : value + app.data.huOffset
    },
    label: (i: number, j: number, k: number) => valueAt(app.store.scene.mask, [i, j, k]),
    crosshair: () => [...app.state.cross],
    setCrosshair: (i: number, j: number, k: number) => app.moveTo([i, j, k]),
    set: (change: Partial<ViewState>) => app.set(change),
    state: () => ({ ...app.state, hidden: [...app.state.hidden] }),
    /** Where the centre of a voxel is on the page. */
    pointOf: (plane: number, voxel: Vec3) => {
      const bounds = app.stage.body.getBoundingClientRect()
      const { rect } = paneAt(plane)
      const [x, y] = voxelToPoint(app.stage.viewOf(paneAt(plane), app.camera()!), app.camera()!, voxel)
      return [bounds.left + rect[0] / app.stage.ratio + x, bounds.top + rect[1] / app.stage.ratio + y]
    },
    /** The voxel under a point of the page. */
    voxelAt: (plane: PlaneIndex, clientX: number, clientY: number) => app.voxelAt(plane, { clientX, clientY }),
  }
}
