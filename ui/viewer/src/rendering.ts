// Choosing a renderer: NiiVue where the browser has WebGL2, else the plain canvas.
import { PlainPlanes } from './plain/planes'
import type { Renderer } from './renderer'
import type { Stage } from './stage'
import { TEXT } from './text'

const MOST_LOSSES = 3 // of the graphics context, before the plain renderer takes over

export function plainRenderer(stage: Stage): Renderer {
  const renderer = new PlainPlanes()
  stage.setCanvas(renderer.canvas)
  return renderer
}

/** Make a renderer on the stage; `why` says why it is the plain one, or nothing. */
export async function makeRenderer(stage: Stage, nLost: number): Promise<{ renderer: Renderer; why: string }> {
  if (nLost > MOST_LOSSES || !('WebGL2RenderingContext' in window)) return { renderer: plainRenderer(stage), why: TEXT.plain }
  const canvas = document.createElement('canvas')
  try {
    // Loaded only here: a megabyte that the plain view and the rest of the page don't wait for.
    const { NiivuePlanes } = await import('./niivue/adapter')
    stage.setCanvas(canvas)
    const renderer = await NiivuePlanes.create(canvas)
    return { renderer, why: '' }
  } catch (error) {
    console.warn(error)
    canvas.remove()
    return { renderer: plainRenderer(stage), why: TEXT.plain }
  }
}
