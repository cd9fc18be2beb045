// Pictures of every page, to be looked at: SCREENS=folder npx playwright test screens
import { mkdirSync } from 'node:fs';
import { expect, open, test } from './fixtures';
import { Hub } from './hub';
import { seed } from './seed';

const folder = process.env.SCREENS ?? '';
test.skip(!folder, 'pictures are made on demand');

test('pictures of every page @phone', async ({ page }, info) => {
  test.setTimeout(180_000);
  mkdirSync(folder, { recursive: true });
  const hub = await Hub.withOwner();
  const { first } = await seed(hub);
  await open(page, hub, '/connections');
  const pages: Record<string, string> = {
    connections: '/connections',
    connection: `/connections?token=${first}`,
    terminal: `/terminal/${first}`,
    keys: '/keys',
    audit: '/audit',
    'audit-commands': '/audit/commands',
    settings: '/settings',
    'kill-switch': '/settings/kill-switch',
    users: '/settings/users',
    plans: '/settings/plans',
    hooks: '/settings/hooks',
    webhooks: '/settings/webhooks',
    about: '/about',
  };
  const size = page.viewportSize()!;
  for (const theme of ['light', 'dark']) {
    await page.evaluate((to) => localStorage.setItem('theme', to), theme);
    for (const [name, path] of Object.entries(pages)) {
      // Its middle is below the fold.
      await page.setViewportSize({ ...size, height: name === 'terminal' ? 1000 : size.height });
      await page.goto(`${hub.address}${path}`);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
      if (name === 'terminal') {
        await expect(page.getByRole('application', { name: /the last closed at/ })).toBeVisible();
        await expect(page.getByText(/[1-9]\d* samples/)).toBeVisible();
        await expect(page.getByText(/deals, largest fall/)).toBeVisible();
      }
      // The canvas is drawn in the frame after.
      await page.evaluate(() => new Promise((done) => setTimeout(done, 500)));
      await page.screenshot({ path: `${folder}/${name}-${theme}-${info.project.name}.png` });
    }
    await page.setViewportSize(size);
    await page.goto(`${hub.address}/connections`);
    await page.getByRole('button', { name: 'New connection' }).first().click();
    await page.getByRole('dialog').getByRole('textbox').fill('ICMarkets Live');
    await page.getByRole('button', { name: 'Generate token' }).click();
    await expect(page.getByText('Waiting for the terminal…')).toBeVisible();
    await page.screenshot({ path: `${folder}/token-${theme}-${info.project.name}.png` });
    await page.getByLabel('I have stored the token').check();
    await page.getByRole('button', { name: 'Close' }).click();
  }
  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.screenshot({ path: `${folder}/login-${info.project.name}.png` });
  await page.close();
  await hub.stop();
});
