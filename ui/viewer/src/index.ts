// The Streamlit component: mounts a viewer, and parks it while Streamlit takes it out of the page.
import { App } from './app'
import type { Data } from './state'

interface Args { data: Data; parentElement: HTMLElement | ShadowRoot; setTriggerValue?: (name: string, value: unknown) => void }

// Streamlit may unmount and remount a component on any rerun; the loaded viewers wait here, voxels, state and all.
const apps = new Map<string, App>()
const KEPT = 2 // a CT of 512 x 512 x 300 takes some 400 MB with its textures

export default function mount({ data, parentElement, setTriggerValue }: Args): () => void {
  let app = apps.get(data.instance)
  if (app) {
    app.update(data)
    apps.delete(data.instance)
  } else app = new App(data)
  apps.set(data.instance, app) // last, so that the one not used for longest goes first
  for (const [instance, other] of apps) {
    if (apps.size <= KEPT) break
    if (other.root.isConnected || other === app) continue
    other.destroy()
    apps.delete(instance)
  }
  const current = app
  if (setTriggerValue) current.trigger = setTriggerValue
  if (current.root.parentNode !== parentElement) parentElement.append(current.root)
  current.attached()
  return () => {
    if (current.root.parentNode === parentElement) current.root.remove()
  }
}
