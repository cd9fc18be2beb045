// Every page as it looks after some weeks of use: no violation of axe in either theme, nothing wider than the window, no error.
import { accessible, expect, open, test } from './fixtures';
import { Hub } from './hub';
import { seed } from './seed';

test('every page is accessible in both themes @phone', async ({ page }) => {
  test.setTimeout(120_000);
  const hub = await Hub.withOwner();
  try {
    const { first } = await seed(hub);
    await open(page, hub, '/connections');
    const pages = [
      '/connections',
      `/terminal/${first}`,
      '/keys',
      '/audit',
      '/settings',
      '/settings/kill-switch',
      '/settings/users',
      '/settings/hooks',
      '/settings/webhooks',
      '/about',
    ];
    for (const path of pages) {
      await page.goto(`${hub.address}${path}`);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
      await accessible(page);
    }
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('the dialogs of settings are accessible, and the keyboard goes everywhere', async ({ page, hub }) => {
  await open(page, hub, '/connections');
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeFocused();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('Tab');
  for (const [part, button, verb] of [
    ['TradingView', 'New hook', 'Make the hook'],
    ['Webhooks', 'New webhook', 'Make the webhook'],
  ] as const) {
    await page.getByRole('link', { name: part }).click();
    await page.getByRole('button', { name: button }).click();
    await expect(page.getByRole('dialog').getByRole('button', { name: verb })).toBeVisible();
    await accessible(page);
    await page.keyboard.press('Escape');
  }
});
