import { realpathSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

/** What answers the APIs while `npm run dev` serves the pages: the mock, or an installation (TRUNKLINE_WEB=http://127.0.0.1:8080). */
const behind = process.env['TRUNKLINE_WEB'] ?? 'http://127.0.0.1:4400'

export default defineConfig({
  build: {
    target: 'es2022',
    // Nothing as data: URL, so that the content security policy stays short.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // For budget.mjs, which takes it away again.
    manifest: true,
    // Libraries that also serve servers mark what is for the browser; here everything is.
    rolldownOptions: {
      // The page that a Salesforce org frames is served by salesforce-adapter, which has its script by this name.
      input: { index: 'index.html', softphone: 'src/apps/salesforce/softphone.ts' },
      onLog: (level, log, handler) => (log.code === 'MODULE_LEVEL_DIRECTIVE' ? undefined : handler(level, log)),
      // What every page needs is packed together, which packs better than apart: libraries, and what the shell shows and asks with.
      output: {
        entryFileNames: ({ name }) => (name === 'softphone' ? 'salesforce/softphone.js' : 'assets/[name]-[hash].js'),
        codeSplitting: {
          groups: [
            { name: 'libraries', test: /node_modules\/(react|react-dom|scheduler|@lingui|@tanstack\/(router-core|react-router|history|store|react-store|query-core))\// },
            { name: 'shell', test: /\/src\/(api\/(session|errors)|lib\/(paths|unsaved)|live\/account|ui\/(Button|Notice|PageTitle|use-shortcut))\./ },
          ],
        },
      },
    },
  },
  experimental: {
    // What scripts and styles load comes from where they came from: the pages stand below several paths. Pages themselves name whole paths.
    renderBuiltUrl: (_, { hostType }) => (hostType === 'html' ? undefined : { relative: true }),
  },
  server: {
    proxy: { '/api': behind, '/pulse': behind, '/telemetry': behind, '/session': behind, '/agent-setup/api/': behind, '/workspace': behind, '/salesforce': behind, '/webrtc': { target: behind, ws: true } },
    // node_modules may be a link into the cache.
    fs: { allow: ['.', realpathSync('node_modules')] },
  },
  test: { include: ['src/**/*.test.{ts,tsx}', 'tests/**/*.test.ts'] },
})
