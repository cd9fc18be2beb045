import { accessible, expect, open, signIn, test } from './fixtures';
import { Hub } from './hub';

test('the first run: the code of the log makes the owner, who is signed in then @phone', async ({ page, errors }) => {
  const hub = await Hub.fresh();
  try {
    errors.allow(/401 .*\/api\/v1\/setup$/);
    await page.goto(hub.address);
    await expect(page).toHaveURL(/\/connections$/);
    await expect(page.getByRole('heading', { name: 'Welcome to mtbridge' })).toBeVisible();
    await accessible(page);
    await page.getByLabel('Set-up code').fill('set_wrong');
    await page.getByLabel('Your name').fill('Anna');
    await page.getByLabel('Login').fill('anna');
    await page.getByLabel('Password', { exact: true }).fill(hub.password);
    await page.getByRole('button', { name: 'Set up and sign in' }).click();
    await expect(page.getByRole('alert')).toContainText(/code/);
    await page.getByLabel('Set-up code').fill(hub.code);
    await page.getByRole('button', { name: 'Set up and sign in' }).click();
    await expect(page.getByRole('heading', { name: 'Connections' })).toBeVisible();
    await expect(page.getByText('No terminal yet')).toBeVisible();
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('a wrong password is told, the right one keeps the path, and signing out ends it @phone', async ({ page, hub }, info) => {
  await page.goto(`${hub.address}/keys`);
  const password = page.getByLabel('Password', { exact: true });
  await page.getByLabel('Login').fill(hub.login);
  await password.fill('not the right one');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(password).toHaveAttribute('type', 'text');
  await page.getByRole('button', { name: 'Hide' }).click();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).not.toBeEmpty();
  await accessible(page);
  await password.fill(hub.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(/\/keys$/);
  await expect(page.getByRole('heading', { name: 'API keys' })).toBeVisible();
  if (info.project.name === 'phone') await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  expect(await page.context().cookies()).toEqual([]);
});

test('a session that ends elsewhere shows the form, and the path is kept', async ({ page, hub, errors }) => {
  errors.allow(/40[15] .*\/api\//);
  await open(page, hub, '/keys');
  await page.context().clearCookies();
  // What the form asks the hub for is refused already, or what the page had still to ask for was, and the button is gone.
  const signsIn = page.getByRole('button', { name: 'Sign in' });
  await page
    .getByRole('button', { name: 'New key' })
    .click({ timeout: 5000 })
    .catch(() => undefined);
  await expect(signsIn).toBeVisible();
  await signIn(page, hub);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'API keys' })).toBeVisible();
});

test('the end of a session that nobody uses is told before, and then the form is shown', async ({ page, errors }) => {
  const hub = await Hub.withOwner({ MTBRIDGE_SESSIONS__IDLE: '6s' });
  try {
    errors.allow(/401 .*\/api\/|WebSocket connection/);
    await open(page, hub, '/settings');
    await expect(page.getByText(/You are signed out in less than a minute/)).toBeVisible();
    await expect(page.getByRole('button', { name: 'Stay signed in' })).toBeVisible();
    await expect(page.getByRole('heading', { name: 'Sign in to mtbridge' })).toBeVisible();
    await expect(page).toHaveURL(/\/settings$/);
  } finally {
    await page.close();
    await hub.stop();
  }
});

test('users are invited with a code that is shown once, and come in with it', async ({ page, hub, browser }) => {
  await open(page, hub, '/settings/users');
  await page.getByRole('button', { name: 'New user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Login').fill('dora');
  await accessible(page);
  await dialog.getByRole('button', { name: 'Make the user' }).click();
  const code = await dialog.getByLabel('Set-up code').first().innerText();
  expect(code).toMatch(/^set_\w+$/);
  await accessible(page);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeVisible();
  await dialog.getByLabel('I have passed it on').check();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('row', { name: /dora.*viewer.*invited/ })).toBeVisible();

  const hers = await browser.newContext();
  const other = await hers.newPage();
  await other.goto(hub.address);
  await other.getByRole('button', { name: 'I have a set-up code' }).click();
  await other.getByLabel('Set-up code').fill(code);
  await other.getByLabel('Password', { exact: true }).fill(hub.password);
  await other.getByRole('button', { name: 'Set up and sign in' }).click();
  await expect(other.getByRole('heading', { name: 'Connections' })).toBeVisible();
  await hers.close();
});

test('a viewer sees and cannot act', async ({ page, hub }) => {
  const { id } = await hub.connected('seen by all', 1901);
  await hub.user('vera', 'viewer');
  await open(page, hub, '/connections', 'vera');
  await expect(page.getByRole('row', { name: /seen by all/ })).toBeVisible();
  await expect(page.getByRole('button', { name: 'New connection' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: /More for/ })).toHaveCount(0);
  await accessible(page);
  await page.getByRole('link', { name: 'API keys' }).click();
  await expect(page.getByText('Not for viewers')).toBeVisible();
  await page.goto(`${hub.address}/terminal/${id}`);
  await expect(page.getByText('Nothing is open.')).toBeVisible();
  await expect(page.getByText(/Bid/)).toBeVisible();
  await expect(page.getByRole('button', { name: /Buy|Sell|Close/ })).toHaveCount(0);
  await page.goto(`${hub.address}/settings/kill-switch`);
  await expect(page.getByText('Trading is on')).toBeVisible();
  await expect(page.getByRole('button', { name: /Stop trading/ })).toHaveCount(0);
});
