// SPDX-License-Identifier: Apache-2.0
//
// Ghostwright in VS Code: starts the server, hands it the settings, shows what it says. In: the
// user's commands, the server's notifications. Out: requests, a status bar item, read-only views.
// What is suggested, when and why is decided by the server; nothing of that is here.

import * as vscode from 'vscode';
import { Cancelled, Failed, SECTION, Server, install, oneLine, withProgress, type Status } from './server';

const DRAW_MS = 100; // an answer grows by some ten pieces a second; drawing each would flicker
const INSTRUCT = { kind: 'refactor.rewrite.instruct', apply: 'first' };
const WELCOMED = 'welcomed'; // the walkthrough opens by itself once
const GB = 1e9;

/** What `ghostwright.refactor` takes; with a question it comes to us first. */
interface Offer {
  title: string;
  question: string;
  instruction: string;
}

type Models = { selected: string; models: { id: string; name: string; bytes: number; downloaded: boolean }[] };

interface Answer {
  answer: string;
  model: string;
  total_ms: number;
  citations: { path: string; line: number; symbol: string; exists: boolean }[];
}

type Texts = Record<'text' | 'model' | 'reason' | 'source' | 'stopped_by', string>;
type Counts = Record<`${'prompt' | 'cached' | 'evaluated' | 'decoded'}_tokens` | 'answer_ms' | 'ttft_ms', number>;
type Segment = { role: string; path: string; start_line: number; end_line: number; tokens: number; why: string };
type Explanation = Texts & Counts & { shown: boolean; rules: string[]; segments: Segment[] };

type Figures = Record<'shown' | 'accepted', number> & Record<'accepted_share' | 'kept_share', number | null>;
type Part = 'day' | 'language' | 'model' | 'source';
type Statistics = Figures & { days: number } & Record<`by_${Part}`, Record<string, Figures>>;

type Choice = vscode.QuickPickItem & { command: string };

const OFF: Status = { state: 'off', message: '', model: '', index: { files: 0, done: 0 }, resident_tokens: 0 };
const ICONS: Record<Status['state'], string> = {
  off: 'circle-slash',
  starting: 'loading~spin',
  indexing: 'loading~spin',
  loading: 'loading~spin',
  ready: 'sparkle',
  busy: 'sparkle', // as ready: it changes with every key
  paused: 'debug-pause',
  'no-model': 'warning',
  error: 'error',
};

let running: Ghostwright | undefined; // VS Code calls two functions, and nothing else

export function activate(context: vscode.ExtensionContext): void {
  running = new Ghostwright(context);
  running.begin();
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}

/** One server for this window, and what the user sees of it. */
class Ghostwright {
  private readonly log = vscode.window.createOutputChannel('Ghostwright', { log: true });
  private readonly item = vscode.window.createStatusBarItem('ghostwright.status', vscode.StatusBarAlignment.Right, 100);
  private readonly views = new Views();
  private readonly hearers = new Map<string, (piece: string) => void>();
  private readonly server: Server;
  private status = OFF;
  private answers = 0;
  private restarting: Promise<void> | undefined;
  private unanswered: vscode.TextDocument | undefined; // typed in while there was no model to ask

  constructor(private readonly context: vscode.ExtensionContext) {
    context.subscriptions.push(this.log, this.item, this.views);
    this.item.name = 'Ghostwright';
    this.item.command = 'ghostwright.menu';
    this.server = new Server(context, this.log, {
      status: (status) => this.show(status),
      answer: (token, text) => this.hearers.get(token)?.(text),
      suggested: () => void setContext('suggested', true),
      restarting: () => {
        this.unanswered = vscode.window.activeTextEditor?.document; // a key may have been lost
        this.show({ ...OFF, state: 'starting', message: 'the server ended and is started again' });
      },
      gaveUp: () => void this.careful(() => this.gaveUp())(),
    });
  }

  begin(): void {
    const commands: Record<string, (...args: never[]) => unknown> = {
      'ghostwright.menu': () => this.menu(),
      'ghostwright.trigger': () => vscode.commands.executeCommand('editor.action.inlineSuggest.trigger'),
      'ghostwright.togglePause': () => this.togglePause(),
      'ghostwright.chooseModel': () => this.chooseModel(),
      'ghostwright.setUp': () => this.setUp(),
      'ghostwright.rebuildIndex': () => this.server.ask('ghostwright.reindex'),
      'ghostwright.showExplanation': () => this.showExplanation(),
      'ghostwright.showStatistics': () => this.showStatistics(),
      'ghostwright.showLog': () => this.log.show(),
      'ghostwright.refactorHere': () => vscode.commands.executeCommand('editor.action.refactor'),
      'ghostwright.instructHere': () => vscode.commands.executeCommand('editor.action.codeAction', INSTRUCT),
      'ghostwright.instruct': (offer: Offer) => this.instruct(offer),
      'ghostwright.askRepository': () => this.askRepository(),
      'ghostwright.installServer': () => this.installServer(),
      'ghostwright.restart': () => this.restart(),
      'ghostwright.openWalkthrough': () => this.openWalkthrough(),
    };
    for (const [name, command] of Object.entries(commands)) {
      this.context.subscriptions.push(vscode.commands.registerCommand(name, this.careful(command)));
    }
    const restart = this.careful(() => this.restart());
    this.context.subscriptions.push(
      vscode.workspace.onDidChangeConfiguration((e) => e.affectsConfiguration('ghostwright.serverPath') && restart()),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (!this.isReady()) this.unanswered = document;
      }),
    );
    const open = vscode.window.activeTextEditor?.document;
    if (open?.isDirty) this.unanswered = open; // typed in before we were here
    void this.careful(() => this.start())();
  }

  // --- the server ---

  private async start(): Promise<void> {
    this.show({ ...OFF, state: 'starting' });
    try {
      if (await this.server.start()) return this.show(this.status); // it runs, whatever it has said so far
    } catch (error) {
      this.show({ ...OFF, state: 'error', message: oneLine(error) });
      throw error;
    }
    this.show({ ...OFF, message: 'the server is not installed' });
    const named = vscode.workspace.getConfiguration(SECTION).get('serverPackage', '');
    const question = `the server is not on PATH. Install ${named || "it"} with pip, in an environment of its own?`;
    void this.offer(question, { Install: () => this.installServer() });
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  /** Who asks while it is under way gets the one that is under way. */
  private restart(): Promise<void> {
    const restart = async (): Promise<void> => {
      await this.server.stop();
      await this.start();
    };
    return (this.restarting ??= restart().finally(() => (this.restarting = undefined)));
  }

  private async installServer(): Promise<void> {
    await this.server.stop(); // Windows replaces no program that runs
    const program = await install(this.context, this.log);
    this.log.info(`installed: ${program}`);
    await this.start();
  }

  private async setUp(): Promise<void> {
    await this.fetchModel('Ghostwright: setting up a model', ['setup', '--yes']);
    await this.restart(); // what `setup` has chosen is in the user's config.toml, read at the start
  }

  private async fetchModel(title: string, args: string[]): Promise<void> {
    const program = this.server.program;
    if (!program) throw new Failed('install the server first');
    await withProgress(title, this.log, async (run) => void (await run(program, args)));
  }

  private async gaveUp(): Promise<void> {
    const message = 'the server ended five times in three minutes and is left alone';
    this.show({ ...OFF, state: 'error', message });
    const [again, log] = ['Start Again', 'Show the Log'];
    const chosen = await vscode.window.showErrorMessage(`Ghostwright: ${message}. The log says why.`, again, log);
    if (chosen === again) await this.restart();
    else if (chosen) this.log.show();
  }

  /** Offer what is missing: the first time in the walkthrough, then in a message. */
  private async offer(question: string, answers: Record<string, () => Promise<void>>): Promise<void> {
    if (!this.context.globalState.get(WELCOMED)) {
      await this.context.globalState.update(WELCOMED, true);
      await this.openWalkthrough();
      return;
    }
    const chosen = await vscode.window.showInformationMessage(`Ghostwright: ${question}`, ...Object.keys(answers));
    if (chosen) await this.careful(answers[chosen]!)();
  }

  private openWalkthrough(): Thenable<unknown> {
    const walkthrough = `${this.context.extension.id}#start`;
    return vscode.commands.executeCommand('workbench.action.openWalkthrough', walkthrough, false);
  }

  /** A command whose failure the user reads in one line. */
  private careful<A extends never[]>(command: (...args: A) => unknown): (...args: A) => Promise<void> {
    return async (...args) => {
      try {
        await command(...args);
      } catch (error) {
        if (error instanceof Cancelled) return;
        this.log.error(oneLine(error));
        void vscode.window.showErrorMessage(`Ghostwright: ${oneLine(error)}`);
      }
    };
  }

  // --- what the user sees at all times ---

  private show(status: Status): void {
    const before = this.status;
    this.status = status;
    const { files, done } = status.index;
    const indexing = status.state !== 'off' && done < files;
    const state = this.isReady() ? '' : `: ${status.state}`;
    const index = indexing ? `, index ${percent(done / files)}` : '';
    this.item.text = `$(${ICONS[status.state]}) Ghostwright${state}${index}`;
    this.item.tooltip = described(status).join('\n');
    const colour = { error: 'errorBackground', 'no-model': 'warningBackground' }[status.state as string];
    this.item.backgroundColor = colour ? new vscode.ThemeColor(`statusBarItem.${colour}`) : undefined;
    this.item.accessibilityInformation = { label: described(status).join(', ') };
    this.item.show();
    void setContext('running', this.server.isRunning);
    void setContext('ready', this.isReady());
    if (this.isReady()) this.catchUp();
    if (status.state !== 'no-model' || before.state === 'no-model') return;
    const answers = { 'Set Up a Model': () => this.setUp(), 'Choose…': () => this.chooseModel() };
    void this.offer('there is no model yet. Fetch the one that suits this machine?', answers);
  }

  private isReady(): boolean {
    return this.status.state === 'ready' || this.status.state === 'busy';
  }

  /** VS Code asks at a key only: what was typed before the model was there is asked for now. */
  private catchUp(): void {
    const document = this.unanswered;
    this.unanswered = undefined;
    const isManual = vscode.workspace.getConfiguration(SECTION).get('manual', false);
    if (document && !isManual && vscode.window.activeTextEditor?.document === document)
      void vscode.commands.executeCommand('ghostwright.trigger');
  }

  private async menu(): Promise<void> {
    const paused = this.status.state === 'paused';
    const running: Choice[] = [
      { label: paused ? '$(play) Go On' : '$(debug-pause) Pause', command: 'ghostwright.togglePause' },
      { label: '$(chip) Choose a Model…', description: this.status.model, command: 'ghostwright.chooseModel' },
      { label: '$(refresh) Rebuild the Index', description: indexed(this.status), command: 'ghostwright.rebuildIndex' },
      { label: '$(edit) Refactor…', command: 'ghostwright.refactorHere' },
      { label: '$(comment) Change as I Say…', command: 'ghostwright.instructHere' },
      { label: '$(question) Ask About the Repository…', command: 'ghostwright.askRepository' },
      { label: '$(info) Explain the Last Suggestion', command: 'ghostwright.showExplanation' },
      { label: '$(graph) Statistics', command: 'ghostwright.showStatistics' },
    ];
    const always: Choice[] = [
      { label: '$(output) Show the Log', command: 'ghostwright.showLog' },
      { label: '$(debug-restart) Restart the Server', command: 'ghostwright.restart' },
      { label: '$(book) Get Started', command: 'ghostwright.openWalkthrough' },
    ];
    const missing: Choice[] = [{ label: '$(cloud-download) Install the Server', command: 'ghostwright.installServer' }];
    const choices = [...(this.server.isRunning ? running : missing), ...always];
    const placeHolder = oneLine(`${this.status.state}. ${this.status.message}`);
    const chosen = await vscode.window.showQuickPick(choices, { title: 'Ghostwright', placeHolder });
    if (chosen) await vscode.commands.executeCommand(chosen.command);
  }

  // --- commands ---

  private async togglePause(): Promise<void> {
    this.show(await this.server.ask('ghostwright.pause'));
  }

  private async chooseModel(): Promise<void> {
    const { selected, models } = await this.server.ask<Models>('ghostwright.selectModel');
    const rows = models.map(({ id, name, bytes, downloaded }) => ({
      id,
      label: `${id === selected ? '$(check) ' : ''}${name}`,
      description: `${id}, ${(bytes / GB).toFixed(1)} GB`,
      detail: downloaded ? 'on this machine' : 'to be fetched',
      downloaded,
    }));
    rows.sort((a, b) => Number(b.downloaded) - Number(a.downloaded));
    const options = { title: 'Ghostwright: choose a model', matchOnDescription: true };
    const chosen = await vscode.window.showQuickPick(rows, options);
    if (!chosen || (!chosen.downloaded && !(await this.fetched(chosen)))) return;
    await this.server.ask('ghostwright.selectModel', chosen.id);
    await rememberModel(chosen.id);
  }

  private async fetched(model: { id: string; description: string }): Promise<boolean> {
    const yes = 'Fetch';
    const question = `Fetch ${model.description}? It is kept in your cache folder.`;
    if ((await vscode.window.showInformationMessage(question, { modal: true }, yes)) !== yes) return false;
    await this.fetchModel(`Ghostwright: fetching ${model.id}`, ['models', 'pull', model.id]);
    return true;
  }

  /** The words that an action needs; the server's edit then comes as a preview. */
  private async instruct(offer: Offer): Promise<void> {
    const title = offer.title.replace(/…$/, '');
    const instruction = await vscode.window.showInputBox({ title, prompt: offer.question, ignoreFocusOut: true });
    if (instruction?.trim()) await this.server.ask('ghostwright.refactor', { ...offer, instruction });
  }

  private async askRepository(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const place = editor && { uri: editor.document.uri.toString(), line: editor.selection.active.line };
    const question = await askedQuestion();
    if (!question) return;
    const token = `answer-${++this.answers}`;
    const head = `# ${question.split('\n', 1)[0]}\n\n`;
    let text = '';
    const show = await this.views.open(`Answer ${this.answers}.md`, `${head}...\n`);
    this.hearers.set(token, (piece) => show(head + (text += piece)));
    try {
      const answer = await this.server.ask<Answer>('ghostwright.ask', { question, token, ...place });
      show(`${head}${answer.answer.trimEnd()}\n\n${sources(answer)}`);
    } catch (error) {
      show(`${head}${text}\n\n*No answer: ${oneLine(error)}*\n`);
      throw error;
    } finally {
      this.hearers.delete(token);
    }
  }

  private async showExplanation(): Promise<void> {
    const found = await this.server.ask<Partial<Explanation>>('ghostwright.explain');
    await this.views.open('Last suggestion.md', explanation(found));
  }

  private async showStatistics(): Promise<void> {
    await this.views.open('Statistics.md', statistics(await this.server.ask<Statistics>('ghostwright.stats')));
  }
}

/** Read-only documents that can be rewritten while they are shown; `path:line` in a list is a link. */
class Views implements vscode.TextDocumentContentProvider, vscode.DocumentLinkProvider, vscode.Disposable {
  private readonly texts = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly parts = [
    vscode.workspace.registerTextDocumentContentProvider(SECTION, this),
    vscode.languages.registerDocumentLinkProvider({ scheme: SECTION }, this),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => this.texts.delete(uri.toString())),
    this.changed,
  ];

  dispose(): void {
    this.parts.forEach((part) => void part.dispose());
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? 'This is no longer kept.\n';
  }

  provideDocumentLinks(document: vscode.TextDocument): vscode.DocumentLink[] {
    const root = vscode.workspace.workspaceFolders?.[0]?.uri;
    if (!root) return [];
    return [...document.getText().matchAll(/^- (.+?):(\d+)/gm)].map((match) => {
      const [start, end] = [match.index + '- '.length, match.index + match[0].length];
      const range = new vscode.Range(document.positionAt(start), document.positionAt(end));
      return new vscode.DocumentLink(range, vscode.Uri.joinPath(root, match[1]!).with({ fragment: `L${match[2]}` }));
    });
  }

  /** Show a text beside the editor; what comes back rewrites it, a few times a second at most. */
  async open(name: string, text: string): Promise<(text: string) => void> {
    const uri = vscode.Uri.from({ scheme: SECTION, path: `/${name}` });
    this.texts.set(uri.toString(), text);
    this.changed.fire(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    const before = vscode.window.visibleTextEditors.find((editor) => editor.document.uri.scheme === SECTION);
    const viewColumn = before?.viewColumn ?? vscode.ViewColumn.Beside;
    await vscode.window.showTextDocument(document, { viewColumn, preview: false });
    let drawing: NodeJS.Timeout | undefined;
    return (next) => {
      this.texts.set(uri.toString(), next);
      drawing ??= setTimeout(() => {
        drawing = undefined;
        this.changed.fire(uri);
      }, DRAW_MS);
    };
  }
}

// --- what is asked of the user ---

/** A question, with the stack trace on the clipboard if its button was pressed. */
function askedQuestion(): Promise<string | undefined> {
  const box = vscode.window.createInputBox();
  const button = { iconPath: new vscode.ThemeIcon('clippy'), tooltip: 'Add the stack trace on the clipboard' };
  let trace = '';
  Object.assign(box, { title: 'Ghostwright: ask about the repository', buttons: [button], ignoreFocusOut: true });
  box.prompt = 'The button adds the stack trace on the clipboard.';
  return new Promise((resolve) => {
    box.onDidTriggerButton(async () => {
      trace = (await vscode.env.clipboard.readText()).trim();
      const lines = trace.split('\n').length;
      box.prompt = trace ? `With a stack trace of ${lines} lines.` : 'There is no text on the clipboard.';
    });
    box.onDidAccept(() => {
      const words = box.value.trim() || (trace && 'Where is the fault?');
      resolve(words && trace ? `${words}\n\n${trace}` : words);
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

/** Keep a choice where the model was named before; a path of the user's own would stand above it. */
async function rememberModel(id: string): Promise<void> {
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const { Global, Workspace } = vscode.ConfigurationTarget;
  const isLocal = configuration.inspect('model')?.workspaceValue !== undefined;
  await configuration.update('model', id, isLocal ? Workspace : Global);
  const path = configuration.inspect('modelPath');
  if (path?.globalValue) await configuration.update('modelPath', undefined, Global);
  if (path?.workspaceValue) await configuration.update('modelPath', undefined, Workspace);
}

// --- what the server says, in words ---

function described(status: Status): string[] {
  const model = status.model && !status.message.includes(status.model) ? status.model : '';
  const resident = status.resident_tokens ? `${count(status.resident_tokens)} tokens are kept read` : '';
  return [`Ghostwright: ${status.state}`, model, status.message, indexed(status), resident].filter(Boolean);
}

function indexed({ index: { files, done } }: Status): string {
  if (!files) return '';
  return done < files ? `${count(done)} of ${count(files)} files indexed` : `${count(files)} files indexed`;
}

function explanation(it: Partial<Explanation>): string {
  if (it.shown === undefined) return '# The last suggestion\n\nNothing was asked for yet.\n';
  const said = it.shown ? `\`\`\`\n${it.text}\n\`\`\`` : `Nothing was shown: ${it.reason || 'no reason is known'}.`;
  const facts = [
    `Model: ${it.model || 'none'}`,
    `Source: ${it.source || 'none'}`,
    `Answered in ${milliseconds(it.answer_ms)}; first token after ${milliseconds(it.ttft_ms)}`,
    `Prompt: ${count(it.prompt_tokens)} tokens, ${count(it.cached_tokens)} of them kept from before`,
    `Read now: ${count(it.evaluated_tokens)} tokens`,
    `Written: ${count(it.decoded_tokens)} tokens; ended by ${it.stopped_by || 'nothing'}`,
    `Rules: ${it.rules?.join(', ') || 'none'}`,
  ];
  const pieces = (it.segments ?? []).map((piece) => {
    const lines = piece.path ? `${piece.path}:${piece.start_line}-${piece.end_line}, ` : '';
    return `${lines}${piece.role}, ${count(piece.tokens)} tokens: ${piece.why}`;
  });
  return `# The last suggestion\n\n${said}\n\n${list(facts)}\n## What the prompt was made of\n\n${list(pieces)}`;
}

function statistics(it: Statistics): string {
  const row = (name: string, of: Figures): string => {
    const share = of.accepted_share === null ? '' : ` (${percent(of.accepted_share)})`;
    const kept = of.kept_share === null ? '' : `; ${percent(of.kept_share)} of these still there after 30 s`;
    return `${name}: ${count(of.shown)} shown, ${count(of.accepted)} accepted${share}${kept}`;
  };
  const parts = (['language', 'model', 'source', 'day'] satisfies Part[]).map((part) => {
    const rows = Object.entries(it[`by_${part}`]).map(([name, found]) => row(name, found));
    return `## By ${part}\n\n${list(rows)}`;
  });
  const head = `# Suggestions of the last ${it.days} days\n\nCounted on this machine, and only here.`;
  return `${head}\n\n${list([row('All', it)])}\n${parts.join('\n')}`;
}

function sources(answer: Answer): string {
  const lines = answer.citations.map(
    ({ path, line, symbol, exists }) => `${path}:${line} ${symbol}${exists ? '' : ' (not found)'}`,
  );
  return `## Sources\n\n${list(lines)}\n${answer.model}, ${milliseconds(answer.total_ms)}\n`;
}

function list(lines: string[]): string {
  return lines.length ? lines.map((line) => `- ${oneLine(line)}\n`).join('') : 'None.\n';
}

function count(number = 0): string {
  return number.toLocaleString('en');
}

function milliseconds(number: number | null = 0): string {
  return `${count(Math.round(number ?? 0))} ms`;
}

function percent(part: number): string {
  return `${Math.round(100 * part)} %`;
}

function setContext(name: string, value: boolean): Thenable<unknown> {
  return vscode.commands.executeCommand('setContext', `${SECTION}.${name}`, value);
}
