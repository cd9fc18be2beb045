// What a browser downloads, gzipped: at the first visit (document, style, entry and what it imports at once), and in all.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const FIRST = 40 * 1024;
const ALL = 150 * 1024;
const dist = new URL('../dist/', import.meta.url).pathname;
const gz = (path) => gzipSync(readFileSync(path), { level: 9 }).length;
const files = (dir) =>
  readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });

const document = readFileSync(join(dist, 'index.html'), 'utf8');
const first = new Set(['index.html', ...[...document.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1])]);
// Whatever the entry imports statically comes at once, too.
for (const file of first) {
  if (!file.endsWith('.js')) continue;
  const source = readFileSync(join(dist, file), 'utf8');
  for (const match of source.matchAll(/(?:^|[;}\n])(?:import|export)[^"'()]*?from?\s*["']\.\/([^"']+)["']/g))
    first.add(`assets/${match[1]}`);
}
// The page that everybody lands on is part of the first visit.
for (const path of files(dist))
  if (/assets\/(login|connections)-/.test(path) && path.endsWith('.js')) first.add(path.slice(dist.length));
const sum = (paths) => paths.reduce((total, path) => total + gz(path), 0);
const firstBytes = sum([...first].map((file) => join(dist, file)));
const allBytes = sum(files(dist).filter((path) => /\.(html|js|css|svg)$/.test(path)));
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
console.log(`first visit ${kib(firstBytes)} gz (limit ${kib(FIRST)}): ${[...first].join(' ')}`);
console.log(`all         ${kib(allBytes)} gz (limit ${kib(ALL)})`);
if (firstBytes > FIRST || allBytes > ALL) {
  console.error('over the limit');
  process.exit(1);
}
// Rules of a page stand behind those of all pages, or the wrong ones win: the first are the tokens.
const sheet = files(dist).find((path) => path.endsWith('.css'));
if (!readFileSync(sheet, 'utf8').startsWith(':root')) {
  console.error('src/app.css is not the first in the style sheet: see the groups in vite.config.ts');
  process.exit(1);
}
