// A real hub with simulated terminals: each in a folder of its own that goes with it, on a port that the system chooses.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = new URL('../../', import.meta.url).pathname;
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const built = [process.env.HUB_BINARY, join(target, 'release/mtbridge'), join(target, 'debug/mtbridge')];
const BINARY = built.find((path) => path && existsSync(path)) ?? '';
// Settings of whoever runs the tests are not the hub's.
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MTBRIDGE_'))) as Record<
  string,
  string
>;
const EXAMPLE_PASSWORD = 'a long walk along the quay';
/** Of the simulated terminals. */
export const SERVER = 'Demo-Server';

export interface Minted {
  id: string;
  name: string;
  token: string;
}
type Environment = Record<string, string>;

/** The last lines that hubs and terminals logged, for a test that fails. */
export const logged: string[] = [];
const keep = (text: string) => {
  logged.push(text);
  if (logged.length > 200) logged.shift();
};

/** Reads a stream of a process to its end; answers when a line has come that matches. */
function line(child: ChildProcess, from: 'stdout' | 'stderr', wanted: RegExp, within = 30_000): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const late = setTimeout(
      () => reject(new Error(`nothing like ${wanted} within ${within} ms: ${said.slice(-20).join('\n')}`)),
      within,
    );
    createInterface({ input: child[from]! })
      .on('line', (text) => {
        said.push(text);
        keep(text);
        const found = text.match(wanted);
        if (found) {
          clearTimeout(late);
          resolve(found);
        }
      })
      .on('close', () => {
        clearTimeout(late);
        reject(new Error(`it ended: ${said.slice(-20).join('\n')}`));
      });
  });
}

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve(),
  );

/** A terminal, or many, of one `mtbridge simulate`. */
export class Terminals {
  constructor(
    private readonly child: ChildProcess,
    readonly control: string,
  ) {}

  /** Asks the simulator's control API. */
  async ask<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.control}${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGINT');
    await ended(this.child);
  }
}

export class Hub {
  readonly login = 'anna';
  readonly password = EXAMPLE_PASSWORD;
  /** Told once at the first start. */
  code = '';
  admin = '';
  address = '';
  #child!: ChildProcess;
  #fleet: Terminals[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'mtbridge-e2e-'));

  private constructor(private readonly settings: Environment) {}

  /** A hub that nobody has used yet. */
  static async fresh(settings: Environment = {}): Promise<Hub> {
    if (!BINARY) throw new Error('there is no mtbridge to test: cargo build');
    const hub = new Hub(settings);
    await hub.start();
    return hub;
  }

  /** A hub whose owner has a password. */
  static async withOwner(settings: Environment = {}): Promise<Hub> {
    const hub = await Hub.fresh(settings);
    await hub.call('POST', '/api/v1/setup', { code: hub.code, login: hub.login, name: 'Anna', password: hub.password });
    return hub;
  }

  /** Starts it, or starts it again where it was. */
  async start(): Promise<void> {
    const again = this.address !== '';
    const child = spawn(
      BINARY,
      [
        'serve',
        '--data-dir',
        join(this.#folder, 'data'),
        '--listen',
        again ? this.address.slice(7) : '127.0.0.1:0',
        '--log',
        'info',
      ],
      {
        env: { ...ENVIRONMENT, ...this.settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    const told: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (text) => {
      told.push(text);
      keep(text);
      this.admin ||= text.match(/sk_live_\w+/)?.[0] ?? '';
      this.code ||= text.match(/set_\w+/)?.[0] ?? '';
    });
    const found = await line(child, 'stdout', /listening on (http:\/\/\S+)/).catch((error: Error) => {
      throw new Error(`${error.message}\n${told.join('\n')}`);
    });
    this.address = found[1]!;
    // Standard error may be read a moment later than standard output.
    for (let waited = 0; !again && !(this.admin && this.code) && waited < 200; waited++)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** As a machine dies: no goodbye. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await ended(this.#child);
  }

  /** A call under the admin key. */
  async call<T = Record<string, unknown>>(method: string, path: string, body?: unknown, headers: Environment = {}): Promise<T> {
    const answer = await fetch(`${this.address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.admin}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  mint(name: string): Promise<Minted> {
    return this.call<Minted>('POST', '/api/v1/tokens', { name });
  }

  /** A user with a password; answers the login. */
  async user(login: string, role: 'viewer' | 'member' | 'owner'): Promise<void> {
    const { setup_code } = await this.call<{ setup_code: string }>('POST', '/api/v1/users', { login, role, name: login });
    await this.call('POST', '/api/v1/setup', { code: setup_code, password: this.password });
  }

  /** Connects a simulated terminal with a token; it is on its way when this answers, the hub tells when it is there. */
  async simulate(token: string, login: number, ...more: string[]): Promise<Terminals> {
    return this.#simulate(['--token', token, '--login', String(login), ...more]);
  }

  /** The same for many at once, for which tokens are minted. */
  async simulateMany(count: number, first: number, ...more: string[]): Promise<Terminals> {
    return this.#simulate(['--key', this.admin, '--count', String(count), '--login', String(first), ...more]);
  }

  async #simulate(flags: string[]): Promise<Terminals> {
    const child = spawn(
      BINARY,
      [
        'simulate',
        '--url',
        `${this.address.replace('http', 'ws')}/ws/terminal`,
        '--server',
        SERVER,
        '--control',
        '127.0.0.1:0',
        '--log',
        'info',
        ...flags,
      ],
      {
        env: ENVIRONMENT,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    const [, control] = await line(child, 'stderr', /control\D*(?:http:\/\/)?(127\.0\.0\.1:\d+)/);
    const terminals = new Terminals(child, `http://${control}`);
    this.#fleet.push(terminals);
    return terminals;
  }

  /** A token whose terminal is there. */
  async connected(name: string, login: number, ...more: string[]): Promise<Minted & { terminals: Terminals }> {
    const minted = await this.mint(name);
    const terminals = await this.simulate(minted.token, login, ...more);
    await this.until(
      async () => (await this.call<{ state: string }>('GET', `/api/v1/tokens/${minted.id}`)).state === 'connected',
    );
    return { ...minted, terminals };
  }

  /** Asks until it is so. */
  async until(is: () => Promise<boolean>, within = 30_000): Promise<void> {
    const end = Date.now() + within;
    while (!(await is())) {
      if (Date.now() > end) throw new Error(`not so after ${within} ms`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#fleet.map((one) => one.stop()));
    this.#child.kill('SIGTERM');
    await ended(this.#child);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The text of axe, to be evaluated in a page: the debugger is not bound by its CSP. */
export const AXE = readFileSync(join(root, 'dashboard/node_modules/axe-core/axe.min.js'), 'utf8');
