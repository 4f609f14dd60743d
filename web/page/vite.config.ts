import { readFileSync, readdirSync } from 'node:fs'
import { defineConfig, type Plugin } from 'vite'

// What of others becomes part of the page. Their licences ask that they come along, so the page can show them.
const bundled = ['preact', 'uplot', 'echarts', 'zrender', 'tslib']

/** licences is the module virtual:licences: the licences of all that is bundled, as one text. */
function licences(): Plugin {
  const name = '/virtual/licences.js'
  return {
    name: 'licences',
    resolveId: (id) => (id === 'virtual:licences' ? name : undefined),
    load(id) {
      if (id !== name) return undefined
      return `export default ${JSON.stringify(bundled.map(licenceOf).join('\n\n\n'))}`
    },
    // A package that comes along without its licence stops the build.
    generateBundle() {
      for (const id of this.getModuleIds()) {
        const from = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1]
        if (from && !bundled.includes(from)) this.error(`${from} is bundled: name it in vite.config.ts for its licence`)
      }
    },
  }
}

function licenceOf(dependency: string): string {
  const folder = `node_modules/${dependency}/`
  const { version } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as { version: string }
  // ECharts has those of what it took over in a folder of its own.
  const files = readdirSync(folder, { recursive: true }).map(String)
  const texts = files.filter((file) => /^(licenses\/.*|licen[cs]e(\.\w+)?|notice)$/i.test(file)).sort()
  if (texts.length === 0) throw new Error(`${dependency} has no file of its licence`)
  return [`${dependency} ${version}`, ...texts.map((file) => readFileSync(folder + file, 'utf8').trim())].join('\n\n')
}

// The Go package embeds ../dist. Its folder is kept, and what a build before left in it is removed by `make`, not
// here: a file that stands there so that the package compiles without node must stay.
export default defineConfig({
  // Relative, so that the page also works behind a proxy that serves it below a path.
  base: './',
  plugins: [licences()],
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2022',
    // The Content-Security-Policy allows data: for images alone; everything is a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // ECharts, which is loaded once the page is there.
    chunkSizeWarningLimit: 550,
  },
  server: {
    // npm run dev shows the page over a server that runs already.
    proxy: { '/api': 'http://127.0.0.1:8080' },
  },
})
