// Every part of the settings as a person uses it, with axe in each dialog.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from '@playwright/test';
import { accessible, expect, open, test } from './fixtures';
import { Hub } from './hub';

/** An address that webhooks go to: it answers what it is told to, and remembers what came. */
class Receiver {
  status = 204;
  readonly came: string[] = [];
  readonly #server: Server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      this.came.push((JSON.parse(text) as { type: string }).type);
      response.writeHead(this.status).end();
    });
  });
  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`;
  }
  close(): void {
    this.#server.close();
  }
}

/** A dialog in one theme: its colours are those of the page, which is looked at in both. */
const readable = (page: Page) => accessible(page, ['dark']);

test('the keyboard goes to the settings, and its list of keys is a dialog', async ({ page, hub }) => {
  await open(page, hub, '/connections');
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeFocused();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await readable(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a hook is made as a dry run, shows what came, is changed, let loose, gets a new address and ends', async ({
  page,
  hub,
}) => {
  test.setTimeout(120_000);
  const { id } = await hub.connected('for alerts', 4101);
  await open(page, hub, '/settings/hooks');
  await page.getByRole('button', { name: 'New hook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('strategy');
  await dialog.getByLabel('Trades go to').selectOption(id);
  await dialog.getByLabel('Symbols that are called otherwise').fill('OANDA:EURUSD');
  await expect(dialog.getByText('a line each, TradingView’s name = the broker’s name')).toBeVisible();
  await dialog.getByLabel('Symbols that are called otherwise').fill('OANDA:EUR = EURUSD');
  await expect(dialog.getByLabel('Dry run')).toBeChecked();
  await dialog.getByLabel('Any address').check();
  await readable(page);
  await dialog.getByRole('button', { name: 'Make the hook' }).click();
  const address = await dialog.getByLabel('Webhook URL').first().innerText();
  await expect(dialog.getByLabel('Message, for a strategy').first()).toContainText('{{strategy.order.action}}');
  await readable(page);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeVisible();
  await dialog.getByLabel('I have stored the address').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  const card = page.getByRole('region', { name: 'Hook strategy' });
  await expect(card).toContainText('OANDA:EUR is EURUSD');
  expect(await page.content()).not.toContain(address);

  const alert = async (text: string) => {
    const answer = await fetch(address, { method: 'POST', body: text });
    return `${answer.status} ${await answer.text()}`;
  };
  expect(await alert('buy OANDA:EUR 0.01')).toMatch(/^200 /);
  await alert('buy EURUSD a lot');
  await card.getByRole('button', { name: 'What came' }).click();
  await expect(dialog.getByRole('listitem').filter({ hasText: 'Dry run' })).toContainText('Would be: Buy 0.01 EURUSD');
  await expect(dialog.getByRole('listitem').filter({ hasText: 'Refused' })).toContainText('a lot');
  await readable(page);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await card.getByRole('button', { name: 'Messages' }).click();
  await readable(page);
  await page.keyboard.press('Escape');

  const choose = async (what: string) => {
    await page.getByRole('button', { name: 'More for strategy' }).click();
    await page.getByRole('menuitem', { name: what }).click();
  };
  await choose('Change…');
  await dialog.getByLabel('Lots').fill('0.02');
  await readable(page);
  await dialog.getByRole('button', { name: 'Change the hook' }).click();
  await expect(card).toContainText('0.02 where the alert names none');
  await choose('Trade for real…');
  await readable(page);
  await dialog.getByRole('button', { name: 'Trade for real' }).click();
  await expect(card).toContainText('Trades for real');
  expect(await alert('buy EURUSD')).toMatch(/^202 /);
  await choose('New address…');
  await readable(page);
  await dialog.getByRole('button', { name: 'Make a new address' }).click();
  await expect(dialog.getByLabel('Webhook URL').first()).not.toHaveText(address);
  await dialog.getByLabel('I have stored the address').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(card).toContainText('Old address');
  await card.getByRole('button', { name: 'What came' }).click();
  await expect(dialog.getByRole('listitem').filter({ hasText: 'Sent' })).toContainText('Became: Buy 0.02 EURUSD');
  await dialog.getByRole('link', { name: 'What became of it' }).click();
  await expect(page).toHaveURL(/\/audit\/commands\?id=cmd_/);
  await expect(page.getByRole('table', { name: 'Commands' })).toContainText('Filled');
  await page.goBack();
  await choose('Delete…');
  await readable(page);
  await dialog.getByRole('button', { name: 'Delete the hook' }).click();
  await expect(page.getByText('No hook yet')).toBeVisible();
});

test('a webhook sends what was chosen; what is not taken is listed with its answer and sent again', async ({ page }) => {
  test.setTimeout(120_000);
  const receiver = new Receiver();
  const hub = await Hub.withOwner({
    MTBRIDGE_WEBHOOKS__ALLOW_HTTP: 'true',
    MTBRIDGE_WEBHOOKS__ALLOW_PRIVATE: '["127.0.0.0/8"]',
  });
  try {
    const url = await receiver.listen();
    await open(page, hub, '/settings/webhooks');
    await page.getByRole('button', { name: 'New webhook' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name', { exact: true }).fill('my program');
    await dialog.getByRole('textbox', { name: /^Address/ }).fill(url);
    await dialog.getByRole('checkbox', { name: /^What becomes of orders/ }).uncheck();
    await dialog.getByRole('checkbox', { name: /^Deals/ }).uncheck();
    await expect(dialog.getByText('Choose what is sent.')).toBeVisible();
    await expect(dialog.getByRole('button', { name: 'Make the webhook' })).toBeDisabled();
    await dialog.getByRole('checkbox', { name: /^Connection tokens/ }).check();
    await readable(page);
    await dialog.getByRole('button', { name: 'Make the webhook' }).click();
    await expect(dialog.getByLabel('Secret').first()).toHaveText(/^whsec_/);
    await readable(page);
    await page.keyboard.press('Escape');
    await dialog.getByLabel('I have stored it').check();
    await dialog.getByRole('button', { name: 'Done' }).click();
    const card = page.getByRole('region', { name: 'Webhook my program' });
    await expect(card).toContainText('token.*');
    await card.getByRole('button', { name: 'Send a test' }).click();
    await expect(card.getByRole('status')).toContainText('The test was taken: 204.');

    receiver.status = 500;
    await hub.mint('told of');
    await expect.poll(() => receiver.came).toContain('token.created');
    await page.reload();
    await expect(card).toContainText('1 waiting, 0 given up');
    await card.getByRole('button', { name: 'What was not taken' }).click();
    const waiting = dialog.getByRole('listitem').filter({ hasText: 'token.created' });
    await expect(waiting).toContainText('Waiting');
    await expect(waiting).toContainText(/\d of 10 tries/);
    await expect(waiting).toContainText('500');
    await readable(page);
    receiver.status = 204;
    await waiting.getByRole('button', { name: /Send again/ }).click();
    await expect(dialog.getByRole('status')).toContainText('on its way again');
    await expect(async () => {
      await dialog.getByRole('button', { name: 'Look again' }).click();
      await expect(dialog.getByText('Everything was taken.')).toBeVisible({ timeout: 500 });
    }).toPass();
    await readable(page);
    await dialog.getByRole('button', { name: 'Close' }).click();

    const choose = async (what: string) => {
      await page.getByRole('button', { name: 'More for my program' }).click();
      await page.getByRole('menuitem', { name: what }).click();
    };
    await choose('Change…');
    await dialog.getByText('Single kinds').click();
    await dialog.getByLabel('Kind of event').fill('command.executed');
    await dialog.getByLabel('Kind of event').press('Enter');
    await readable(page);
    await dialog.getByRole('button', { name: 'Change the webhook' }).click();
    await expect(card).toContainText('token.*, command.executed');
    await choose('New secret…');
    await readable(page);
    await dialog.getByRole('button', { name: 'Make a new secret' }).click();
    await expect(dialog.getByLabel('Secret').first()).toHaveText(/^whsec_/);
    await dialog.getByLabel('I have stored it').check();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await choose('Disable…');
    await readable(page);
    await dialog.getByRole('button', { name: 'Disable the webhook' }).click();
    await expect(card).toContainText('Disabled');
    await choose('Enable');
    await expect(card).toContainText('Working');
    await choose('Delete…');
    await readable(page);
    await dialog.getByRole('button', { name: 'Delete the webhook' }).click();
    await expect(page.getByText('No webhook yet')).toBeVisible();
  } finally {
    await page.close();
    receiver.close();
    await hub.stop();
  }
});

test('users are changed, kept out and let in, reset and deleted, and their plan is set', async ({ page }) => {
  test.setTimeout(120_000);
  const hub = await Hub.withOwner();
  try {
    await hub.user('carol', 'member');
    await open(page, hub, '/settings/users');
    const dialog = page.getByRole('dialog');
    const row = page.getByRole('row', { name: /carol/ });
    const choose = async (what: string) => {
      await page.getByRole('button', { name: 'More for carol' }).click();
      await page.getByRole('menuitem', { name: what }).click();
      await readable(page);
    };
    await choose('Change…');
    await dialog.getByLabel('Name', { exact: true }).fill('Carol');
    await dialog.getByLabel('Owner').check();
    await dialog.getByRole('button', { name: 'Change the user' }).click();
    await expect(row).toContainText('owner');
    await choose('Disable…');
    await expect(dialog).toContainText('their terminals are cut');
    await dialog.getByRole('button', { name: 'Disable user' }).click();
    await expect(row).toContainText('disabled');
    await choose('Enable…');
    await dialog.getByRole('button', { name: 'Enable user' }).click();
    await expect(row).toContainText('active');
    await choose('Reset password…');
    await dialog.getByRole('button', { name: 'Reset the password' }).click();
    await expect(dialog.getByLabel('Set-up code').first()).toHaveText(/^set_/);
    await readable(page);
    await dialog.getByLabel('I have passed it on').check();
    await dialog.getByRole('button', { name: 'Done' }).click();
    await expect(row).toContainText('invited');

    await page.getByRole('link', { name: 'Plans' }).click();
    await expect(page.getByRole('row', { name: /^Pro/ })).toContainText('1,000');
    await page.getByRole('button', { name: 'Change… the plan of Carol' }).click();
    await dialog.getByLabel('Free').check();
    await expect(dialog).toContainText('refused with 429');
    await readable(page);
    await dialog.getByRole('button', { name: 'Change the plan' }).click();
    await expect(page.getByRole('table', { name: 'Tenants' }).getByRole('row', { name: /Carol/ })).toContainText('Free');

    await page.getByRole('link', { name: 'Users' }).click();
    await choose('Delete…');
    await expect(dialog).toContainText('It cannot be undone');
    await dialog.getByRole('button', { name: 'Delete user' }).click();
    await expect(row).toHaveCount(0);
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('a member sees the plans and no tenants, and a plan above the ceiling cannot be chosen @phone', async ({ page, hub }) => {
  await hub.user('mike', 'member');
  const tenants = await hub.call<{ data: { id: string; owner: { login: string } | null }[] }>('GET', '/api/v1/tenants');
  const his = tenants.data.find((tenant) => tenant.owner?.login === 'mike')!;
  await hub.call('PATCH', `/api/v1/tenants/${his.id}`, { plan: 'free' });
  await open(page, hub, '/settings/plans', 'mike');
  await expect(page.getByText('Your keys have Free at most')).toBeVisible();
  await expect(page.getByText('Whoever runs this hub can change that.')).toBeVisible();
  await expect(page.getByRole('table', { name: 'Tenants' })).toHaveCount(0);
  await accessible(page);
  await page.getByRole('link', { name: 'API keys' }).click();
  await page.getByRole('button', { name: 'New key' }).first().click();
  await expect(page.getByLabel('Plan')).toHaveValue('free');
  await expect(page.getByRole('option', { name: /^Pro/ })).toBeDisabled();
  await readable(page);
});

test('one sees where one is signed in, ends the others, and learns what a password needs @phone', async ({
  page,
  hub,
  errors,
  browser,
}) => {
  errors.allow(/422 .*\/api\/v1\/session\/password$/);
  await hub.user('nora', 'member');
  for (let time = 0; time < 2; time++) {
    const other = await browser.newContext();
    await other.request.post(`${hub.address}/api/v1/session`, {
      data: { login: 'nora', password: hub.password },
      headers: { origin: hub.address },
    });
    await other.close();
  }
  await open(page, hub, '/settings', 'nora');
  const logins = page.getByRole('region', { name: 'Logins' });
  await expect(logins.getByText('from 127.0.0.1')).toHaveCount(3);
  await expect(logins.getByText('this one')).toHaveCount(1);
  await accessible(page);
  const dialog = page.getByRole('dialog');
  await logins.getByRole('button', { name: 'End it…' }).first().click();
  await readable(page);
  await page.keyboard.press('Escape');
  await logins.getByRole('button', { name: 'End all others…' }).click();
  await readable(page);
  await dialog.getByRole('button', { name: 'End them' }).click();
  await expect(logins.getByText('from 127.0.0.1')).toHaveCount(1);
  await page.getByLabel('The one you have').fill(hub.password);
  await page.getByLabel('The new one').fill('short');
  await expect(page.getByText('7 more characters at least.')).toBeVisible();
  const change = page.getByRole('button', { name: 'Change the password' });
  await expect(change).toBeDisabled();
  await page.getByLabel('The new one').fill('nora nora nora');
  await change.click();
  await expect(page.getByRole('alert').filter({ hasText: /\w/ })).toBeVisible();
  await readable(page);
  await page.getByLabel('The new one').fill('a quiet morning by the sea');
  await change.click();
  await expect(page.getByText('The password is changed')).toBeVisible();
});

test('a kill switch says for whom, how far, who raised it and why; lifting it asks for a reason', async ({ page, hub }) => {
  await hub.connected('to be stopped', 4201);
  await open(page, hub, '/settings/kill-switch');
  await page.getByRole('button', { name: 'Stop trading…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: /^For/ }).selectOption('4201@Demo-Server');
  await dialog.getByLabel('Flatten').check();
  await expect(dialog.getByRole('button', { name: 'Stop and close everything' })).toBeDisabled();
  await readable(page);
  await dialog.getByRole('combobox', { name: /^For/ }).selectOption({ label: 'Key first admin' });
  await expect(dialog.getByRole('radio')).toHaveCount(1);
  await dialog.getByRole('combobox', { name: /^For/ }).selectOption('4201@Demo-Server');
  await dialog.getByRole('radio', { name: /^Block No/ }).check();
  await dialog.getByLabel('Why').fill('bot runs wild');
  await dialog.getByRole('button', { name: 'Stop trading' }).click();
  const card = page.getByRole('region', { name: 'Kill switch' });
  await expect(card).toContainText('Account 4201 on Demo-Server: Block');
  await expect(card).toContainText('by you');
  await expect(page.getByRole('navigation', { name: 'Settings' })).toContainText('Kill switch on');
  await accessible(page);
  await page.getByRole('button', { name: 'Lift…' }).click();
  await expect(dialog.getByRole('button', { name: 'Lift it' })).toBeDisabled();
  await expect(dialog).toContainText('You raised it');
  await dialog.getByLabel('What has changed').fill('mended');
  await readable(page);
  await dialog.getByRole('button', { name: 'Lift it' }).click();
  await expect(card).toContainText('No kill switch stands.');
});
