import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vitest/config';

// The hub that `npm run dev` talks to; the page itself then comes from Vite, without the hub's CSP.
const hub = process.env.MTBRIDGE_URL ?? 'http://127.0.0.1:8787';

// The hub serves `x.gz` to whoever takes gzip, so that it need not compress anything itself.
const gzipped = {
  name: 'gzipped',
  apply: 'build' as const,
  closeBundle() {
    for (const folder of ['dist/', 'dist/assets/']) {
      for (const name of readdirSync(folder)) {
        if (/\.(html|js|css|svg|md)$/.test(name))
          writeFileSync(`${folder}${name}.gz`, gzipSync(readFileSync(folder + name), { level: 9 }));
      }
    }
  },
};

export default defineConfig({
  plugins: [gzipped],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: ['chrome123', 'firefox124', 'safari17.5'],
    // Keeps light-dark() as it is: these browsers know it.
    cssTarget: ['chrome123', 'firefox124', 'safari17.5'],
    license: { fileName: 'third-party.md' },
    modulePreload: { polyfill: false },
    // No data: URLs, so that the CSP needs none.
    assetsInlineLimit: 0,
    // One sheet, in the order of the scripts (so that of all pages is in the first), and few scripts: what is alike on several pages is packed once. Each page in its own takes 10 KiB more in all.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        advancedChunks: {
          groups: [
            {
              name: 'core',
              test: /node_modules\/(preact|@preact|openapi-fetch|lucide)|src\/(api|lib|live|ui)\/|src\/app\.css|src\/pages\/(login|connections)\.tsx/,
              priority: 3,
            },
            { name: 'more', test: /src\/pages\/(about|audit|keys|settings|connections\/over)/, priority: 1 },
          ],
        },
      },
    },
  },
  server: { proxy: { '/api': { target: hub, ws: true }, '/hooks': hub, '/healthz': hub } },
  test: { environment: 'happy-dom', include: ['test/**/*.test.{ts,tsx}'] },
});
