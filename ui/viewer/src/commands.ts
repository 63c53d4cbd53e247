// What each keyboard command does.
import type { App } from './app'
import type { Vec3 } from './grid'
import { voxelToPoint } from './layout'
import { zoomedAt } from './pointer'
import { PRESETS, WHOLE_RANGE } from './state'

function step(app: App, by: number): void {
  const cross = [...app.state.cross] as Vec3
  cross[app.active.plane.normal] += by
  app.moveTo(cross)
}

/** Zoom the plane in use about the crosshair. */
function zoom(app: App, factor: number): void {
  const camera = app.camera()
  if (!camera) return
  const view = app.stage.viewOf(app.active, camera)
  const next = zoomedAt(view, camera, factor, ...voxelToPoint(view, camera, app.state.cross))
  app.setCamera(next.zoom, next.centre)
}

/** Run a command; false where there is no such command. */
export function run(app: App, command: string, key: string): boolean {
  const { state } = app
  switch (command) {
    case 'slice1': step(app, key === 'ArrowUp' ? 1 : -1); break
    case 'slice10': step(app, key === 'PageUp' ? 10 : -10); break
    case 'sliceEnd': step(app, key === 'Home' ? -1e6 : 1e6); break
    case 'preset': app.setPreset([...Object.keys(PRESETS), WHOLE_RANGE][Number(key) - 1]!); break
    case 'mask': app.set({ isMaskHidden: !state.isMaskHidden }); break
    case 'outline': app.set({ isOutline: !state.isOutline }); break
    case 'smooth': app.set({ isSmooth: !state.isSmooth }); break
    case 'zoom': zoom(app, key === '+' ? 1.25 : 0.8); break
    case 'reset': app.set({ zoom: 1, centre: [0.5, 0.5, 0.5] }); break
    case 'large': app.toggleLarge(app.active); break
    case 'solid': if (app.root.dataset.renderer === 'webgl') app.set({ is3d: !state.is3d, layout: state.layout === '3d' ? 'all' : state.layout }); break
    case 'measure': app.set({ mode: state.mode === 'measure' ? 'cross' : 'measure' }); break
    case 'convention': app.set({ isRadiological: !state.isRadiological }); break
    case 'help': app.toggleHelp(); break
    case 'escape': app.escape(); break
    default: return false
  }
  return true
}
