// The viewer's page. Its state is the address, so that a link shows what was seen. Texts of models and data are set as
// text nodes, never as markup.

import { differences } from "/diff.js";

const PAGE = 50;
const POLL_MS = { busy: 2000, quiet: 15000 };
const FLAGS = {
  evaluation: {
    helped: ["Helped", "the strong model alone is wrong, the pair is right"],
    harmed: ["Harmed", "the strong model alone is right, the pair is wrong"],
    pair_wrong: ["Pair wrong", "the pair's answer is wrong"],
    both_wrong: ["Both wrong", "the pair is wrong, and so is the strong model alone"],
    took_wrong: ["Took a wrong draft", "the strong model alone is right, the draft is wrong, and the pair gives its answer"],
    left_right: ["Left a right draft", "the draft is right, the pair is wrong"],
    all_negative: ["All wrong", "no method is right"],
    unscored: ["No answer", "a reply in which no answer was found, of any method or draft"],
    unscored_draft: ["No answer: draft", "no answer was found in the weak model's draft"],
    unscored_alone: ["No answer: alone", "no answer was found in the reply of the strong model alone"],
    unscored_pair: ["No answer: refined", "no answer was found in what the strong model made of the draft"],
    failed: ["Failed", "a call got no usable reply"],
  },
  round: {
    helped: ["A draft helped", "at least one draft has a gain above 0"],
    harmed: ["A draft harmed", "at least one draft has a gain below 0"],
    all_negative: ["All negative", "no draft has a gain above 0"],
    unscored: ["Unscored", "at least one verdict could not be had"],
    unscored_alone: ["Unscored: alone", "the strong model alone has no verdict"],
    unscored_pair: ["Unscored: refined", "at least one refined draft has no verdict"],
    failed: ["Left out", "the query gave no grades"],
    paired: ["With pairs", "gave at least one preference pair"],
    skipped: ["Drafts saved", "drafts that could change no pair were not made"],
    controlled: ["Null control", "a second sample of the strong model alone was judged too"],
  },
};
const COMPARED = {
  above: ["Better here", "this run scores more than the other"],
  below: ["Better there", "the other run scores more"],
  differs: ["Not the same", "another score or answer"],
  missing: ["Only here", "the other run has no such example"],
};
const VERDICTS = {
  better: "The pair is better than each model alone", worse: "A model alone is better than the pair", "no difference shown": "No difference shown",
};
const PARTIES = { unscored_draft: "draft", unscored_alone: "alone", unscored_pair: "refined" };
const SORTS = { order: "as in the data", gain: "most gain first", "-gain": "most harm first" };
const SORTS_COMPARED = { difference: "better here first", "-difference": "better there first" };

const byId = (id) => document.getElementById(id);
let runs = [];
let rows = [];
let total = 0;
let found = null;
let listAsked = 0;
let itemAsked = 0;
let shown = null;

/* The address. */

let state = readAddress();

function readAddress() {
  const given = new URLSearchParams(location.search);
  const get = (name, otherwise = "") => given.get(name) ?? otherwise;
  const facets = {};
  for (const [name, value] of given) if (name.startsWith("field.")) facets[name.slice(6)] = value;
  return {
    run: get("run"), set: get("set"), with: get("with"), q: get("q"), filter: get("filter"), sort: get("sort", "order"),
    from: get("from"), to: get("to"), page: Math.max(1, Number.parseInt(get("page", "1"), 10) || 1), id: given.get("id"), mark: get("mark", "alone"), facets,
  };
}

function address() {
  const query = new URLSearchParams();
  const usual = { sort: "order", page: 1, mark: "alone" };
  for (const name of ["run", "set", "with", "q", "filter", "from", "to", "sort", "page", "id", "mark"]) {
    const value = state[name];
    if (value !== null && value !== "" && value !== usual[name]) query.set(name, value);
  }
  for (const [name, value] of Object.entries(state.facets)) query.set(`field.${name}`, value);
  return `/?${query}`;
}

function go(changes, { keep = false } = {}) {
  state = { ...state, ...changes };
  history[keep ? "replaceState" : "pushState"](null, "", address());
}

/* Building blocks. */

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const fill = (node, ...children) => node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
const count = (number) => number.toLocaleString("en");
const money = (value) => (value === null ? "unknown" : value === 0 ? "$0" : `$${value.toFixed(value >= 1 ? 2 : 4)}`);
const signed = (value) => (value > 0 ? `+${trim(value)}` : value < 0 ? `−${trim(-value)}` : "0");
const trim = (value) => String(Math.round(value * 100) / 100);
const once = (name, options, selected) =>
  fill(byId(name), ...Object.entries(options).map(([value, title]) => el("option", { value, selected: value === selected }, title)));

async function ask(path, question) {
  const query = new URLSearchParams();
  for (const [name, value] of question) if (value !== "" && value !== null) query.append(name, value);
  const answer = await fetch(`${path}?${query}`);
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document;
}

function say(text) {
  const said = byId("said");
  said.textContent = text;
  said.classList.add("visible");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => said.classList.remove("visible"), 2500);
}

/* The head: runs, collections, filters. */

const currentRun = () => runs.find((run) => run.name === state.run);
const currentSet = () => currentRun()?.collections.find((each) => each.name === state.set);
const flags = () => (state.set === "evaluation" ? FLAGS.evaluation : FLAGS.round);

function settle() {
  if (!currentRun()) state.run = runs[0].name;
  if (state.with === state.run || !runs.some((run) => run.name === state.with)) state.with = "";
  if (!currentSet()) state.set = currentRun().collections[0]?.name ?? "";
  if (!state.with && state.filter in COMPARED) state.filter = "";
  if (!state.with && state.sort in SORTS_COMPARED) state.sort = "order";
}

function drawHead() {
  const run = currentRun(), set = currentSet();
  document.title = `${run.name} · cowest`;
  once("run", Object.fromEntries(runs.map((each) => [each.name, each.name])), state.run);
  byId("run").title = run.path;
  byId("with-label").hidden = runs.length < 2;
  const others = runs.filter((each) => each.name !== state.run).map((each) => [each.name, each.name]);
  once("with", Object.fromEntries([["", "nothing"], ...others]), state.with);
  fill(byId("collections"), ...run.collections.map((each) => el("button", {
    type: "button", "aria-current": each.name === state.set ? "page" : null,
    onclick: () => change({ set: each.name, filter: "", facets: {}, q: "", from: "", to: "" }),
  }, each.title)));
  byId("banner").hidden = !run.banner;
  byId("banner").textContent = run.banner ?? "";
  byId("result").hidden = !run.headline;
  byId("result").className = run.verdict === "no difference shown" ? "" : run.verdict ?? "";
  byId("headline").textContent = run.headline ?? "";
  byId("short").textContent = VERDICTS[run.verdict] ?? "No result yet";
  drawFilters(set);
  once("sort", { ...SORTS, ...(state.with ? SORTS_COMPARED : {}) }, state.sort);
  for (const [name, key] of [["search", "q"], ["from", "from"], ["to", "to"]]) {
    if (document.activeElement !== byId(name)) byId(name).value = state[key];
  }
}

function filterNames(set) {
  const some = Object.keys(flags()).filter((name) => set.counts[name] > 0 || state.filter === name);
  return ["", ...some, ...(state.with ? Object.keys(COMPARED) : [])];
}

function drawFilters(set) {
  if (!set) {
    fill(byId("filters"));
    fill(byId("facets"));
    return;
  }
  const names = { "": ["All", "every example"], ...flags(), ...COMPARED };
  const focused = document.activeElement?.dataset?.filter;
  fill(byId("filters"), ...filterNames(set).map((name) => el("button", {
    type: "button", title: names[name][1], "aria-pressed": String(state.filter === name), "data-filter": name,
    onclick: () => change({ filter: name }),
  }, names[name][0], set.counts[name] === undefined ? null : el("small", {}, ` ${count(set.counts[name])}`))));
  if (focused !== undefined) document.querySelector(`[data-filter="${CSS.escape(focused)}"]`)?.focus();
  if (byId("facets").contains(document.activeElement)) return; // a list that is open would close
  fill(byId("facets"), ...Object.entries(set.facets).map(([name, values]) => {
    const title = name.replaceAll("_", " ");
    const any = el("option", { value: "" }, `${title}: any`);
    const options = Object.entries(values).map(([value, number]) =>
      el("option", { value, selected: state.facets[name] === value }, `${value} (${count(number)})`));
    const chosen = el("select", { "data-facet": name, "aria-label": title, title, onchange: () => {
      const { [name]: _, ...facets } = state.facets;
      change({ facets: chosen.value === "" ? facets : { ...facets, [name]: chosen.value } });
    } }, any, ...options);
    return chosen;
  }));
}

/* The list. */

async function loadList({ scroll = true } = {}) {
  const asked = ++listAsked;
  if (!state.set) {
    fill(byId("items"));
    byId("count").textContent = "This run has no examples yet.";
    byId("page").textContent = "";
    fill(byId("detail"), el("p", { class: "empty" }, "Nothing to look at yet. What a running stage finishes shows here by itself."));
    return;
  }
  const facets = Object.entries(state.facets).map(([name, value]) => ["facet", `${name}=${value}`]);
  const answer = await ask("/api/items", [
    ["run", state.run], ["set", state.set], ["with", state.with], ["q", state.q], ["filter", state.filter],
    ["from", state.from], ["to", state.to], ["sort", state.sort], ["offset", (state.page - 1) * PAGE], ["limit", PAGE], ...facets,
  ]);
  if (asked !== listAsked) return;
  found = answer;
  rows = found.items;
  total = found.total;
  drawList(scroll);
}

function drawList(scroll) {
  fill(byId("items"), ...rows.map((row, index) => el("li", {
    role: "option", id: `item-${index}`, "aria-selected": String(row.id === state.id),
    onclick: () => { open(row.id); read(); },
  },
  el("span", { class: "excerpt", dir: "auto" }, row.excerpt || "(no text)"),
  el("span", { class: "meta" }, el("code", {}, row.id), gainBadge(row.gain, row.alone), compared(row), trouble(row.flags)))));
  mark(scroll);
  const pages = Math.max(1, Math.ceil(total / PAGE));
  byId("page").textContent = `${count(state.page)} / ${count(pages)}${found.more ? "+" : ""}`;
  byId("previous").disabled = state.page <= 1;
  byId("next").disabled = state.page >= pages;
  const set = currentSet();
  const reading = set.complete ? "" : ` · reading the files, ${Math.floor(100 * set.share_done)}%`;
  const growing = set.growing ? " so far" : "";
  const wholeWord = found.whole_word ? ` with the whole word “${state.q.trim().split(/\s+/).at(-1)}”, since too many begin so` : "";
  const broken = Object.entries(set.broken).map(([name, number]) => ` · ${count(number)} broken in ${name}.jsonl`).join("");
  byId("count").textContent = `${found.more ? "more than " : ""}${count(total)} example${total === 1 ? "" : "s"}${wholeWord}${growing}${reading}${broken}${set.problem ? ` · the rest cannot be indexed: ${set.problem}` : ""}`;
}

/** The gain; where it is 0, also what both reach: `alone` is in [0, 1] in an evaluation, and a judge's score in feedback. */
function gainBadge(gain, alone = null) {
  if (gain === null) return null;
  const title = "gain over the strong model alone";
  if (gain !== 0 || alone === null) return el("span", { class: `badge ${gain > 0 ? "good" : gain < 0 ? "bad" : ""}`, title }, signed(gain));
  if (state.set !== "evaluation") return el("span", { class: "badge", title }, `0, both ${trim(alone)} of 10`);
  return el("span", { class: `badge ${scoreTone(alone)}`, title }, `0, both ${scoreInWords(alone)}`);
}

function compared(row) {
  if (!("other_score" in row) || row.score === null || row.other_score === null || row.score === row.other_score) return null;
  return el("span", { class: "badge" }, row.score > row.other_score ? "better here" : "better there");
}

function trouble(found) {
  const names = ["failed", "unscored"].filter((name) => found.includes(name)).map((name) => {
    const who = Object.keys(PARTIES).filter((party) => found.includes(party)).map((party) => PARTIES[party]);
    const title = flags()[name][0].toLowerCase();
    return name === "unscored" ? `${title}: ${who.join(" and ") || "another method"}` : title;
  });
  return names.length ? el("span", { class: "badge warn" }, names.join(", ")) : null;
}

function mark(scroll = true) {
  const list = byId("items");
  const index = rows.findIndex((row) => row.id === state.id);
  [...list.children].forEach((node, at) => node.setAttribute("aria-selected", String(at === index)));
  if (index < 0) list.removeAttribute("aria-activedescendant");
  else {
    list.setAttribute("aria-activedescendant", `item-${index}`);
    // On a phone the list does not scroll by itself, so the whole page would.
    if (scroll && !isPhone()) list.children[index].scrollIntoView({ block: "nearest" });
  }
}

/* One example. */

function open(id) {
  go({ id }, { keep: true });
  mark();
  return loadItem();
}

async function loadItem() {
  const asked = ++itemAsked;
  if (state.id === null) {
    fill(byId("detail"), el("p", { class: "empty" }, "No example fits. Take a filter away, or search for less."));
    shown = null;
    return;
  }
  const find = (run) => ask("/api/item", [["run", run], ["set", state.set], ["id", state.id]]);
  const [own, there] = await Promise.all([find(state.run), state.with ? find(state.with) : null]);
  if (asked !== itemAsked) return;
  shown = { own, there };
  drawItem();
}

function drawItem() {
  const detail = byId("detail");
  const { own, there } = shown;
  if (!own) {
    fill(detail, back(), el("p", { class: "empty" }, `${state.run} has no example ${state.id} here.`));
    return;
  }
  const evaluated = own.collection === "evaluation";
  const other = there && (evaluated ? pairText(there) : null);
  const draw = evaluated ? drawEvaluated : drawGraded;
  fill(detail, back(),
    el("header", {}, el("h2", {}, el("code", {}, own.id)), ...fields(own)),
    own.failures?.length ? el("p", { class: "problem", role: "note" }, `Left out: ${own.failures.join("; ")}`) : null,
    panel("Query", own.query, { wide: true }),
    own.reference.length ? panel("Reference", own.reference.join("\n"), { wide: true, kind: "reference" }) : null,
    marks(own, there),
    state.with ? el("h3", { class: "whose" }, own.run) : null,
    ...draw(own, other),
    ...(state.with ? [el("h3", { class: "whose" }, state.with), ...(there ? draw(there, evaluated ? pairText(own) : null) : [
      el("p", { class: "empty" }, "That run has no such example."),
    ])] : []));
  detail.scrollTop = 0;
}

const back = () => el("button", { type: "button", class: "back", onclick: leave }, "← List");

function fields(own) {
  const all = { ...(own.gold_label ? { label: own.gold_label } : {}), ...own.fields };
  return Object.entries(all).map(([name, value]) => el("span", { class: "badge" }, `${name.replaceAll("_", " ")}: ${value}`));
}

function markNames(own, there) {
  const names = { alone: "the strong model alone", draft: "the draft" };
  if (there && own.collection === "evaluation") names.other = "the other run";
  return { ...names, none: "nothing" };
}

function marks(own, there) {
  const names = markNames(own, there);
  const chosen = el("select", { id: "mark", onchange: () => { go({ mark: chosen.value }, { keep: true }); drawItem(); } },
    ...Object.entries(names).map(([value, title]) => el("option", { value, selected: state.mark === value }, title)));
  return el("p", { class: "marks" }, el("label", {}, "Mark what the pair's text changes against ", chosen));
}

/** A titled text. `pieces` are words with marks, where there are any. */
function panel(title, text, { pieces = null, badges = [], wide = false, kind = "" } = {}) {
  const body = el("div", { class: "text", dir: "auto", tabindex: "0", role: "group", "aria-label": title });
  if (text === null || text === undefined || text === "") body.append(el("i", {}, "(no text)"));
  else if (pieces) body.append(...pieces.map((piece) => (piece.own ? el("mark", {}, piece.text) : piece.text)));
  else body.append(text);
  return el("section", { class: `panel ${wide ? "wide" : ""} ${kind}` }, el("h4", {}, el("span", {}, title), ...badges), body);
}

const pairText = (document) => document.methods.find((method) => method.name === document.pair)?.output ?? null;

function compareTexts(first, second) {
  return first && second ? differences(first, second) : [null, null];
}

function drawEvaluated(own, otherText) {
  const find = (name) => own.methods.find((method) => method.name === name);
  const pair = find(own.pair), alone = find(own.alone);
  const panels = [];
  let inAlone = null, inDraft = null, inPair = null;
  if (pair) {
    if (state.mark === "alone") [inAlone, inPair] = compareTexts(alone?.output, pair.output);
    if (state.mark === "draft") [inDraft, inPair] = compareTexts(pair.draft, pair.output);
    if (state.mark === "other") inPair = compareTexts(otherText, pair.output)[1];
  }
  if (alone) panels.push(panel(alone.title, alone.output, { pieces: inAlone, badges: outcome(alone), kind: tone(alone) }));
  if (pair) {
    panels.push(panel("Draft of the weak model", pair.draft, { pieces: inDraft, badges: draftOutcome(pair.draft_answer) }));
    panels.push(panel(pair.title, pair.output, { pieces: inPair, badges: outcome(pair), kind: tone(pair) }));
  }
  const others = own.methods.filter((method) => method !== pair && method !== alone);
  return [
    el("div", { class: "texts" }, ...panels),
    others.length ? el("details", { class: "others", open: !pair && !alone }, el("summary", {}, `Other methods (${others.length}) `,
      ...others.map((method) => el("span", { class: `badge ${tone(method)}` }, `${method.title}: ${inWords(method)}`))),
    el("div", { class: "texts" }, ...others.flatMap((method) => [
      method.draft ? panel(`${method.title}: draft`, method.draft) : null,
      panel(method.title, method.output, { badges: outcome(method), kind: tone(method) }),
    ].filter(Boolean)))) : null,
  ];
}

const scoreTone = (score) => (score >= 1 ? "good" : score > 0 ? "partly" : "bad");
const scoreInWords = (score) => (score >= 1 ? "right" : score > 0 ? `score ${trim(score)}` : "wrong");
const tone = (method) => (method.error ? "warn" : scoreTone(method.correct));
const inWords = (method) => (method.error ? "failed" : method.answer === null ? "no answer" : scoreInWords(method.correct));

function outcome(method) {
  if (method.error) return [el("span", { class: "badge warn" }, `failed: ${method.error}`)];
  const facts = [method.cost_usd === null ? "price unknown" : money(method.cost_usd ?? 0), `${trim(method.latency_s ?? 0)} s`];
  return [el("span", { class: `badge ${tone(method)}`, dir: "auto", title: facts.join(", ") }, answered(method.answer, method.correct))];
}

const answered = (answer, score) =>
  answer === null || answer === undefined ? "no answer found" : `${String(answer).slice(0, 120)} · ${scoreInWords(score)}`;

function draftOutcome(draft) {
  if (!draft || typeof draft !== "object") return []; // drafts of this form hold no answer, or the file is an earlier one
  const sure = typeof draft.confidence === "number" ? { title: `confidence of the weak model: ${trim(draft.confidence)}` } : {};
  return [el("span", { class: `badge ${scoreTone(draft.correct)}`, dir: "auto", ...sure }, answered(draft.final, draft.correct))];
}

function drawGraded(own) {
  const why = { solo_perfect: "No drafts: the strong model alone scores 10, so none could gain.", settled: "Fewer drafts: the pairs were settled.",
    paired: "Fewer drafts: they end with the first pair." };
  const isGrowing = currentSet()?.growing;
  const parts = [`${count(own.drafts.length)} draft${own.drafts.length === 1 ? "" : "s"}`,
    isGrowing ? "pairs are made when the stage ends" : `${count(own.num_pairs)} preference pair${own.num_pairs === 1 ? "" : "s"}`];
  const isGraded = own.solo !== null && own.solo !== undefined;
  if (!isGraded && !own.drafts.length) return [];
  return [
    isGraded ? el("div", { class: "texts" }, panel("Strong model alone", own.solo, { badges: [verdict(own.solo_verdict)], wide: !own.null }), nullPanel(own)) : null,
    own.skipped ? el("p", { class: "note" }, why[own.skipped] ?? own.skipped) : null,
    el("p", { class: "note" }, parts.join(", ")),
    ...own.comparisons.map((each) => el("p", { class: "note" }, compare(each))),
    ...own.drafts.map((draft) => (isGraded ? drawDraft(own, draft) : el("article", { class: "draft" }, head(draft),
      el("div", { class: "texts" }, panel("Draft", draft.text, { badges: cut(draft) }))))),
  ];
}

function nullPanel(own) {
  if (!own.null) return null;
  const scores = [own.null.verdict, own.solo_verdict].map((given) => given?.score ?? given?.compared);
  const gain = scores.every((score) => typeof score === "number") ? scores[0] - scores[1] : null;
  return panel("Its second sample, the null control", own.null.text, { badges: [verdict(own.null.verdict), gainBadge(gain)] });
}

function compare({ first, second, preference, unscored_reason: reason }) {
  const names = `Draft ${first + 1} beside draft ${second + 1}`;
  if (preference === null) return `${names}: unscored, ${reason}`;
  return `${names}: ${preference === 0.5 ? "a tie" : `${trim(100 * preference)}% for the first`}`;
}

const cut = (draft) => (draft.finish_reason === "length" ? [el("span", { class: "badge warn" }, "cut")] : []);

function head(draft) {
  const pairs = [...draft.chosen_in.map((number) => ["good", `chosen in pair ${number}`]),
    ...draft.rejected_in.map((number) => ["bad", `rejected in pair ${number}`])];
  const reward = typeof draft.reward === "number" ? el("span", { class: "badge" }, `reward ${trim(draft.reward)}`) : null;
  return el("h3", {}, `Draft ${draft.index + 1} `, gainBadge(draft.gain), reward,
    ...pairs.map(([kind, text]) => el("span", { class: `badge ${kind}` }, text)));
}

function drawDraft(own, draft) {
  const against = { alone: own.solo, draft: draft.text }[state.mark];
  const [inFirst, inRefined] = compareTexts(against, draft.refined);
  return el("article", { class: "draft" }, head(draft),
    el("div", { class: "texts" },
      panel("Draft", draft.text, { pieces: state.mark === "draft" ? inFirst : null, badges: cut(draft) }),
      panel("Refined by the strong model", draft.refined ?? draft.text, { pieces: inRefined, badges: [verdict(draft.verdict)] })));
}

function verdict(given) {
  if (!given) return null;
  const members = Object.entries(given.members ?? {}).map(([name, value]) => `${name} ${value ?? "gave none"}`);
  const title = members.length ? { title: members.join(", ") } : {};
  if (typeof given.compared === "number") {
    const outcome = { 1: "better than the strong model alone", 0: "a tie", "-1": "worse than the strong model alone" };
    return el("span", { class: "badge", ...title }, outcome[given.compared]);
  }
  return given.score === null
    ? el("span", { class: "badge warn", ...title }, `unscored: ${given.unscored_reason}`)
    : el("span", { class: "badge", ...title }, `judged ${given.score} of 10`);
}

/* Moving about. */

async function change(changes, options) {
  go({ page: 1, id: null, ...changes }, options);
  await refresh();
}

async function refresh() {
  settle();
  drawHead();
  await loadList();
  if (state.id === null) go({ id: rows[0]?.id ?? null }, { keep: true });
  mark();
  await loadItem();
}

async function move(step) {
  const index = rows.findIndex((row) => row.id === state.id) + step;
  if (index >= 0 && index < rows.length) await open(rows[index].id);
  else if (await turn(step) && rows.length) await open(rows[step > 0 ? 0 : rows.length - 1].id);
}

async function turn(step) {
  const page = state.page + step;
  if (page < 1 || page > Math.ceil(total / PAGE)) return false;
  go({ page, id: null }, { keep: true });
  await loadList();
  byId("items").scrollTop = 0;
  if (rows.length) await open(rows[0].id);
  return true;
}

const isPhone = () => matchMedia("(max-width: 760px)").matches;

function read() {
  document.body.dataset.view = "detail";
  if (isPhone()) window.scrollTo(0, 0);
}

function leave() {
  document.body.dataset.view = "list";
  mark();
  document.querySelector("#items [aria-selected=true]")?.scrollIntoView({ block: "nearest" });
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    say("Link copied.");
  } catch {
    say("The browser did not let the link be copied; it is in the address bar.");
  }
}

const cycle = (names, name) => names[(names.indexOf(name) + 1) % names.length];

const KEYS = {
  j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
  ArrowRight: () => turn(1), ArrowLeft: () => turn(-1),
  "/": () => { leave(); byId("search").focus(); byId("search").select(); },
  "?": () => byId("help").showModal(),
  c: copyLink,
  f: () => currentSet() && change({ filter: cycle(filterNames(currentSet()), state.filter) }),
  m: () => {
    if (!shown?.own) return;
    go({ mark: cycle(Object.keys(markNames(shown.own, shown.there)), state.mark) }, { keep: true });
    drawItem();
  },
  Enter: () => { read(); byId("detail").focus(); },
  Escape: leave,
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (target.matches("input, select, textarea")) {
    if (key === "Escape" || (key === "Enter" && target.matches("input"))) { target.blur(); byId("items").focus(); }
    return;
  }
  // In a text that has the focus, arrows scroll.
  if (key.startsWith("Arrow") && target.matches(".text")) return;
  if (key === "Enter" && target !== byId("items")) return;
  if (!Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  guard(KEYS[key]);
});

byId("run").addEventListener("change", (event) => guard(() => change({ run: event.target.value, with: "" })));
byId("with").addEventListener("change", (event) => guard(() => change({ with: event.target.value, id: state.id, page: state.page })));
byId("sort").addEventListener("change", (event) => guard(() => change({ sort: event.target.value })));
byId("search").addEventListener("input", (event) => {
  clearTimeout(loadList.timer);
  loadList.timer = setTimeout(() => guard(() => change({ q: event.target.value }, { keep: true })), 120);
});
for (const name of ["from", "to"]) {
  // A number that is not whole yet, such as a lone minus, reads as nothing.
  byId(name).addEventListener("change", (event) => guard(() => change({ [name]: event.target.value })));
}
byId("previous").addEventListener("click", () => guard(() => turn(-1)));
byId("next").addEventListener("click", () => guard(() => turn(1)));
byId("copy").addEventListener("click", copyLink);
byId("help-button").addEventListener("click", () => byId("help").showModal());
addEventListener("popstate", () => guard(() => { state = readAddress(); return refresh(); }));

/* Live. */

function drawLive(status) {
  const live = byId("live");
  live.hidden = !status.active;
  if (!status.active) return;
  const stage = status.stages.findLast((each) => each.state === "started") ?? status.stages.find((each) => each.state !== "done");
  const name = stage ? `${stage.stage}${stage.round ? `, round ${stage.round}` : ""}` : "between stages";
  const roles = Object.values(status.roles).filter((role) => !role.problem);
  const sum = (field) => roles.reduce((all, role) => all + (role[field] ?? 0), 0);
  const facts = [];
  let bar = null;
  if (status.limits.drafts && status.roles.weak) {
    const made = Math.min(status.roles.weak.this_stage, status.limits.drafts);
    facts.push(`${count(made)} of at most ${count(status.limits.drafts)} drafts`);
    bar = el("progress", { value: made, max: status.limits.drafts, "aria-label": "drafts made, of those at most needed" });
  }
  if (stage?.step) facts.push(`step ${count(stage.step.step ?? 0)}${stage.step.loss === undefined ? "" : `, loss ${stage.step.loss.toFixed(3)}`}`);
  if (roles.length) {
    facts.push(`${count(sum("calls"))} calls, ${count(sum("per_minute"))} in the last minute`);
    const unknown = roles.some((role) => role.spend_usd === null);
    const budget = status.limits.budget_usd === undefined ? "" : `, budget of the strong model ${money(status.limits.budget_usd)}`;
    facts.push(unknown ? "price unknown" : `${money(sum("spend_usd"))} spent${budget}`);
  }
  if (status.roles[""]) facts.push(status.roles[""].problem);
  facts.push(...status.engines);
  facts.push(`last change ${Math.round(status.changed_s)} s ago`);
  fill(live, el("b", {}, `Going on: ${name}`), bar, ...facts.map((fact) => el("span", {}, fact)));
}

async function poll() {
  let busy = false;
  if (document.visibilityState === "visible") {
    try {
      const before = JSON.stringify(currentRun()), wasGrowing = currentSet()?.growing;
      runs = await ask("/api/runs", []);
      settle();
      const status = await ask("/api/status", [["run", state.run]]);
      drawLive(status);
      busy = status.active || runs.some((run) => run.collections.some((each) => !each.complete));
      if (JSON.stringify(currentRun()) !== before) {
        drawHead();
        await loadList({ scroll: false });
        if (state.id === null && rows.length) await open(rows[0].id);
        else if (wasGrowing && !currentSet()?.growing) await loadItem(); // its pairs are made now
      }
    } catch {
      say("The viewer does not answer. Is `cowest view` still running?");
    }
  }
  setTimeout(poll, busy ? POLL_MS.busy : POLL_MS.quiet);
}

async function guard(work) {
  try {
    await work();
  } catch (error) {
    say(error.message || "That did not work.");
  }
}

async function start() {
  runs = await ask("/api/runs", []);
  if (state.id !== null) read();
  byId("result").open = !isPhone();
  byId("narrow").open = !isPhone() || Boolean(state.from || state.to || Object.keys(state.facets).length);
  await refresh();
  document.body.dataset.ready = "";
  setTimeout(poll, 300);
}

guard(start);
