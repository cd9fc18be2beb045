import { accessible, expect, open, test } from './fixtures';

test('prices move, an order goes out by the ticket, its stops are changed, and it is closed @phone', async ({
  page,
  hub,
}, info) => {
  const login = info.project.name === 'phone' ? 3002 : 3001;
  const { id } = await hub.connected(`trading ${info.project.name}`, login, '--speed', '20', '--start', '2024-03-12 10:00');
  await open(page, hub, `/terminal/${id}`);
  const chart = page.getByRole('region', { name: 'Chart' });
  const prices = chart.locator('.quote').first();
  await expect(prices).toContainText('Bid');
  const before = await prices.innerText();
  await expect(prices).not.toHaveText(before);
  await expect(chart.getByRole('img', { name: /Candles of EURUSD, M5; the last closed at 1\.\d{5}/ })).toBeVisible();
  expect(await chart.locator('canvas').count()).toBeGreaterThan(0);
  await chart.getByRole('button', { name: 'M1', exact: true }).click();
  await expect(page).toHaveURL(/timeframe=M1/);
  await expect(chart.getByRole('img', { name: /M1; the last closed/ })).toBeVisible();
  await chart.getByRole('button', { name: 'Show as table' }).click();
  await expect(chart.getByRole('region', { name: 'Bars' })).toBeVisible();
  await accessible(page);
  await chart.getByRole('button', { name: 'Hide the table' }).click();

  const ticket = page.getByRole('region', { name: 'Trade ticket' });
  await ticket.getByLabel('Volume in lots').fill('0.015');
  await expect(ticket.getByRole('button', { name: /^Buy/ })).toBeDisabled();
  await ticket.getByLabel('Volume in lots').fill('0.2');
  await ticket.getByRole('button', { name: /^Buy/ }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expect(dialog).toContainText(`demo account ${login} on Demo-Server`);
  await expect(dialog).toContainText('Without a stop loss.');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Buy 0.2 lots' }).click();
  await expect(dialog.getByRole('status')).toContainText(/Done: 0\.2 lots at 1\.\d+/);
  await dialog.getByRole('button', { name: 'Close' }).click();
  const positions = page.getByRole('table', { name: 'Positions' });
  const position = positions.getByRole('row', { name: /EURUSD.*buy/ });
  await expect(position).toBeVisible();

  await position.getByRole('button', { name: /More for position/ }).click();
  await page.getByRole('menuitem', { name: 'Stop loss and take profit…' }).click();
  await dialog.getByLabel('Stop loss').fill('1.05');
  await dialog.getByLabel('Take profit').fill('1.2');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Change' }).click();
  await expect(dialog.getByRole('status')).toContainText('Done');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(position).toContainText('1.05000');
  await expect(position).toContainText('1.20000');

  await ticket.getByRole('button', { name: 'Limit' }).click();
  await ticket.getByLabel('Price').fill('1.05');
  await ticket.getByRole('button', { name: /^Buy/ }).click();
  await dialog.getByRole('button', { name: 'Buy 0.2 lots' }).click();
  await expect(dialog.getByRole('status')).toContainText('Placed');
  await dialog.getByRole('button', { name: 'Close' }).click();
  const orders = page.getByRole('table', { name: 'Pending orders' });
  await expect(orders.getByRole('row', { name: /buy limit/ })).toBeVisible();
  await orders.getByRole('button', { name: /Cancel/ }).click();
  await accessible(page);
  await dialog.getByRole('button', { name: /^Cancel( the)? order/ }).click();
  await expect(dialog.getByRole('status')).toContainText('Done');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(orders).toHaveCount(0);

  await position.getByRole('button', { name: /More for position/ }).click();
  await page.getByRole('menuitem', { name: 'Close…' }).click();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Close 0.2 lots' }).click();
  await expect(dialog.getByRole('status')).toContainText('Done');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByText('Nothing is open.')).toBeVisible();
});

test('a refused order is told in words', async ({ page, hub, errors }) => {
  errors.allow(/422 .*\/orders$/);
  const { id } = await hub.connected('refused', 3101);
  await open(page, hub, `/terminal/${id}`);
  const ticket = page.getByRole('region', { name: 'Trade ticket' });
  await ticket.getByLabel('Stop loss').fill('2');
  await ticket.getByRole('button', { name: /^Buy/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Buy 0.01 lots' }).click();
  await expect(dialog.getByRole('status')).toContainText(/stop/i);
  await accessible(page);
});

test('a kill switch is raised, stands in sight on every page, and is lifted', async ({ page, hub }) => {
  await open(page, hub, '/settings/kill-switch');
  await page.getByRole('button', { name: 'Stop trading…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Stop trading' })).toBeDisabled();
  await dialog.getByLabel('Why').fill('news at ten');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Stop trading' }).click();
  const banner = page.getByRole('alert').filter({ hasText: 'Kill switch on' });
  await expect(banner).toContainText('news at ten');
  await page.getByRole('link', { name: 'Connections', exact: true }).click();
  await expect(banner).toBeVisible();
  await accessible(page);
  await banner.getByRole('link', { name: 'Look at it' }).click();
  await page.getByRole('button', { name: 'Lift…' }).click();
  await dialog.getByLabel('What has changed').fill('it is over');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Lift it' }).click();
  await expect(page.getByText('Trading is on')).toBeVisible();
  await expect(banner).toHaveCount(0);
});

test('a hundred ticks a second leave the page answering', async ({ page, hub, context }) => {
  const { id, terminals } = await hub.connected('flooded', 3201, '--speed', '5', '--start', '2024-03-12 15:00');
  await open(page, hub, `/terminal/${id}`);
  await expect(page.getByRole('region', { name: 'Chart' }).locator('.quote').first()).toContainText('Bid');
  let frames = 0;
  page.on('websocket', (socket) => socket.on('framereceived', () => frames++));
  await page.reload();
  await expect(page.getByRole('region', { name: 'Chart' }).locator('.quote').first()).toContainText('Bid');
  await terminals.ask('PUT', '/terminals/3201/faults', { faults: ['flood:2'] });
  await terminals.ask('PUT', '/terminals/3201/speed', { speed: 120 });
  const cdp = await context.newCDPSession(page);
  await cdp.send('Performance.enable');
  const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((one) => one.name === 'TaskDuration')!.value;
  const [begun, before, first] = [Date.now(), await busy(), frames];
  await expect.poll(() => frames - first).toBeGreaterThan(300);
  const asked = Date.now();
  await page.getByRole('button', { name: 'H1', exact: true }).click();
  await expect(page.getByRole('button', { name: 'H1', exact: true })).toHaveAttribute('aria-pressed', 'true');
  const answered = Date.now() - asked;
  const seconds = (Date.now() - begun) / 1000;
  console.log(
    `${((frames - first) / seconds).toFixed(0)} frames a second, main thread ${((((await busy()) - before) * 1000) / seconds).toFixed(0)} ms a second, a click answered in ${answered} ms`,
  );
  expect(answered).toBeLessThan(5000);
});
