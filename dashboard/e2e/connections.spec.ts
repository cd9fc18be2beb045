import { accessible, expect, open, test } from './fixtures';

test('a token is shown once, cannot be lost by a key press, and the dialog sees its terminal come @phone', async ({
  page,
  hub,
  context,
  browserName,
}, info) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, hub, '/keys');
  await page.getByRole('link', { name: 'Connections', exact: true }).click();
  await page.getByRole('button', { name: 'New connection' }).first().click();
  const dialog = page.getByRole('dialog');
  const name = `desk ${info.project.name} ${browserName}`;
  await expect(dialog.getByRole('textbox')).toBeFocused();
  await accessible(page);
  await dialog.getByRole('textbox').fill(name);
  await page.keyboard.press('Enter');
  const token = await dialog.getByLabel('API_TOKEN').first().innerText();
  expect(token).toMatch(/^mtb_\w{40,}$/);
  await accessible(page);
  for (let presses = 0; presses < 4; presses++) await page.keyboard.press('Escape');
  await expect(dialog).toBeVisible();
  await expect(dialog.getByRole('button', { name: 'Close' })).toBeDisabled();
  await expect(dialog.getByText('Waiting for the terminal…')).toBeVisible();
  // Nor by going back, which would leave the page.
  await page.goBack();
  await expect(dialog.getByLabel('API_TOKEN').first()).toHaveText(token);
  await expect(page).toHaveURL(/\/connections$/);
  await dialog.getByRole('button', { name: 'Copy API_TOKEN' }).click();
  await expect(dialog.getByText('Copied')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
  const login = info.project.name === 'phone' ? 2102 : 2101;
  await hub.simulate(token, login);
  await expect(dialog.getByText(`Connected: account ${login} on Demo-Server.`)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('row', { name: new RegExp(`Connected.*${name}.*${login}`) })).toBeVisible();
  const kept = await page.evaluate(() =>
    [
      document.documentElement.outerHTML,
      JSON.stringify(localStorage),
      JSON.stringify(sessionStorage),
      location.href,
      document.cookie,
    ].join(' '),
  );
  expect(kept).not.toContain(token);
  expect(kept).not.toContain(token.slice(8));
});

test('copying works where there is no clipboard, as on plain HTTP off the machine itself', async ({ page, hub }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await open(page, hub, '/connections');
  await page.getByRole('button', { name: 'New connection' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Generate token' }).click();
  await dialog.getByRole('button', { name: 'Copy API_TOKEN' }).click();
  await expect(dialog.getByText('Copied')).toBeVisible();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await expect(dialog).toHaveCount(0);
});

test('a connection is renamed, replaced, disconnected and revoked', async ({ page, hub }) => {
  const { terminals } = await hub.connected('before', 2201);
  await open(page, hub, '/connections');
  const choose = async (name: string, what: string) => {
    await page.getByRole('button', { name: `More for ${name}` }).click();
    await page.getByRole('menuitem', { name: what }).click();
  };
  const dialog = page.getByRole('dialog');

  await choose('before', 'Rename');
  await dialog.getByLabel('Name').fill('after');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Rename' }).click();
  await expect(page.getByRole('row', { name: /Connected.*after/ })).toBeVisible();

  await choose('after', 'Replace…');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Make the new token' }).click();
  await expect(dialog.getByLabel('API_TOKEN').first()).toHaveText(/^mtb_/);
  await expect(dialog.getByText('It must be logged in to account 2201 on Demo-Server.')).toBeVisible();
  await hub.simulate(await dialog.getByLabel('API_TOKEN').first().innerText(), 9010);
  await expect(
    dialog.getByText(/A terminal was refused: account 9010 on Demo-Server .*; it is locked to 2201.* Waiting for the right one/),
  ).toBeVisible();
  await dialog.getByLabel('I have stored the token').check();
  await dialog.getByRole('button', { name: /Close|Done/ }).click();
  await expect(page.getByRole('row', { name: /after.*2201/ })).toHaveCount(2);
  await expect(page.getByRole('row', { name: /Replaced: put the new token.*old, ends in 24 h/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /New: takes over from mtb_/ })).toBeVisible();
  await terminals.stop();

  // The one that goes on for a day is the older of the two.
  const all = await hub.call<{ data: { id: string; name: string; state: string; successor: string | null }[] }>(
    'GET',
    '/api/v1/tokens',
  );
  const replaced = all.data.find((token) => token.name === 'after' && token.successor)!;
  await hub.call('DELETE', `/api/v1/tokens/${replaced.id}`);
  await expect(page.getByRole('row', { name: /after.*2201/ })).toHaveCount(1);

  await choose('after', 'Disconnect…');
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await expect(dialog).toContainText('turns Pending');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Disconnect' }).click();
  await expect(page.getByRole('row', { name: /Pending.*after/ })).toBeVisible();

  await choose('after', 'Revoke…');
  await expect(dialog).toContainText('stops at once with error 401');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('row', { name: /after/ })).toHaveCount(0);
  await page.getByRole('button', { name: /^Show revoked/ }).click();
  await expect(page).toHaveURL(/state=revoked/);
  await expect(page.getByRole('row', { name: /Revoked.*after/ }).first()).toBeVisible();
});

test('everything of an account is deleted only when its number was typed, and the focus comes back', async ({ page, hub }) => {
  const { terminals } = await hub.connected('to be emptied', 2301);
  await terminals.stop();
  await open(page, hub, '/connections');
  const more = page.getByRole('button', { name: 'More for to be emptied' });
  await more.click();
  await page.getByRole('menuitem', { name: 'Disconnect…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('radio', { name: /Delete all/ }).check();
  const go = dialog.getByRole('button', { name: 'Disconnect' });
  await expect(go).toBeDisabled();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  await expect(more).toBeFocused();
  await more.click();
  await page.getByRole('menuitem', { name: 'Disconnect…' }).click();
  await dialog.getByRole('radio', { name: /Delete all/ }).check();
  await expect(dialog.getByText(/It has \d+ rows? of trade history and 0 commands/)).toBeVisible();
  await dialog.getByLabel(/Type the account number/).fill('2301');
  await accessible(page);
  await go.click();
  await expect(page.getByRole('row', { name: /Pending.*to be emptied/ })).toBeVisible();
});

test('a change of state is on the screen soon after the hub knows it', async ({ page, hub }) => {
  const { terminals } = await hub.connected('watched', 2401);
  const told: { topic?: string; at: string; data?: { state?: string } }[] = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => told.push(JSON.parse(String(payload)))));
  await open(page, hub, '/connections');
  const row = page.getByRole('row', { name: /watched/ });
  await expect(row).toContainText('Connected');
  // The page notes when the word changes; the hub's own message, in the same browser, says when it knew. Both clocks are this machine's.
  await page.evaluate((name) => {
    const seen: Record<string, number> = {};
    (window as unknown as { seen: typeof seen }).seen = seen;
    new MutationObserver(() => {
      const text = [...document.querySelectorAll('tr')].find((one) => one.textContent?.includes(name))?.textContent ?? '';
      const word = ['Connected', 'Offline'].find((one) => text.trim().startsWith(one));
      if (word && !(word in seen)) seen[word] = Date.now();
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  }, 'watched');
  void terminals.ask('POST', '/terminals/2401/disconnect');
  await expect(row).toContainText('Offline');
  await expect(page).toHaveTitle(/^\(\d+ offline\) mtbridge$/);
  const shown = await page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen.Offline!);
  const known = told.find((message) => message.topic === 'terminals' && message.data?.state === 'offline')!.at;
  console.log(`a change of state is on the screen ${shown - Date.parse(known)} ms after the hub knows it`);
  expect(shown - Date.parse(known)).toBeLessThan(5000);
});

test('500 connections are a list of pages that answers', async ({ page, hub }) => {
  test.setTimeout(120_000);
  for (let turn = 0; turn < 10; turn++)
    await Promise.all(Array.from({ length: 50 }, (_, index) => hub.mint(`fleet ${turn * 50 + index}`)));
  await open(page, hub, '/connections?q=fleet');
  const status = page.getByRole('status').filter({ hasText: /connection/ });
  await expect(status).toHaveText('1 to 100 of 500 connections');
  await expect(page.getByRole('row', { name: /fleet/ })).toHaveCount(100);
  const begun = Date.now();
  await page.getByRole('button', { name: 'Next' }).first().click();
  await expect(status).toHaveText('101 to 200 of 500 connections');
  await expect(page).toHaveURL(/page=2/);
  await page.getByRole('button', { name: /^Pending/ }).click();
  await expect(page).toHaveURL(/state=pending/);
  await expect(status).toHaveText('1 to 100 of 500 connections');
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.getByRole('searchbox').fill('fleet 77');
  await expect(status).toHaveText('5 connections');
  await page.getByRole('button', { name: 'More for fleet 77', exact: true }).click();
  await expect(page.getByRole('menu')).toBeVisible();
  console.log(`500 connections: a page, a filter, a search and a menu in ${Date.now() - begun} ms`);
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').fill('fleet of nobody');
  await expect(status).toHaveText('No connection matches.');
  await page.getByRole('link', { name: 'Clear the filter' }).click();
  await expect(page.getByRole('searchbox')).toHaveValue('');
  const all = await hub.call<{ data: { id: string; name: string }[] }>('GET', '/api/v1/tokens');
  const fleet = all.data.filter((one) => one.name.startsWith('fleet'));
  for (let turn = 0; turn < 10; turn++)
    await Promise.all(fleet.slice(turn * 50, turn * 50 + 50).map((one) => hub.call('DELETE', `/api/v1/tokens/${one.id}`)));
});

test('a panel with an address of its own tells all about a connection, and what another account tried @phone', async ({
  page,
  hub,
}, info) => {
  const login = info.project.name === 'phone' ? 2602 : 2601;
  const name = `told of ${login}`;
  const { id, token } = await hub.connected(name, login);
  const order = { symbol: 'EURUSD', side: 'buy', type: 'market', volume: 0.1 };
  await hub.call('POST', `/api/v1/terminals/${id}/orders`, order, { 'idempotency-key': crypto.randomUUID(), prefer: 'wait=8' });
  await hub.simulate(token, 9009);
  const refused = async () => (await hub.call<{ last_refusal: unknown }>('GET', `/api/v1/tokens/${id}`)).last_refusal !== null;
  await hub.until(refused);
  await open(page, hub, '/connections');
  const row = page.getByRole('row', { name: new RegExp(name) });
  await expect(row).toContainText(/Refused .* ago/);
  await expect(row).toContainText(`account 9009 on Demo-Server tried to use it from 127.0.0.1; it is locked to ${login}`);
  await accessible(page);
  await row.getByRole('link', { name }).click();
  await expect(page).toHaveURL(new RegExp(`token=${id}`));
  const panel = page.getByRole('dialog', { name });
  await expect(panel.locator('.badge').first()).toHaveText('Connected');
  for (const fact of ['Demo-Server', 'mtbridge paper broker', 'MetaTrader 5, build', '127.0.0.1', 'Algo trading in the terminal'])
    await expect(panel.getByText(fact).first()).toBeVisible();
  await expect(panel.getByRole('img', { name: /round trips: from .* ms/ })).toBeVisible();
  await expect(panel.getByText(/last hour: half within/).first()).toBeVisible();
  await expect(panel.getByRole('listitem').filter({ hasText: 'Refused' })).toContainText('account 9009 on Demo-Server');
  await expect(panel.getByRole('listitem').filter({ hasText: 'EA simulator' })).toBeVisible();
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(panel).toHaveCount(0);
  await expect(row.getByRole('link', { name })).toBeFocused();
  await expect(page).toHaveURL(/\/connections$/);

  await page.goto(`${hub.address}/connections?token=${id}`);
  await panel.getByRole('button', { name: 'Revoke…' }).click();
  const ask = page.getByRole('dialog', { name: `Revoke ${name}?` });
  await expect(ask.getByText(/One position is open on it now, at [−+]?[\d.]+/)).toBeVisible();
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(ask).toHaveCount(0);
  await expect(panel.getByRole('button', { name: 'Revoke…' })).toBeFocused();
  await panel.getByRole('button', { name: 'Revoke…' }).click();
  await ask.getByRole('button', { name: 'Revoke token' }).click();
  await expect(panel.locator('.badge').first()).toHaveText('Revoked');
  await expect(panel.getByRole('button', { name: 'Revoke…' })).toHaveCount(0);
  await panel.getByRole('button', { name: 'Close' }).last().click();
  await expect(row).toHaveCount(0);
});

test('what is left of a lost answer is named, and can be revoked', async ({ page, hub, errors }) => {
  errors.allow(/ERR_FAILED/);
  await open(page, hub, '/connections');
  await page.route('**/api/v1/tokens', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    await route.fetch();
    await route.abort();
  });
  await page.getByRole('button', { name: 'New connection' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill('lost on the way');
  await dialog.getByRole('button', { name: 'Generate token' }).click();
  await expect(dialog.getByText(/a token was made: mtb_/)).toBeVisible();
  await accessible(page);
  await dialog.getByRole('button', { name: 'Revoke the token that nobody has seen' }).click();
  await expect(dialog.getByText('no token is left of it')).toBeVisible();
});

test('tokens that end soon are counted, and a viewer sees the panel without what opens a terminal', async ({ page, hub }) => {
  const { id } = await hub.connected('seen by vince', 2701);
  await hub.mint('ends first');
  const ends: Record<string, number> = { 'seen by vince': 29, 'ends first': 3 };
  await page.route('**/api/v1/tokens', async (route) => {
    const answer = await route.fetch();
    const list = (await answer.json()) as { data: { name: string; expires_at: string }[] };
    for (const one of list.data)
      if (ends[one.name]) one.expires_at = new Date(Date.now() + (ends[one.name]! + 0.5) * 86_400_000).toISOString();
    await route.fulfill({ json: list });
  });
  await open(page, hub, '/connections');
  await expect(page.getByText(/2 tokens expire within 30 days, 1 of them within 7/)).toBeVisible();
  await expect(page.getByRole('row', { name: /ends first.*in 3 days/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /seen by vince.*in 29 days/ })).toBeVisible();
  await accessible(page);
  await hub.user('vince', 'viewer');
  await page.context().clearCookies();
  await open(page, hub, `/connections?token=${id}`, 'vince');
  const panel = page.getByRole('dialog', { name: 'seen by vince' });
  await expect(panel.getByText('mtbridge paper broker')).toBeVisible();
  await expect(panel.getByRole('link', { name: 'Terminal' })).toBeVisible();
  await expect(panel.getByRole('button')).toHaveCount(1);
  expect(await page.content()).not.toContain('mtb_');
});
