import { accessible, expect, open, test } from './fixtures';
import { Hub } from './hub';

test('a key is made with least first and the password again, changed, rolled and revoked', async ({ page, errors }) => {
  // What asks for the password does so almost at once.
  const hub = await Hub.withOwner({ MTBRIDGE_SESSIONS__CONFIRMED: '2s' });
  try {
    errors.allow(/403 .*\/api\/v1\/keys/);
    errors.allow(/40[13] .*\/api\/v1\/session\/confirm$/);
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
    await accessible(page);
    await form.getByLabel('Name', { exact: true }).fill('trader');
    await form.getByLabel('Addresses it may come from').fill('nonsense');
    await expect(form.getByText('nonsense is no address and no network.')).toBeVisible();
    await form.getByLabel('Addresses it may come from').fill('');
    await form.getByRole('button', { name: 'Trading bot' }).click();
    await unconfirmed();
    await form.getByRole('button', { name: 'Make the key' }).click();
    const again = page.getByRole('dialog', { name: 'Your password again' });
    await expect(again.getByLabel('Password', { exact: true })).toBeFocused();
    await accessible(page);
    await again.getByLabel('Password', { exact: true }).fill('wrong wrong wrong');
    await again.getByRole('button', { name: 'Go on' }).click();
    await expect(again.getByRole('alert')).not.toBeEmpty();
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
    await expect(page.getByRole('row', { name: /trader/ })).toBeVisible();
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
    await page
      .getByRole('dialog')
      .getByRole('textbox', { name: /^Symbols/ })
      .fill('EURUSD');
    await accessible(page);
    await unconfirmed();
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await step();
    await expect(page.getByRole('row', { name: /trader/ })).toContainText('EURUSD');

    await choose('Roll…');
    await unconfirmed();
    await page.getByRole('button', { name: 'Make the new key' }).click();
    await step();
    await expect(made.getByLabel('API key').first()).toHaveText(/^sk_live_/);
    await made.getByLabel('I have stored the key').check();
    await made.getByRole('button', { name: 'Done' }).click();
    await expect(page.getByRole('row', { name: /trader/ })).toHaveCount(2);

    await choose('Revoke…');
    await accessible(page);
    await page.getByRole('button', { name: 'Revoke key' }).click();
    await expect(page.getByRole('row', { name: /trader/ })).toHaveCount(1);
    await page.getByRole('button', { name: /Show 1 that has ended/ }).click();
    await expect(page.getByRole('row', { name: /trader/ }).filter({ hasText: 'Revoked' })).toBeVisible();
  } finally {
    await page.close();
    await hub.stop();
  }
});
