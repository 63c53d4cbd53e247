import { defineConfig } from 'vite'

// One entry per component, because Streamlit loads each by its own address; NiiVue is a chunk of its own, loaded when a
// volume is opened. Its zarr reader is replaced by nothing: 1.4 MB of codecs that are never used.
export default defineConfig({
  resolve: { alias: { zarrita: new URL('src/niivue/no_zarr.ts', import.meta.url).pathname } },
  build: {
    target: 'es2022',
    outDir: 'segloop_viewer/dist',
    emptyOutDir: true,
    chunkSizeWarningLimit: 1500,
    lib: { entry: { viewer: 'src/index.ts', uploader: 'src/uploader.ts' }, formats: ['es'] },
    rollupOptions: { output: { entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' } },
  },
})
