import { accessible, expect, open, test } from './fixtures';
import { Hub } from './hub';

test('a key is made with least first and the password again, changed, rolled and revoked', async ({ page, errors }) => {
  // What asks for the password does so almost at once.
  const hub = await Hub.withOwner({ MTBRIDGE_SESSIONS__CONFIRMED: '2s' });
  try {
    errors.allow(/403 .*\/api\/v1\/keys/);
    errors.allow(/40[13] .*\/api\/v1\/session\/confirm$/);
    await hub.connected('VPS Frankfurt', 1101);
    await open(page, hub, '/keys');
    const unconfirmed = () =>
      expect
        .poll(() =>
          page.evaluate(async () => {
            const { session } = await (await fetch('/api/v1/session')).json();
            return !session.confirmed_until || Date.parse(session.confirmed_until) < Date.now();
          }),
        )
        .toBe(true);
    await page.getByRole('button', { name: 'New key' }).first().click();
    const form = page.getByRole('dialog', { name: 'New API key' });
    await expect(form.getByLabel('Name', { exact: true })).toBeFocused();
    await expect(form.getByRole('checkbox', { name: /trade:write/ })).not.toBeChecked();
    await expect(form.getByLabel('Ends')).toHaveValue('90');
    await accessible(page);
    await form.getByLabel('Name', { exact: true }).fill('trader');
    const addresses = form.getByRole('group', { name: 'Addresses it may come from' });
    await addresses.getByLabel('Only these').check();
    await addresses.getByLabel('Address or network').fill('nonsense');
    await expect(addresses.getByText('nonsense is no address and no network.')).toBeVisible();
    await addresses.getByLabel('Address or network').fill('');
    await addresses.getByRole('button', { name: 'Add my address' }).click();
    await expect(addresses.getByRole('button', { name: '127.0.0.1' })).toBeVisible();
    const symbols = page.getByRole('group', { name: 'Symbols', exact: true });
    await symbols.getByLabel('Only these').check();
    const symbol = symbols.getByLabel('Symbol', { exact: true });
    // Those of the terminal that is connected are offered.
    await expect(symbols.locator('option[value="EURUSD"]').or(symbols.getByRole('button', { name: 'EURUSD' }))).toHaveCount(1);
    await symbol.fill('EURUSD');
    await symbol.press('Enter');
    const accounts = form.getByRole('group', { name: 'Accounts' });
    await accounts.getByLabel('Only these').check();
    await expect(form.getByText('Name at least one account, or choose all.')).toBeVisible();
    await expect(form.getByRole('button', { name: 'Continue' })).toBeDisabled();
    await accounts.getByRole('button', { name: /1101/ }).click();
    await form.getByRole('button', { name: 'Trading', exact: true }).click();
    await form.getByLabel('Plan').selectOption({ label: 'Pro: 1,000 an hour, 20 at once' });
    await accessible(page);
    await form.getByRole('button', { name: 'Continue' }).click();

    const check = page.getByRole('dialog', { name: 'Make this key?' });
    const told = check.getByRole('group', { name: 'What trader will be' });
    await expect(told).toBeFocused();
    await expect(told).toContainText('It can trade.');
    await expect(told).toContainText('Trading: close, cancel, kill switch, open and change');
    await expect(told).toContainText('1,000 an hour');
    await accessible(page);
    await check.getByRole('button', { name: 'Back' }).click();
    await accounts.getByLabel('All of yours').check();
    await form.getByRole('button', { name: 'Continue' }).click();
    await expect(told).toContainText('It can trade real money.');
    await unconfirmed();
    await check.getByRole('button', { name: 'Make the key' }).click();
    const again = page.getByRole('dialog', { name: 'Your password again' });
    await expect(again.getByLabel('Password', { exact: true })).toBeFocused();
    await accessible(page);
    await again.getByLabel('Password', { exact: true }).fill('wrong wrong wrong');
    await again.getByRole('button', { name: 'Go on' }).click();
    await expect(again.getByRole('alert')).not.toBeEmpty();
    await accessible(page);
    await again.getByLabel('Password', { exact: true }).fill(hub.password);
    await again.getByRole('button', { name: 'Go on' }).click();
    const made = page.getByRole('dialog', { name: 'Key for trader' });
    const key = await made.getByLabel('API key').first().innerText();
    expect(key).toMatch(/^sk_live_\w+$/);
    await accessible(page);
    await page.keyboard.press('Escape');
    await expect(made).toBeVisible();
    await made.getByLabel('I have stored the key').check();
    await made.getByRole('button', { name: 'Done' }).click();
    const row = page.getByRole('table', { name: 'API keys' }).getByRole('row', { name: /trader/ });
    await expect(row).toContainText('EURUSD');
    await expect(row).toContainText('from 127.0.0.1');
    expect(await page.content()).not.toContain(key);
    const asked = await fetch(`${hub.address}/api/v1/terminals`, { headers: { authorization: `Bearer ${key}` } });
    expect(asked.status).toBe(200);

    const choose = async (what: string) => {
      await page.getByRole('button', { name: 'More for trader' }).first().click();
      await page.getByRole('menuitem', { name: what }).click();
    };
    const step = async () => {
      await again.getByLabel('Password', { exact: true }).fill(hub.password);
      await again.getByRole('button', { name: 'Go on' }).click();
    };
    await choose('Change…');
    await symbol.fill('GBP*');
    await symbols.getByRole('button', { name: 'Add' }).click();
    await expect(page.getByLabel('Ends')).toHaveValue('keep');
    await accessible(page);
    await unconfirmed();
    await page.getByRole('button', { name: 'Change the key' }).click();
    await step();
    await expect(row).toContainText('EURUSD, GBP*');

    await choose('Roll…');
    await accessible(page);
    await unconfirmed();
    await page.getByRole('button', { name: 'Make the new key' }).click();
    await step();
    await expect(made.getByLabel('API key').first()).toHaveText(/^sk_live_/);
    await made.getByLabel('I have stored the key').check();
    await made.getByRole('button', { name: 'Done' }).click();
    await expect(row).toHaveCount(2);
    await expect(row.filter({ hasText: 'the old one of two' })).toHaveCount(1);

    await choose('Revoke…');
    await accessible(page);
    await page.getByRole('button', { name: 'Revoke key' }).click();
    await expect(row).toHaveCount(1);
    const fold = page.getByRole('button', { name: /1 that has ended/ });
    await expect(fold).toHaveAttribute('aria-expanded', 'false');
    await fold.click();
    const ended = page.getByRole('table', { name: 'Keys that have ended' });
    await expect(ended.getByRole('row', { name: /trader/ })).toContainText('Revoked');
    await accessible(page);
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('how much of its plan a key has used stands beside a bar, and what was one too many is counted @phone', async ({
  page,
  hub,
}) => {
  const { key } = await hub.call<{ key: string }>('POST', '/api/v1/keys', {
    name: 'greedy',
    permissions: ['read:bars'],
    plan: 'free',
  });
  const ask = () => fetch(`${hub.address}/api/v1/session`, { headers: { authorization: `Bearer ${key}` } });
  const answers = await Promise.all([...Array(4)].map(ask));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
  await open(page, hub, '/keys');
  const row = page.getByRole('row', { name: /greedy/ });
  await expect(row).toContainText(/4 \/ 100 this hour, resets in [12] min/);
  await expect(row).toContainText('0 / 5 at once now');
  await expect(row).toContainText('any address');
  let refused = 0;
  while (refused < 3) for (const answer of await Promise.all([...Array(5)].map(ask))) if (answer.status === 429) refused++;
  await page.reload();
  await expect(row).toContainText(/(99|100) \/ 100 this hour/);
  await expect(row).toContainText(/\d+ refused as too many \(429\) in the last day/);
  await accessible(page);
});
