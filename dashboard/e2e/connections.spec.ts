import { accessible, expect, open, test } from './fixtures';

test('a token is shown once, cannot be lost by a key press, and the dialog sees its terminal come @phone', async ({
  page,
  hub,
  context,
  browserName,
}, info) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, hub, '/connections');
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
  await dialog.getByLabel('I have stored the token').check();
  await dialog.getByRole('button', { name: /Close|Done/ }).click();
  await expect(page.getByRole('row', { name: /after.*2201/ })).toHaveCount(2);
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
  await accessible(page);
  await dialog.getByRole('button', { name: 'Disconnect' }).click();
  await expect(page.getByRole('row', { name: /Pending.*after/ })).toBeVisible();

  await choose('after', 'Revoke…');
  await expect(dialog).toContainText('Error 401');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('row', { name: /after/ })).toHaveCount(0);
  await page.getByRole('button', { name: /^Revoked/ }).click();
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
  const shown = await page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen.Offline!);
  const known = told.find((message) => message.topic === 'terminals' && message.data?.state === 'offline')!.at;
  console.log(`a change of state is on the screen ${shown - Date.parse(known)} ms after the hub knows it`);
  expect(shown - Date.parse(known)).toBeLessThan(5000);
});

test('500 connections are one list that answers', async ({ page, hub }) => {
  test.setTimeout(120_000);
  for (let turn = 0; turn < 10; turn++)
    await Promise.all(Array.from({ length: 50 }, (_, index) => hub.mint(`fleet ${turn * 50 + index}`)));
  await open(page, hub, '/connections');
  await expect(page.getByRole('row', { name: /fleet/ })).toHaveCount(500);
  const begun = Date.now();
  await page.getByRole('button', { name: /^Pending/ }).click();
  await expect(page).toHaveURL(/state=pending/);
  await page.getByRole('button', { name: 'More for fleet 7', exact: true }).click();
  await expect(page.getByRole('menu')).toBeVisible();
  console.log(`500 connections: filter and menu in ${Date.now() - begun} ms`);
  const all = await hub.call<{ data: { id: string; name: string }[] }>('GET', '/api/v1/tokens');
  for (const token of all.data.filter((one) => one.name.startsWith('fleet')))
    await hub.call('DELETE', `/api/v1/tokens/${token.id}`);
});
