// The browser of pairs of replies.
(() => {
  const list = byId("list");
  if (!list) return;

  // The first half of the rows are of run A, the second of run B, in one order.
  const data = JSON.parse(byId("data").textContent);
  const { strings, rows, measures } = data;
  const half = rows.length / 2;
  const PAGE = 10;
  const MOST = 1200; // tokens of a reply up to which differences are marked
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
  fill(fields.arm, data.arms.map((arm) => arm[1]));
  fill(fields.context, data.contexts);
  fill(fields.seed, data.seeds.map(String));

  const search = searchOf(data);
  const matcher = (words) => {
    const { says } = search(words);
    return ([a, b]) => says(a) || says(b);
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
    addVerdicts(add, measures, row);
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
    const mark = make("span", "chips");
    mark.append(make("span", `chip ${tests.verdict(pair) ? "open" : "plain"}`, kind(pair)));
    return folded([
      make("span", "who", data.arms[a[ARM]][1]),
      make("span", "where", `${data.contexts[a[CONTEXT]]}, seed ${data.seeds[a[SEED]]}, ${strings[a[PROBLEM]]}`),
      mark,
    ], () => body(pair), open);
  };

  const show = () => {
    showPage(list, found, page, PAGE, (pair, i) => card(pair, i < 2));
    byId("found").textContent = found.length ? `${found.length.toLocaleString("en")} of ${pairs.length.toLocaleString("en")} pairs` : "No pair matches. Clear a filter to see more.";
  };
  listen(fields, filter, (by) => { page += by; show(); byId("found").scrollIntoView({ block: "nearest" }); });

  // A number of a table opens the pairs that it counts.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.jump");
    if (!link) return;
    fields.arm.value = at(data.arms.map((known) => known[0]), link.dataset.arm);
    fields.context.value = at(data.contexts, link.dataset.context);
    fields.seed.value = fields.what.value = fields.text.value = "";
    filter();
    if (!fields.arm.value || !fields.context.value) { found = []; show(); }
  });
  filter();
})();
