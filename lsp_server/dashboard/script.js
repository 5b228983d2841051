// SPDX-License-Identifier: Apache-2.0
// Draws what state.json says, twice a second. Text of files is put in as text, never as markup.
"use strict";

const PERIOD_MS = 500;
const AWAY_MS = 3000; // between two tries once nobody answers
const ROLES = {
  header: "repository", definition: "definitions", journal: "recent edits",
  analogy: "similar code", prefix: "file above", suffix: "file below",
};
const SOURCES = {
  model: "model", cache: "written before", joined: "joined a decode", instant: "repository, no model",
};
const STATES = { "no-model": "no model" };
const FAST_MS = 100, FAIR_MS = 300;
const MOST_LANGUAGES = 6;

const $ = (id) => document.getElementById(id);
const number = (value) => Math.round(value || 0).toLocaleString("en-US");
const percent = (part, all) => (all ? `${Math.round((100 * part) / all)} %` : "–");
const sum = (values) => values.reduce((total, value) => total + value, 0);

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children); // strings become text
  return node;
}

function fill(node, ...children) {
  const before = node.dataset.drawn;
  const after = children.map((each) => each.outerHTML || each).join("");
  if (before === after) return; // what is not touched keeps focus, selection and scroll
  node.dataset.drawn = after;
  node.replaceChildren(...children);
}

// A bar of [class, amount, title] parts, as wide as they add up.
function bar(parts, label, kind = "bar") {
  const pieces = parts.filter((part) => part[1] > 0).map(([name, amount, title]) => {
    const piece = make("i", { class: name, title, "data-amount": amount });
    piece.style.flex = `${amount} 1 0`;
    return piece;
  });
  return make("div", { class: kind, role: "img", "aria-label": label }, ...pieces);
}

// -- suggestions ----------------------------------------------------------------------------

function place(segment) {
  const lines = segment.start_line ? `:${segment.start_line}-${segment.end_line}` : "";
  return `${segment.path}${lines}`;
}

function strata(answer) {
  const segments = answer.segments.filter((each) => each.tokens > 0);
  const total = sum(segments.map((each) => each.tokens));
  if (!total) return [make("p", {}, "No prompt: the repository itself makes this near certain.")];
  const parts = segments.map((each) =>
    [each.role, each.tokens, `${ROLES[each.role] || each.role}: ${place(each)}, ${each.tokens} tokens`]);
  const { cached_tokens: cached, evaluated_tokens: evaluated } = answer;
  const rest = Math.max(0, total - cached - evaluated);
  const read = [["cached", cached, `${cached} tokens were resident`],
    ["evaluated", evaluated, `${evaluated} tokens were read`], ["unread", rest, `${rest} not read`]];
  const by = {};
  for (const each of segments) by[each.role] = (by[each.role] || 0) + each.tokens;
  const label = Object.entries(by).map(([role, n]) => `${ROLES[role] || role} ${n}`).join(", ");
  const words = `${number(total)} tokens: ${number(cached)} cached, ${number(evaluated)} evaluated`;
  const first = answer.ttft_ms && answer.source !== "cache"
    ? `; first token after ${number(answer.ttft_ms)} ms` : "";
  const wrote = answer.decoded_tokens ? `; ${number(answer.decoded_tokens)} written` : "";
  return [bar(parts, label), bar(read, words, "bar thin"), make("p", {}, words + wrote + first),
    pieces(segments)];
}

function pieces(segments) {
  const rows = segments.map((each) => make("tr", {},
    make("td", {}, make("span", { class: `key ${each.role}` }, ROLES[each.role] || each.role)),
    make("td", { class: "path" }, place(each)),
    make("td", {}, each.why || ""),
    make("td", { class: "number" }, number(each.tokens))));
  const head = make("tr", {}, ...["what", "where", "why"].map((name) => make("th", {}, name)),
    make("th", { class: "number" }, "tokens"));
  return make("details", {}, make("summary", {}, `What the model read: ${segments.length} pieces`),
    make("div", { class: "wide" },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))));
}

function drawAnswer(answer) {
  const own = answer.segments.find((each) => each.role === "prefix");
  const took = answer.answer_ms;
  const speed = took <= FAST_MS ? "fast" : took <= FAIR_MS ? "" : "slow";
  const moment = new Date(answer.at * 1000).toTimeString().slice(0, 8);
  const where = own ? [make("span", { class: "path" }, `${own.path}:${own.end_line}`)] : [];
  return make("li", { class: "answer", id: answer.id },
    make("div", { class: "where" }, make("time", {}, moment), make("b", {}, answer.workspace),
      ...where,
      make("span", { class: "badge" }, SOURCES[answer.source] || answer.source),
      make("span", { class: `badge ${speed}` }, `${number(took)} ms`)),
    make("pre", { tabindex: "0", "aria-label": "suggested text" }, answer.text),
    ...strata(answer));
}

function drawAnswers(answers) {
  const list = $("answers");
  const wanted = new Map(answers.map((answer) => [answer.id, answer]));
  for (const node of [...list.children]) if (!wanted.has(node.id)) node.remove();
  const held = $("hold").getAttribute("aria-pressed") === "true";
  for (const answer of [...answers].reverse()) {
    if (!held && !document.getElementById(answer.id)) list.prepend(drawAnswer(answer));
  }
  $("waiting").hidden = list.children.length > 0;
}

function drawEmpty(reasons) {
  const total = sum(reasons.map((each) => each.times));
  $("empty").hidden = !total;
  const rows = reasons.map((each) => make("tr", {},
    make("td", { class: "number" }, number(each.times)), make("td", {}, each.reason)));
  const words = `${number(total)} ${total > 1 ? "answers" : "answer"} without a text, and why`;
  const details = make("details", {}, make("summary", {}, words),
    make("table", {}, make("tbody", {}, ...rows)));
  details.open = Boolean($("empty").querySelector("details[open]"));
  fill($("empty"), details);
}

// -- figures --------------------------------------------------------------------------------

function within(latency, most) {
  return sum(latency.counts.filter((_, at) => latency.bounds_ms[at] <= most));
}

function drawTiles(state) {
  const all = sum(state.latency.counts);
  const read = state.answers.filter((each) => each.source === "model" || each.source === "joined");
  const prompts = sum(read.map((each) => sum(each.segments.map((piece) => piece.tokens))));
  const cached = sum(read.map((each) => each.cached_tokens));
  const tiles = [
    [number(all), "suggestions since the start"],
    [percent(within(state.latency, FAST_MS), all), `within ${FAST_MS} ms`],
    [percent(within(state.latency, FAIR_MS), all), `within ${FAIR_MS} ms`],
    [percent(cached, prompts), "of the prompts below was cached"],
  ];
  fill($("tiles"), ...tiles.map(([figure, words]) =>
    make("div", { class: "tile" }, make("b", {}, figure), make("span", {}, words))));
}

function drawLatency(latency) {
  const all = sum(latency.counts);
  if (!all) return fill($("latency"), make("p", { class: "quiet" }, "No suggestion yet."));
  const most = Math.max(...latency.counts);
  const last = latency.bounds_ms[latency.bounds_ms.length - 1];
  const short = (ms) => (ms < 1000 ? `${ms}` : `${ms / 1000}k`);
  const bounds = [...latency.bounds_ms.map((ms) => `≤${short(ms)}`), `>${short(last)}`];
  const columns = latency.counts.map((count, at) => {
    const bound = latency.bounds_ms[at] || Infinity;
    const block = make("i", {});
    block.style.height = `${(85 * count) / most}%`;
    const speed = bound <= FAST_MS ? "fast" : bound <= FAIR_MS ? "fair" : "";
    return make("div", { class: speed, "data-count": count, title: `${bounds[at]} ms: ${count}` },
      count ? String(count) : "", block);
  });
  const words = latency.counts.map((count, at) => `${bounds[at]} ms: ${count}`).join(", ");
  return fill($("latency"),
    make("div", { class: "columns", role: "img", "aria-label": words }, ...columns),
    make("div", { class: "under", "aria-hidden": "true" }, ...bounds.map((each) => make("span", {}, each))),
    make("p", { class: "note" }, `Milliseconds from the request to the answer, ${number(all)} suggestions: `
      + `${percent(within(latency, FAST_MS), all)} within ${FAST_MS}, `
      + `${percent(within(latency, FAIR_MS), all)} within ${FAIR_MS}.`));
}

function drawResident(state) {
  const servers = state.servers.filter((each) => each.resident.length);
  const most = Math.max(0, ...servers.flatMap((each) => each.resident.map((point) => point[1])));
  if (!most) return fill($("resident"), make("p", { class: "quiet" }, "No model has read anything yet."));
  const span = state.resident_s;
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 300 100");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  const now = servers.map((each) => `${each.workspace} ${number(each.resident.at(-1)[1])}`);
  picture.setAttribute("aria-label", `Tokens now: ${now.join(", ")}`);
  for (const height of [3, 51, 99]) {
    const line = document.createElementNS(space, "line");
    const ends = { x1: 0, x2: 300, y1: height, y2: height };
    for (const [key, value] of Object.entries(ends)) line.setAttribute(key, value);
    picture.append(line);
  }
  servers.forEach((server, at) => {
    const path = document.createElementNS(space, "path");
    const x = (moment) => 300 * (1 - (state.now - moment) / span);
    const steps = server.resident.map(([moment, tokens], step) =>
      `${step ? "H" : "M"}${x(moment).toFixed(1)}${step ? "V" : " "}${(99 - (96 * tokens) / most).toFixed(1)}`);
    path.setAttribute("d", `${steps.join("")}H300`);
    path.setAttribute("class", `c${at % 6}`);
    picture.append(path);
  });
  const keys = servers.map((each, at) => make("li", { class: `key c${at % 6}` },
    `${each.workspace}: ${number(each.resident.at(-1)[1])} now`));
  return fill($("resident"),
    make("div", { class: "axis" }, make("span", {}, `${number(most)} tokens`)), picture,
    make("div", { class: "axis" }, make("span", {}, `${span / 60} minutes ago`), make("span", {}, "now")),
    make("ul", { class: "languages" }, ...keys));
}

function drawAcceptance({ days, languages }) {
  const rows = Object.entries(languages).filter(([, found]) => found.shown)
    .sort((one, two) => two[1].shown - one[1].shown);
  if (!rows.length) {
    const words = `No suggestion was counted in the last ${days} days.`;
    return fill($("acceptance"), make("p", { class: "quiet" }, words));
  }
  const head = make("tr", {}, make("th", {}, "language"), make("th", {}, ""),
    make("th", { class: "number" }, "accepted"), make("th", { class: "number" }, "of shown"));
  const body = rows.map(([name, found]) => {
    const block = make("i", {});
    block.style.width = percent(found.accepted, found.shown).replace(" ", "");
    return make("tr", { "data-language": name }, make("td", {}, name),
      make("td", {}, make("div", { class: "share" }, block)),
      make("td", { class: "number" }, percent(found.accepted, found.shown)),
      make("td", { class: "number" }, `${number(found.accepted)} of ${number(found.shown)}`));
  });
  return fill($("acceptance"),
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)),
    make("p", { class: "note" }, `Last ${days} days, in whole or in part.`));
}

// -- servers --------------------------------------------------------------------------------

function drawIndex({ root, done, files, languages }) {
  const whole = files > 0 && done >= files;
  const name = root.split(/[\\/]/).pop();
  const words = whole ? `${number(files)} files are indexed` : files
    ? `indexing: ${number(done)} of ${number(files)} files` : "listing files";
  const parts = [make("p", {}, `${name}: ${words}`)];
  if (!whole) {
    const meter = make("progress", { "aria-label": words });
    if (files) { meter.max = files; meter.value = done; }
    parts.push(meter);
  }
  const known = Object.entries(languages).sort((one, two) => two[1] - one[1]);
  const shown = known.slice(0, MOST_LANGUAGES - (known.length > MOST_LANGUAGES));
  const others = sum(known.slice(shown.length).map((each) => each[1]));
  if (others) shown.push(["others", others]);
  if (!shown.length) return parts;
  const all = sum(shown.map((each) => each[1]));
  parts.push(bar(shown.map(([language, count], at) => [`c${at}`, count, `${language}: ${count} files`]),
    shown.map(([language, count]) => `${language} ${percent(count, all)}`).join(", ")));
  parts.push(make("ul", { class: "languages" }, ...shown.map(([language, count], at) =>
    make("li", { class: `key c${at}` }, `${language} ${percent(count, all)}`))));
  return parts;
}

function drawServers(servers) {
  fill($("servers"), ...servers.map((server) => make("div", { class: "server", title: server.roots.join(", ") },
    make("h2", {}, server.workspace,
      make("span", { class: `badge ${server.state}` }, STATES[server.state] || server.state)),
    make("p", {}, server.message || server.model),
    ...server.index.flatMap(drawIndex))));
}

// -- the loop -------------------------------------------------------------------------------

function draw(state) {
  const some = state.servers.length > 0;
  $("none").hidden = some;
  $("live").className = "on";
  $("live").textContent = some ? `live, ${state.servers.length} ${state.servers.length > 1 ? "servers" : "server"}` : "waiting";
  drawTiles(state);
  drawServers(state.servers);
  drawAnswers(state.answers);
  drawEmpty(state.empty);
  drawLatency(state.latency);
  drawResident(state);
  drawAcceptance(state.acceptance);
}

function away() {
  $("live").className = "off";
  $("live").textContent = "closed: start ghostwright dashboard again, at its new address";
  for (const id of ["answers", "servers", "empty"]) { $(id).replaceChildren(); delete $(id).dataset.drawn; }
  $("empty").hidden = true;
}

async function tick() {
  let wait = PERIOD_MS;
  try {
    const answer = await fetch("state.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    draw(await answer.json());
  } catch (error) {
    console.info("no state:", error.message);
    away();
    wait = AWAY_MS;
  }
  setTimeout(tick, wait);
}

function legend() {
  const keys = { ...ROLES, cached: "cached", evaluated: "evaluated" };
  $("legend").append(...Object.entries(keys).map(([name, words]) =>
    make("li", { class: `key ${name}` }, words)));
}

$("hold").addEventListener("click", () => {
  const held = $("hold").getAttribute("aria-pressed") !== "true";
  $("hold").setAttribute("aria-pressed", String(held));
});
legend();
tick();
