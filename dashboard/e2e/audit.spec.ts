// What was asked for and what became of it, what happened in the accounts, and who changed what: found, followed, decided and taken along.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { accessible, expect, open, test } from './fixtures';
import type { Hub } from './hub';

const send = (hub: Hub, id: string, body: object, key = hub.admin) =>
  hub
    .call<{ id: string; state: string }>('POST', `/api/v1/terminals/${id}/orders`, body, {
      authorization: `Bearer ${key}`,
      'idempotency-key': crypto.randomUUID(),
      prefer: 'wait=8',
    })
    .catch(() => undefined);
const order = { symbol: 'EURUSD', side: 'buy', type: 'market', volume: 0.1 };
/** Folded on a phone. */
const unfold = async (page: Page) => {
  const button = page.getByRole('button', { name: /^Filters/ });
  if (await button.isVisible()) await button.click();
};
/** Saves what is shown; the dialog says how many rows first. */
async function take(page: Page, what: string): Promise<{ name: string; lines: string[] }> {
  await page.getByRole('button', { name: /^CSV/ }).click();
  const save = page.getByRole('dialog', { name: `${what} as a file` }).getByRole('button', { name: /^Save \d+ rows?/ });
  await expect(save).toBeVisible();
  await accessible(page);
  const count = Number((await save.innerText()).match(/\d+/)![0]);
  const [file] = await Promise.all([page.waitForEvent('download'), save.click()]);
  const text = readFileSync(await file.path(), 'utf8');
  const lines = text.trim().split(/\r?\n/).slice(1);
  expect(lines.length).toBe(count);
  return { name: file.suggestedFilename(), lines };
}
const table = (page: Page, name: string) => page.getByRole('table', { name });
const first = (page: Page, name: string) => table(page, name).getByRole('row').nth(1);

test('commands tell who asked, every state and the answer; an unknown one is decided by a person @phone', async ({
  page,
  hub,
}, info) => {
  const phone = info.project.name === 'phone';
  const login = phone ? 4102 : 4101;
  const { id, terminals } = await hub.connected(
    `audit ${info.project.name}`,
    login,
    '--speed',
    '60',
    '--start',
    '2024-03-12 08:00',
  );
  const bot = await hub.call<{ key: string }>('POST', '/api/v1/keys', {
    name: `bot ${info.project.name}`,
    permissions: ['read:history', 'trade:write'],
  });
  await send(hub, id, order, bot.key);
  await send(hub, id, { ...order, volume: 0.3, sl: 2 }, bot.key);
  await terminals.ask('PUT', `/terminals/${login}/faults`, { faults: ['reject:10012'] });
  const unknown = await send(hub, id, { ...order, side: 'sell', volume: 0.2 });
  await open(page, hub, `/audit/commands?account=${login}%40Demo-Server`);
  await expect(page.getByText('3 commands')).toBeVisible();
  const rows = table(page, 'Commands').getByRole('row');
  await expect(rows.nth(1)).toContainText('Unknown');
  await expect(rows.nth(1)).toContainText('Not failed: check the terminal');
  await expect(rows.nth(2)).toContainText('Rejected');
  await expect(rows.nth(2)).toContainText('10016 invalid stops');
  await expect(rows.nth(2)).toContainText(`bot ${info.project.name}`);
  await expect(rows.nth(3)).toContainText(/Filled.*0\.1 lots at 1\.\d+/);
  // The first rows are in sight, and each is small.
  const box = (await rows.nth(1).boundingBox())!;
  expect(box.y + box.height, 'in sight').toBeLessThan(phone ? 680 : 500);
  expect(box.height, 'no more than its lines').toBeLessThan(phone ? 125 : 70);
  await accessible(page);

  await unfold(page);
  await page.getByRole('combobox', { name: 'By' }).selectOption({ label: `bot ${info.project.name} (API key)` });
  await expect(page.getByText('2 commands')).toBeVisible();
  await expect(page).toHaveURL(/by=key_/);
  // What is filtered waits, and says how many.
  await send(hub, id, { ...order, volume: 0.4 }, bot.key);
  await page.getByRole('button', { name: '1 new' }).click();
  await expect(page.getByText('3 commands')).toBeVisible();
  await page.getByRole('textbox', { name: 'Symbol' }).fill('NONE');
  await page.getByRole('textbox', { name: 'Symbol' }).press('Enter');
  await expect(page.getByRole('heading', { name: 'No match' })).toBeVisible();
  await accessible(page);
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await expect(first(page, 'Commands')).toBeVisible();

  await page.goto(`${hub.address}/audit/commands?id=${unknown!.id}`);
  await expect(page.getByText(unknown!.id, { exact: true })).toBeVisible();
  const went = page.getByRole('list', { name: 'What it went through' }).getByRole('listitem');
  await expect(went.first()).toContainText(/\d\d:\d\d:\d\d\.\d{3}.*On its way/);
  await expect(went.last()).toContainText(/\+\d+ m?s.*Unknown/);
  await accessible(page);
  await page.getByRole('button', { name: 'Decide what became of it…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await dialog.getByLabel('It was done: the deal').check();
  await expect(dialog.getByLabel('Deal number')).toBeVisible();
  await accessible(page);
  await dialog.getByLabel('It never happened').check();
  await dialog.getByLabel('How you know').fill('looked at the terminal: nothing there');
  await dialog.getByRole('button', { name: 'Decide: it never happened' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(first(page, 'Commands')).toContainText('Decided');
  await expect(page.getByText('It never happened, says Anna: looked at the terminal: nothing there').first()).toBeVisible();
  await expect(went.last()).toContainText('Decided by a person');
  await accessible(page);
});

test('trades tell deposits apart from gains, follow a position, and leave as a file of what is filtered @phone', async ({
  page,
  hub,
}, info) => {
  const login = info.project.name === 'phone' ? 4202 : 4201;
  const flags = ['--speed', '60', '--start', '2024-03-12 08:00', '--rule', 'commission=3.5'];
  const { id } = await hub.connected(`=trades ${info.project.name}`, login, ...flags);
  const bot = await hub.call<{ key: string }>('POST', '/api/v1/keys', { name: '=1+1', permissions: ['trade:write'] });
  await send(hub, id, { ...order, volume: 0.3 }, bot.key);
  await hub.call('POST', `/api/v1/terminals/${id}/positions/close-all`, {}, { 'idempotency-key': crypto.randomUUID() });
  // The deposit is found in the account's history, in its own time.
  const deals = `/api/v1/audit/trades?account=${login}%40Demo-Server&kind=deal`;
  await hub.until(async () => (await hub.call<{ data: unknown[] }>('GET', deals)).data.length === 3);
  await open(page, hub, `/audit?account=${login}%40Demo-Server&kind=deal`);
  await expect(page.getByText('3 deals', { exact: true })).toBeVisible();
  const rows = table(page, 'Trades').getByRole('row');
  const paid = rows.filter({ hasText: 'Deposit 10 000.00' });
  await expect(paid).toHaveCount(1);
  await expect(paid).not.toContainText('Gain');
  const sum = page.getByRole('note', { name: 'All of these together' });
  await expect(sum).toContainText(/2 deals, 0\.60 lots.*Costs −\d+\.\d\d.*Gain [+−]?\d+\.\d\d USD.*without \+10000\.00/);
  await accessible(page);
  await rows
    .filter({ hasText: 'Buy, opens' })
    .getByRole('button', { name: /^More about deal/ })
    .click();
  await accessible(page);
  await page.getByRole('link', { name: /^all of #/ }).click();
  await expect(page).toHaveURL(/position=\d+/);
  await expect(table(page, 'Trades')).toContainText('Sell, closes');
  await expect(table(page, 'Trades')).not.toContainText('Deposit');

  const trades = await take(page, 'Trades');
  expect(trades.name).toMatch(/^mtbridge-trades-until-\d{4}-\d\d-\d\d\.csv$/);
  expect(
    trades.lines.every((line) => /^(deal|order|position),\d{4}-\d\d-\d\dT[\d:.]+Z,/.test(line)),
    trades.lines[0],
  ).toBe(true);
  await page.goto(`${hub.address}/audit/commands?account=${login}%40Demo-Server&range=today`);
  await expect(page.getByText('2 commands')).toBeVisible();
  const commands = await take(page, 'Commands');
  expect(commands.name).toMatch(/^mtbridge-commands-\d{4}-\d\d-\d\d\.csv$/);
  expect(
    commands.lines.some((line) => line.includes(",'=1+1,")),
    'a name that would be a formula is a text',
  ).toBe(true);
  if (info.project.name !== 'phone') return;
  await page.setViewportSize({ width: 320, height: 740 });
  for (const path of ['/audit', '/audit/commands', '/audit/changes']) {
    await page.goto(`${hub.address}${path}`);
    await page
      .getByRole('button', { name: /^More about/ })
      .first()
      .click();
    await unfold(page);
    await accessible(page);
  }
});

test('changes come in by themselves, and deleted history leaves its line; the keyboard is enough', async ({ page, hub }) => {
  const { id, terminals } = await hub.connected('to be forgotten', 4301);
  await terminals.stop();
  await open(page, hub, '/audit/changes');
  await expect(first(page, 'Changes')).toBeVisible();
  await hub.mint('made meanwhile');
  await expect(first(page, 'Changes')).toContainText(/Token create.*made meanwhile/);
  await page.keyboard.press('/');
  await expect(page.getByRole('combobox', { name: 'What' })).toBeFocused();
  await page.goto(`${hub.address}/audit/changes?action=token`);
  const more = first(page, 'Changes').getByRole('button', { name: /^More about/ });
  await more.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: /^Less about/ })).toBeFocused();
  await accessible(page);
  await hub.call('POST', `/api/v1/tokens/${id}/disconnect`, { history: 'delete' });
  await page.getByRole('button', { name: /new$/ }).click();
  await expect(first(page, 'Changes')).toContainText('Deleted');
  await page.getByRole('link', { name: 'Trades', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Deleted history' })).toContainText(
    /History deleted by .* account of to be forgotten: \d+ commands, \d+ rows of the trade history\./,
  );
  await accessible(page);
});
