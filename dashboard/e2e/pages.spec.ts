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
      '/settings/plans',
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
