import { defineConfig } from 'vite'

// One self-contained file per component (`vite build --mode viewer|uploader`): Streamlit loads each by its own address.
export default defineConfig(({ mode }) => ({
  build: {
    target: 'es2022',
    outDir: 'segloop_viewer/dist',
    emptyOutDir: false,
    lib: { entry: `src/${mode}.ts`, formats: ['es'], fileName: () => `${mode}.js` },
  },
}))
