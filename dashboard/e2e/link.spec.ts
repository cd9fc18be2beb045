import { accessible, expect, open, signIn, test } from './fixtures';
import { Hub } from './hub';

test('a hub that dies is told, and when it is back so is everything', async ({ page, errors }) => {
  const hub = await Hub.withOwner();
  try {
    errors.allow(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection/);
    await hub.connected('survivor', 4001);
    await open(page, hub, '/connections');
    const row = page.getByRole('row', { name: /survivor/ });
    await expect(row).toContainText('Connected');
    await hub.kill();
    await expect(page.getByText('No link to the hub.')).toBeVisible();
    await expect(page.getByRole('main'), 'what is old has no colours').toHaveCSS('filter', 'grayscale(1)');
    await accessible(page);
    await expect(row).toBeVisible();
    await hub.start();
    await page.getByRole('button', { name: 'Retry now' }).click();
    await expect(page.getByText('No link to the hub.')).toHaveCount(0);
    await expect(row).toContainText('Connected');
    await expect(page.getByRole('main')).toHaveCSS('filter', 'none');
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('a hub that does not answer at first is a page of its own', async ({ page, hub, errors }) => {
  errors.allow(/ERR_FAILED/);
  await signIn(page, hub);
  await page.route('**/api/v1/session', (route) => route.abort());
  await page.goto(`${hub.address}/connections`);
  await expect(page.getByRole('heading', { name: 'The hub does not answer' })).toBeVisible();
  await accessible(page);
  await page.unroute('**/api/v1/session');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('heading', { name: 'Connections' })).toBeVisible();
});

test('eight tabs are all live', async ({ page, hub, context }) => {
  const { terminals } = await hub.connected('in many tabs', 4101);
  await open(page, hub, '/connections');
  const tabs = [page, ...(await Promise.all(Array.from({ length: 7 }, () => context.newPage())))];
  for (const tab of tabs.slice(1)) await tab.goto(`${hub.address}/connections`);
  for (const tab of tabs) await expect(tab.getByRole('row', { name: /Connected.*in many tabs/ })).toBeVisible();
  await terminals.stop();
  for (const tab of tabs) await expect(tab.getByRole('row', { name: /Offline.*in many tabs/ })).toBeVisible();
});
