import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { defineConfig } from 'vite'

const here = new URL('.', import.meta.url).pathname

/** List what the bundle was built from, with hashes: a test then knows, without Node, when it is out of date. */
function sources() {
  return {
    name: 'sources',
    generateBundle() {
      const own = [...this.getModuleIds()].map((id) => id.split('?')[0].replaceAll('\0', '')).filter((id) => id.startsWith(`${here}src/`))
      const files = [...new Set([...own.map((id) => relative(here, id)), 'package-lock.json', 'vite.config.js'])].sort()
      const hashes = files.map((file) => [file, createHash('sha256').update(readFileSync(here + file)).digest('hex')])
      this.emitFile({ type: 'asset', fileName: 'sources.json', source: `${JSON.stringify(Object.fromEntries(hashes), null, 1)}\n` })
      // NiiVue's package has no licence text that `build.license` could find.
      this.emitFile({ type: 'asset', fileName: 'niivue-licence.txt', source: readFileSync(`${here}src/niivue/LICENSE`, 'utf8') })
    },
  }
}

// One entry per component, because Streamlit loads each by its own address; NiiVue is a chunk of its own, loaded when a
// volume is opened. Its zarr reader is replaced by nothing: 1.4 MB of codecs that are never used.
export default defineConfig({
  plugins: [sources()],
  resolve: { alias: { zarrita: `${here}src/niivue/no_zarr.ts` } },
  build: {
    target: 'es2022',
    outDir: 'segloop_viewer/dist',
    emptyOutDir: true,
    license: { fileName: 'licences.md' },
    chunkSizeWarningLimit: 1500,
    lib: { entry: { viewer: 'src/index.ts', uploader: 'src/uploader.ts' }, formats: ['es'] },
    rollupOptions: { output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' } },
  },
})
