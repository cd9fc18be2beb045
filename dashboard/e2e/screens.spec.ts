// Pictures of every page, to be looked at: SCREENS=folder npx playwright test screens
import { mkdirSync } from 'node:fs';
import { expect, open, test } from './fixtures';
import { seed } from './seed';

const folder = process.env.SCREENS ?? '';
test.skip(!folder, 'pictures are made on demand');

test('every page in both themes @phone', async ({ page, hub }, info) => {
  test.setTimeout(180_000);
  mkdirSync(folder, { recursive: true });
  const { first } = await seed(hub);
  await open(page, hub, '/connections');
  const pages = ['/connections', `/terminal/${first}`, '/keys', '/audit', '/settings', '/settings/kill-switch', '/settings/users', '/settings/hooks', '/settings/webhooks', '/about'];
  for (const theme of ['light', 'dark']) {
    await page.evaluate((to) => localStorage.setItem('theme', to), theme);
    for (const path of pages) {
      await page.goto(`${hub.address}${path}`);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
      await page.waitForTimeout(path.startsWith('/terminal') ? 4000 : 600);
      const name = path === `/terminal/${first}` ? 'terminal' : path.slice(1).replace('/', '-');
      await page.screenshot({ path: `${folder}/${info.project.name}-${theme}-${name}.png`, fullPage: info.project.name === 'phone' || path.startsWith('/terminal') });
    }
  }
  await page.context().clearCookies();
  await page.goto(`${hub.address}/connections`);
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.screenshot({ path: `${folder}/${info.project.name}-login.png` });
});
