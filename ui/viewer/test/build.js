// Compiles the editor's modules, which stand on no page, so that Node can run them: `node test/build.js FOLDER`.
import { writeFileSync } from 'node:fs'
import { build } from 'vite'

const MODULES = ['draft', 'engine', 'journal', 'region', 'runs', 'sha256', 'shapes']
const outDir = process.argv[2]

await build({
  configFile: false,
  root: new URL('..', import.meta.url).pathname,
  logLevel: 'warn',
  build: {
    target: 'es2022', outDir, emptyOutDir: false, minify: false,
    lib: { entry: Object.fromEntries(MODULES.map((name) => [name, `src/edit/${name}.ts`])), formats: ['es'] },
  },
})
writeFileSync(`${outDir}/package.json`, '{"type": "module"}')
