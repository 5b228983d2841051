// SPDX-License-Identifier: Apache-2.0
//
// The server: where it is, how it is installed, its process and what it is told. In: the setting,
// PATH, our own folder, the user's settings. Out: a running server, what it sends, one line for each
// failure. No shell is ever asked. Knows nothing of what the user sees but the progress of a program.

import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, rm, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  TransportKind,
  type ErrorHandler,
  type LanguageClientOptions,
  type ServerOptions,
} from 'vscode-languageclient/node';

export const SECTION = 'ghostwright';
const OURS = new Set(['serverPath', 'serverPackage']); // settings that the server does not know
const RESTARTS = 4; // a fifth end in three minutes is the last
const ERRORS = 3; // of the connection, one after the other, until the server is stopped
const STARTING_MAX_MS = 10_000; // then it hangs
const REST_MS = 350; // a pause: in a burst of keys the server answers in words, afterwards in lines
const IS_WINDOWS = process.platform === 'win32';
const PROGRAM = IS_WINDOWS ? 'ghostwright.exe' : 'ghostwright';
const SCRIPTS = IS_WINDOWS ? 'Scripts' : 'bin';
const PYTHONS = IS_WINDOWS
  ? ['python3.exe', 'python.exe', 'py.exe']
  : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
const PYTHON_CHECK = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
const KEPT_CHARS = 4000; // of what a program says: enough for its last lines

/** A reason of one line that the user is to read. */
export class Failed extends Error {}

/** The user called it off. */
export class Cancelled extends Error {}

/** The object of `ghostwright/status`; `off` is ours. */
export interface Status {
  state: 'off' | 'starting' | 'indexing' | 'loading' | 'ready' | 'busy' | 'paused' | 'no-model' | 'error';
  message: string;
  model: string;
  index: { files: number; done: number };
  resident_tokens: number;
}

/** Who is told what the server sends, and what becomes of it. */
export interface Hearer {
  status(status: Status): void;
  answer(token: string, text: string): void;
  suggested(): void;
  restarting(): void;
  gaveUp(): void;
}

type Found = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;

const AUTOMATIC = vscode.InlineCompletionTriggerKind.Automatic;

/** The library's client, whose errors go into the log: what the user has to know, we say ourselves. */
class Client extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** What would be inserted, in order. */
function texts(found: Found): string[] {
  const items = Array.isArray(found) ? found : (found?.items ?? []);
  return items.map(({ insertText }) => (typeof insertText === 'string' ? insertText : insertText.value));
}

/** Waits while it starts, within a limit: the library stops no client that is starting. */
async function settled(client: Client): Promise<void> {
  if (!client.needsStop()) return;
  const started = client.start().catch(() => undefined); // the start that is under way, or was done
  await Promise.race([started, after(STARTING_MAX_MS, undefined, { ref: false })]);
}

/** One server process and the connection with it. */
export class Server {
  program: string | undefined;
  private client: Client | undefined;
  private rest: vscode.CancellationTokenSource | undefined; // a pause in which we ask once more
  /** The answer to the question that we are about to have VS Code ask. */
  private ready: { found: Found; of: vscode.TextDocument; version: number } | undefined;
  private hasRun = false; // what never did is not started again and again
  private readonly told = new Set<string>(); // names of settings that this process was told once

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly hearer: Hearer,
  ) {}

  get isRunning(): boolean {
    return this.client?.isRunning() ?? false;
  }

  /** False where there is no server to start. Throws Failed. */
  async start(): Promise<boolean> {
    this.program = await find(this.context);
    if (!this.program) return false;
    await mkdir(this.context.globalStorageUri.fsPath, { recursive: true });
    this.told.clear();
    this.hasRun = false;
    const client = new Client(SECTION, 'Ghostwright', this.process(this.program), this.options());
    this.client = client;
    client.onNotification('ghostwright/status', (status: Status) => this.hearer.status(status));
    client.onNotification('ghostwright/answer', (piece: { token: string; text: string }) =>
      this.hearer.answer(piece.token, piece.text),
    );
    try {
      await client.start();
    } catch (error) {
      // The client knows that the pipe is closed; what the program itself says is worth more.
      const reason = await run(this.program, ['serve', '--stdio']).then(() => oneLine(error), oneLine);
      throw new Failed(`${this.program} does not start: ${reason}`);
    }
    this.hasRun = true;
    return true;
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (!client) return;
    await settled(client);
    try {
      await client.dispose();
    } catch (error) {
      this.log.warn(`stopping: ${oneLine(error)}`); // it has ended, or was never there
    }
  }

  /** Have it do something. Throws Failed without a server, and what the server refuses. */
  async ask<T>(command: string, ...args: unknown[]): Promise<T> {
    if (!this.client?.isRunning()) throw new Failed('the server is not running');
    return (await this.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args })) as T;
  }

  private process(program: string): ServerOptions {
    // In our own folder: in the workspace's, its files could be taken for programs or modules.
    const options = { cwd: this.context.globalStorageUri.fsPath, shell: false };
    return { command: program, args: ['serve'], transport: TransportKind.stdio, options };
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
      outputChannel: this.log,
      initializationOptions: () => ({ ...this.settings(), clientCommands: ['ghostwright.instruct'] }),
      errorHandler: this.errorHandler(),
      initializationFailedHandler: () => false, // `start` throws
      middleware: {
        provideInlineCompletionItems: async (document, position, context, token, next) => {
          this.rest?.cancel();
          const { found: ready, of, version } = this.ready ?? {};
          this.ready = undefined;
          if (ready && of === document && version === document.version) return ready;
          const found = await next(document, position, context, token);
          if (texts(found).length) this.hearer.suggested();
          if (context.triggerKind === AUTOMATIC && !token.isCancellationRequested) {
            const rest = new vscode.CancellationTokenSource();
            this.rest = rest;
            const ask = async () => next(document, position, context, rest.token);
            setTimeout(() => void this.askAgain(document, texts(found), rest.token, ask), REST_MS);
          }
          return found;
        },
        workspace: {
          configuration: (params, token, next) =>
            params.items.every(({ section }) => section === SECTION)
              ? params.items.map(() => this.settings())
              : next(params, token),
        },
      },
    };
  }

  /** Whoever has stopped after a burst sees the rest, and what was not there in time: VS Code asks at a key only. */
  private async askAgain(
    document: vscode.TextDocument,
    shown: string[],
    token: vscode.CancellationToken,
    ask: () => Promise<Found>,
  ): Promise<void> {
    if (token.isCancellationRequested) return; // a key came
    const version = document.version;
    const found = await ask();
    const isThere = vscode.window.activeTextEditor?.document === document && document.version === version;
    if (token.isCancellationRequested || !isThere) return;
    const better = texts(found);
    if (!better.length || better.join('\0') === shown.join('\0')) return; // hidden and shown again, it flickers
    this.ready = { found, of: document, version };
    // What is shown would be kept beside what comes.
    void vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    void vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  }

  /**
   * What the user has set. Defaults are the server's own affair, so that the user's config.toml
   * counts; but what a running server was told once is told again after it was unset.
   */
  private settings(): Record<string, unknown> {
    const configuration = vscode.workspace.getConfiguration(SECTION);
    const settings: Record<string, unknown> = {};
    for (const name of this.settingNames()) {
      const found = configuration.inspect(name);
      const values = [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue];
      if (values.every((value) => value === undefined) && !this.told.has(name)) continue;
      this.told.add(name);
      const [group, inner] = name.split('.') as [string, string?];
      const value: unknown = configuration.get(name);
      settings[group] = inner ? { ...(settings[group] as object | undefined), [inner]: value } : value;
    }
    return settings;
  }

  private settingNames(): string[] {
    const manifest = this.context.extension.packageJSON as {
      contributes: { configuration: { properties: Record<string, unknown> } };
    };
    const names = Object.keys(manifest.contributes.configuration.properties);
    return names.map((name) => name.slice(SECTION.length + 1)).filter((name) => !OURS.has(name));
  }

  /** As the client's own, but the end of all tries is said with what to do. */
  private errorHandler(): ErrorHandler {
    let usual: ErrorHandler | undefined;
    return {
      error: (error, _message, count = 0) => {
        this.log.error(`connection: ${error.message}`);
        return { action: count <= ERRORS ? ErrorAction.Continue : ErrorAction.Shutdown, handled: true };
      },
      closed: async () => {
        if (!this.hasRun) return { action: CloseAction.DoNotRestart, handled: true };
        usual ??= this.client?.createDefaultErrorHandler(RESTARTS);
        const action = (await usual?.closed())?.action ?? CloseAction.DoNotRestart;
        if (action === CloseAction.Restart) this.hearer.restarting();
        else this.hearer.gaveUp();
        return { action, handled: true };
      },
    };
  }
}

/** The environment that this extension installs the server into. */
function ownEnvironment(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, 'environment');
}

/** The server's program: what the setting says, else on PATH, else our own; undefined if none. */
async function find(context: vscode.ExtensionContext): Promise<string | undefined> {
  const named = vscode.workspace.getConfiguration(SECTION).get('serverPath', '').trim();
  if (named) {
    if (path.isAbsolute(named) && (await isProgram(named))) return named;
    throw new Failed(`the setting ghostwright.serverPath is not a program with its whole path: ${named}`);
  }
  const own = path.join(ownEnvironment(context), SCRIPTS, PROGRAM);
  return (await onPath(PROGRAM)) ?? ((await isProgram(own)) ? own : undefined);
}

/** Make our own environment and install the server into it; nothing half-made is left behind. */
export async function install(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): Promise<string> {
  const wanted = vscode.workspace.getConfiguration(SECTION).get('serverPackage', '').trim();
  if (!wanted) {
    // No name of a package by default: until one is published, it could be anybody's.
    void vscode.commands.executeCommand('workbench.action.openSettings', 'ghostwright.serverPackage');
    throw new Failed('say in ghostwright.serverPackage what to install: the whole path of a clone of Ghostwright');
  }
  const environment = ownEnvironment(context);
  const python = path.join(environment, SCRIPTS, IS_WINDOWS ? 'python.exe' : 'python');
  await mkdir(context.globalStorageUri.fsPath, { recursive: true });
  try {
    await withProgress('Ghostwright: installing the server', log, async (run) => {
      await run(await findPython(), ['-I', '-m', 'venv', '--clear', environment]);
      // pip of a new environment may be too old for the wheels of this machine
      await run(python, ['-I', '-m', 'pip', 'install', '--disable-pip-version-check', '--upgrade', 'pip']);
      await run(python, ['-I', '-m', 'pip', 'install', '--disable-pip-version-check', '--', wanted]);
    });
  } catch (error) {
    await rm(environment, { recursive: true, force: true });
    throw error;
  }
  const program = path.join(environment, SCRIPTS, PROGRAM);
  if (await isProgram(program)) return program;
  throw new Failed(`${wanted} was installed, but brings no program named ${PROGRAM}`);
}

/** Run programs behind one notification that shows their last line and can call them off. */
export async function withProgress(
  title: string,
  log: vscode.LogOutputChannel,
  work: (run: (program: string, args: string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  await vscode.window.withProgress(options, async (progress, token) => {
    await work((program, args) => {
      log.info(`${program} ${args.join(' ')}`);
      return run(program, args, token, (message) => {
        log.trace(message);
        progress.report({ message });
      });
    });
  });
}

/** What a program prints. Throws Failed with its last line, or Cancelled. */
function run(
  program: string,
  args: string[],
  token?: vscode.CancellationToken,
  hear: (line: string) => void = () => undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // A folder of the workspace as the working directory would let its files be imported or run.
    const child = spawn(program, args, { shell: false, windowsHide: true, cwd: path.dirname(program), stdio: 'pipe' });
    const stop = token?.onCancellationRequested(() => child.kill());
    let printed = '';
    let said = '';
    const take = (data: Buffer): void => {
      said = (said + data.toString('utf8')).slice(-KEPT_CHARS);
      const line = lastLine(said);
      if (line) hear(line);
    };
    child.stdin.end();
    child.stdout.on('data', (data: Buffer) => {
      printed += data.toString('utf8');
      take(data);
    });
    child.stderr.on('data', take);
    child.on('error', (error) => reject(new Failed(`${path.basename(program)}: ${error.message}`)));
    child.on('close', (code, signal) => {
      stop?.dispose();
      if (token?.isCancellationRequested) reject(new Cancelled('called off'));
      else if (code === 0) resolve(printed);
      else reject(new Failed(lastLine(said) || `${path.basename(program)} ended with ${code ?? signal}`));
    });
  });
}

function lastLine(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter(Boolean).at(-1) ?? '';
}

async function findPython(): Promise<string> {
  for (const name of PYTHONS) {
    const program = await onPath(name);
    if (program && (await succeeds(program, ['-I', '-c', PYTHON_CHECK]))) return program;
  }
  throw new Failed('there is no Python 3.10 or newer with venv on PATH; on Debian: apt install python3-venv');
}

async function succeeds(program: string, args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}

/** A program on PATH. Relative places, and those in a folder that is not trusted, do not count. */
async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const program = path.join(folder, name);
    if (path.isAbsolute(folder) && !isUntrusted(program) && (await isProgram(program))) return program;
  }
  return undefined;
}

function isUntrusted(program: string): boolean {
  return !vscode.workspace.isTrusted && vscode.workspace.getWorkspaceFolder(vscode.Uri.file(program)) !== undefined;
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim();
}
