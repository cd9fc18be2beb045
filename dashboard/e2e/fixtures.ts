// What every test has: a hub, a page that must stay without errors, and axe.
import { expect, test as base, type Page } from '@playwright/test';
import { AXE, Hub, logged } from './hub';

interface Given {
  errors: { allow: (pattern: RegExp) => void };
}

export const test = base.extend<Given, { hub: Hub }>({
  hub: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a fixture needs from this pattern.
    async ({}, use) => {
      const hub = await Hub.withOwner();
      await use(hub);
      await hub.stop();
    },
    { scope: 'worker' },
  ],
  /** Errors of the console and of scripts fail the test: that is how the CSP and Trusted Types are tested, too. */
  errors: [
    async ({ page }, use, info) => {
      const seen: string[] = [];
      // The page finds out that nobody is signed in by asking.
      const allowed = [/401 .*\/api\/v1\/session$/];
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) seen.push(`${message.text()} ${message.location().url}`);
      });
      page.on('pageerror', (error) => seen.push(String(error)));
      await use({ allow: (pattern) => allowed.push(pattern) });
      if (info.status !== info.expectedStatus) console.log(`What was logged last:\n${logged.join('\n')}`);
      expect(seen.filter((one) => !allowed.some((pattern) => pattern.test(one)))).toEqual([]);
    },
    { auto: true },
  ],
});
export { expect };

/** Signs in without the form: the cookie is the browser's then. */
export async function signIn(page: Page, hub: Hub, login = hub.login): Promise<void> {
  const answer = await page.request.post(`${hub.address}/api/v1/session`, {
    data: { login, password: hub.password },
    headers: { origin: hub.address },
  });
  expect(answer.status(), await answer.text()).toBe(201);
}

/** Signed in and on a page of the hub, once its link is live. */
export async function open(page: Page, hub: Hub, path: string, login?: string): Promise<void> {
  await signIn(page, hub, login);
  const live = page.waitForEvent('websocket');
  await page.goto(`${hub.address}${path}`);
  await live;
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

interface Violation {
  id: string;
  help: string;
  nodes: { html: string; failureSummary?: string }[];
}

/** No violation in either theme, or in one of them where the rest of the page was looked at in both, and nothing wider than the window. */
export async function accessible(page: Page, themes: ('light' | 'dark')[] = ['light', 'dark']): Promise<void> {
  await page.evaluate(AXE);
  for (const theme of themes) {
    await page.evaluate((to) => (document.documentElement.dataset.theme = to), theme);
    const found = await page.evaluate(() =>
      (window as unknown as { axe: { run: (what: Document, how: object) => Promise<{ violations: Violation[] }> } }).axe
        .run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then((result) => result.violations),
    );
    expect(
      found.map(
        (one) => `${theme} ${one.id}: ${one.help}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
      ),
    ).toEqual([]);
  }
  await page.evaluate(() => {
    delete document.documentElement.dataset.theme;
  });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'sideways scroll').toBeLessThanOrEqual(0);
}
