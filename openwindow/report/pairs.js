// The browser of pairs of replies. All model text is set through textContent: nothing from a run can become markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const list = byId("list");
  if (!list) return;

  // Columns of a row, as `transcripts.py` writes them. The first half of the rows are of run A, the second of run B, in one order.
  const [ARM, SEED, CONTEXT, PROBLEM, FAMILY, PROMPT, REPLY, CODE_AT, CODE, STOP, SCORES, KINDS, REASON, FAILED] = Array(14).keys();
  const data = JSON.parse(byId("data").textContent);
  const { strings, rows, measures } = data;
  const half = rows.length / 2;
  const PAGE = 10;
  const MOST = 1200; // tokens of a reply up to which differences are marked
  const MARKS = { unwanted: "bad", wanted: "good", other: "plain" };
  const score = (row, i) => [false, true, null, undefined][Math.floor(row[SCORES] / 4 ** i) % 4];
  const pairs = rows.slice(0, half).map((a, i) => [a, rows[half + i]]);
  const other = (a, b) => measures.some((_, i) => score(a, i) !== undefined && score(b, i) !== undefined && score(a, i) !== score(b, i));
  const tests = {
    verdict: ([a, b]) => other(a, b),
    grader: ([a, b]) => other(a, b) && a[REPLY] === b[REPLY],
    wording: ([a, b]) => !other(a, b),
    unscored: ([a, b]) => measures.some((_, i) => (score(a, i) === null) !== (score(b, i) === null)),
  };
  measures.forEach(([name], i) => {
    tests[`lost:${name}`] = ([a, b]) => score(a, i) === true && score(b, i) === false;
    tests[`won:${name}`] = ([a, b]) => score(a, i) === false && score(b, i) === true;
  });

  const fields = { text: byId("f-text"), arm: byId("f-arm"), context: byId("f-context"), seed: byId("f-seed"), what: byId("f-what") };
  const fill = (select, names) => names.forEach((name, i) => select.append(new Option(name, String(i))));
  fill(fields.arm, data.arms.map((arm) => arm[1]));
  fill(fields.context, data.contexts);
  fill(fields.seed, data.seeds.map(String));

  const make = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  // Search marks each distinct text once, then asks of every pair whether one of its texts is marked.
  let lower = null;
  const matcher = (words) => {
    lower ??= strings.map((text) => text.toLowerCase());
    const hit = lower.map((text) => text.includes(words));
    const prompts = data.prompts.map((prompt) => prompt.some((turn) => hit[turn[1]]));
    const one = (row) => hit[row[PROBLEM]] || hit[row[FAMILY]] || hit[row[REPLY]] || prompts[row[PROMPT]]
      || data.lists[row[KINDS]].some((i) => hit[i]) || (row[REASON] >= 0 && hit[row[REASON]]) || (row[FAILED] >= 0 && hit[row[FAILED]]);
    return ([a, b]) => one(a) || one(b);
  };

  let found = [];
  let page = 0;
  const filter = () => {
    const wanted = [[ARM, fields.arm.value], [CONTEXT, fields.context.value], [SEED, fields.seed.value]].filter((pair) => pair[1] !== "");
    const words = fields.text.value.trim().toLowerCase();
    const says = words ? matcher(words) : null;
    const passes = tests[fields.what.value];
    found = pairs.filter((pair) => wanted.every(([column, value]) => pair[0][column] === Number(value)) && (!passes || passes(pair)) && (!says || says(pair)));
    page = 0;
    show();
  };

  const chips = (row) => {
    const box = make("span", "chips");
    const add = (cls, text) => box.append(make("span", `chip ${cls}`, text));
    for (const part of ["unwanted", "wanted", "other"]) {
      measures.forEach(([, of, mark], i) => { if (of === part && score(row, i)) add(MARKS[part], mark); });
    }
    if (measures.some((_, i) => score(row, i) === null)) add("open", "unscored");
    if (data.stops[row[STOP]] !== "end") add("open", data.stops[row[STOP]] === "length" ? "cut off" : "failed to generate");
    if (!box.childElementCount) add("plain", "none");
    return box;
  };

  // Which words of two texts have no counterpart in the other: those outside a longest common subsequence. null: too long to say.
  const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
  const unmatched = (x, y) => {
    if (x.length > MOST || y.length > MOST) return null;
    const wide = y.length + 1;
    const best = new Uint16Array((x.length + 1) * wide);
    for (let i = x.length - 1; i >= 0; i -= 1) {
      for (let j = y.length - 1; j >= 0; j -= 1) {
        best[i * wide + j] = x[i] === y[j] ? best[(i + 1) * wide + j + 1] + 1 : Math.max(best[(i + 1) * wide + j], best[i * wide + j + 1]);
      }
    }
    const marks = [x.map(() => true), y.map(() => true)];
    for (let i = 0, j = 0; i < x.length && j < y.length;) {
      if (x[i] === y[j]) { marks[0][i] = marks[1][j] = false; i += 1; j += 1; }
      else if (best[(i + 1) * wide + j] >= best[i * wide + j + 1]) i += 1;
      else j += 1;
    }
    return marks;
  };

  const written = (tokens, marks, whole) => {
    const pre = make("pre", "reply");
    if (!whole) pre.textContent = "(empty)";
    else if (!marks) pre.textContent = whole;
    else for (let i = 0, end; i < tokens.length; i = end) {
      for (end = i; end < tokens.length && marks[end] === marks[i];) end += 1;
      const text = tokens.slice(i, end).join("");
      pre.append(marks[i] && text.trim() ? make("mark", "", text) : text);
    }
    return pre;
  };

  const side = (row, name, tokens, marks) => {
    const box = make("div", "side");
    const head = make("p", "whose");
    head.append(make("span", "key-run", name), chips(row));
    box.append(head, written(tokens, marks, strings[row[REPLY]]));
    const note = (title, text) => box.append(make("span", "part", title), make("pre", "text", text));
    if (data.lists[row[KINDS]].length) note("kinds", data.lists[row[KINDS]].map((i) => strings[i]).join(", "));
    if (row[FAILED] >= 0) note("failed on", strings[row[FAILED]]);
    if (row[REASON] >= 0) note(measures.some((_, i) => score(row, i) === null) ? "why it is not scored" : "remark", strings[row[REASON]]);
    return box;
  };

  const body = ([a, b]) => {
    const box = make("div", "both");
    const asked = make("details", "asked");
    asked.append(make("summary", "", "Prompt"));
    for (const [role, text] of data.prompts[a[PROMPT]]) asked.append(make("span", "part", role), make("pre", "text", strings[text]));
    asked.open = data.prompts[a[PROMPT]].reduce((sum, turn) => sum + strings[turn[1]].length, 0) < 1200;
    const [x, y] = [words(strings[a[REPLY]]), words(strings[b[REPLY]])];
    const marks = unmatched(x, y);
    const columns = make("div", "sides");
    columns.append(side(a, "A", x, marks?.[0]), side(b, "B", y, marks?.[1]));
    box.append(asked, columns);
    return box;
  };

  const kind = (pair) => tests.grader(pair) ? "same reply, other verdict" : tests.verdict(pair) ? "other verdict" : "other wording";
  const card = (pair, open) => {
    const [a] = pair;
    const box = make("details", "card");
    const head = make("summary");
    const mark = make("span", "chips");
    mark.append(make("span", `chip ${tests.verdict(pair) ? "open" : "plain"}`, kind(pair)));
    head.append(make("span", "who", data.arms[a[ARM]][1]), make("span", "where", `${data.contexts[a[CONTEXT]]}, seed ${data.seeds[a[SEED]]}, ${strings[a[PROBLEM]]}`), mark);
    box.append(head);
    const render = () => { if (box.open && box.childElementCount === 1) box.append(body(pair)); };
    box.addEventListener("toggle", render);
    box.open = open;
    render();
    return box;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    list.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((pair, i) => card(pair, i < 2)));
    byId("found").textContent = found.length ? `${found.length.toLocaleString("en")} of ${pairs.length.toLocaleString("en")} pairs` : "No pair matches. Clear a filter to see more.";
    byId("page").textContent = `Page ${page + 1} of ${pages}`;
    byId("prev").disabled = page === 0;
    byId("next").disabled = page >= pages - 1;
  };
  const turn = (by) => { page += by; show(); byId("found").scrollIntoView({ block: "nearest" }); };
  byId("prev").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));

  let waiting = 0;
  fields.text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 150); });
  for (const field of [fields.arm, fields.context, fields.seed, fields.what]) field.addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter, 0));

  // A number of a table opens the pairs that it counts.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.jump");
    if (!link) return;
    const at = (names, name) => { const i = names.indexOf(name); return i < 0 ? "" : String(i); };
    fields.arm.value = at(data.arms.map((known) => known[0]), link.dataset.arm);
    fields.context.value = at(data.contexts, link.dataset.context);
    fields.seed.value = fields.what.value = fields.text.value = "";
    filter();
    if (!fields.arm.value || !fields.context.value) { found = []; show(); }
  });
  filter();
})();
