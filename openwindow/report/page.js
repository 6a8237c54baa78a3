// The page of a study, and of a watched run.
(() => {
  const root = document.documentElement;

  // Theme: the system's, unless the address says #dark or #light, or the button was used.
  const button = byId("theme");
  const asked = /(?:[#&?]|theme=)(dark|light)$/.exec(location.hash || location.search);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const nameButton = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  let kept = null;
  try { kept = localStorage.getItem("openwindow-theme"); } catch { /* storage is off for this file */ }
  if (asked) root.dataset.theme = asked[1];
  else if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("openwindow-theme", root.dataset.theme); } catch { /* storage is off for this file */ }
    nameButton();
  });
  system.addEventListener("change", nameButton);
  nameButton();

  // The measure that the figure shows.
  const switches = [...document.querySelectorAll(".switch button")];
  for (const chosen of switches) {
    chosen.addEventListener("click", () => {
      for (const other of switches) other.setAttribute("aria-pressed", String(other === chosen));
      for (const plot of document.querySelectorAll(".plot")) plot.hidden = plot.dataset.measure !== chosen.dataset.measure;
      byId("figure-measure").textContent = chosen.dataset.measure;
    });
  }

  // On paper everything that is folded is open, and folds again afterwards.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.trained:not([open])")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });

  const list = byId("list");
  if (!list) return;

  const data = JSON.parse(byId("data").textContent);
  const strings = data.strings;
  const PAGE = 12;
  const weighed = [...data.measures.keys()].filter((i) => data.measures[i][1] !== "other");
  const tests = {
    none: (row) => weighed.every((i) => !score(row, i)) && !tests.unscored(row),
    unscored: (row) => data.measures.some((_, i) => score(row, i) === null),
    cut: (row) => data.stops[row[STOP]] !== "end",
  };
  data.measures.forEach(([name], i) => { tests[`is:${name}`] = (row) => score(row, i) === true; });

  const fields = { text: byId("f-text"), arm: byId("f-arm"), context: byId("f-context"), seed: byId("f-seed"), steps: byId("f-steps"), verdict: byId("f-verdict") };
  data.groups.forEach(([name], i) => fields.context.append(new Option(name, `g${i}`)));
  fill(fields.arm, data.arms.map((arm) => arm[1]));
  fill(fields.context, data.contexts);
  fill(fields.seed, data.seeds.map(String));
  for (const name of ["arm", "context", "seed"]) fields[name].parentElement.hidden = fields[name].options.length < 3;
  const steps = [...new Set(data.rows.map((row) => row[STEP]))].filter((step) => step >= 0).sort((a, b) => a - b);
  if (steps.length) for (const step of [...(data.rows.some((row) => row[STEP] < 0) ? ["end"] : []), ...steps.map(String)]) fields.steps.append(new Option(step === "end" ? "none: start or end" : step, step));
  else fields.steps.parentElement.hidden = true;

  const search = searchOf(data);
  const matcher = (words) => {
    const { hit, lists, says } = search(words);
    return (row) => says(row) || lists[row[VISIBLE]] || (row[CODE_AT] < 0 && row[CODE] >= 0 && hit[row[CODE]]);
  };

  let found = [];
  let page = 0;
  const filter = () => {
    const wanted = [[ARM, fields.arm.value], [SEED, fields.seed.value]].filter((pair) => pair[1] !== "");
    const group = fields.context.value.startsWith("g") ? data.groups[Number(fields.context.value.slice(1))][1] : [Number(fields.context.value)];
    const [from, to] = fields.steps.value === "end" ? [-1, -1] : fields.steps.value.split("-").map(Number);
    const words = fields.text.value.trim().toLowerCase();
    const says = words ? matcher(words) : null;
    const passes = tests[fields.verdict.value];
    found = data.rows.filter((row) => wanted.every(([column, value]) => row[column] === Number(value)) && (!passes || passes(row)) && (!says || says(row))
      && (fields.context.value === "" || group.includes(row[CONTEXT])) && (fields.steps.value === "" || (row[STEP] >= from && row[STEP] <= (to ?? from))));
    page = 0;
    show();
  };

  const chips = (row) => {
    const box = make("span", "chips");
    const add = (cls, text) => box.append(make("span", `chip ${cls}`, text));
    addVerdicts(add, data.measures, row);
    if (tests.unscored(row)) add("open", "unscored");
    if (tests.cut(row)) add("open", data.stops[row[STOP]] === "length" ? "cut off at the token limit" : "failed to generate");
    for (const kind of data.lists[row[KINDS]]) add("plain", strings[kind]);
    return box;
  };

  const reply = (row) => {
    const pre = make("pre", "reply");
    const text = strings[row[REPLY]];
    if (row[CODE_AT] < 0) {
      pre.textContent = text || "(empty)";
      return pre;
    }
    const end = row[CODE_AT] + row[CODE];
    pre.append(text.slice(0, row[CODE_AT]).replace(/\n$/, ""), make("span", "graded", text.slice(row[CODE_AT], end)), text.slice(end).replace(/^\n/, ""));
    return pre;
  };

  const body = (row) => {
    const box = make("div", "body");
    const [left, right] = [make("div"), make("div")];
    for (const [role, text] of data.prompts[row[PROMPT]]) left.append(make("span", "part", role), make("pre", "text", strings[text]));
    right.append(make("span", "part", row[CODE_AT] < 0 ? "reply" : "reply (what was graded is shaded)"), reply(row));
    if (row[CODE_AT] < 0 && row[CODE] >= 0) right.append(make("span", "part", "graded"), make("pre", "text", strings[row[CODE]]));
    if (row[UNDER] >= 0) for (const [role, text] of data.prompts[row[UNDER]]) left.append(make("span", "part", `${role}, as trained under`), make("pre", "text", strings[text]));
    if (data.lists[row[VISIBLE]].length) right.append(make("span", "part", "checked against"), make("pre", "text", data.lists[row[VISIBLE]].map((i) => strings[i]).join("\n")));
    if (row[FAILED] >= 0) right.append(make("span", "part", "failed on"), make("pre", "text", strings[row[FAILED]]));
    if (data.lists[row[EARNED]].length) right.append(make("span", "part", "reward and its parts"), make("pre", "text", data.lists[row[EARNED]].map((i) => strings[i]).join("\n")));
    if (row[REASON] >= 0) right.append(make("span", "part", tests.unscored(row) ? "why it is not scored" : "remark"), make("pre", "text", strings[row[REASON]]));
    right.append(ways(row));
    box.append(left, right);
    return box;
  };

  // What the model of a transcript was trained on: the rows of its arm, or the rollouts of its training.
  const ways = (row) => {
    const [arm, , rows] = data.arms[row[ARM]];
    const box = make("p", "ways");
    const add = (text, target, more) => {
      const link = Object.assign(make("a", "", text), { href: target });
      Object.assign(link.dataset, more);
      box.append(link);
    };
    if (rows) add("What this arm was trained on", `#${rows}`, {});
    if (row[STEP] >= 0 && data.contexts[row[CONTEXT]] === "training") add("All rollouts of this step", "#transcripts", { arm, context: "training", steps: String(row[STEP]), seed: String(data.seeds[row[SEED]]) });
    else if (trained.has(row[ARM])) add("Rollouts of its training", "#transcripts", { arm, context: "training" });
    return box;
  };
  const trained = new Set(data.rows.filter((row) => data.contexts[row[CONTEXT]] === "training").map((row) => row[ARM]));

  const card = (row, open) => folded([
    make("span", "who", data.arms[row[ARM]][1]),
    make("span", "where", `${data.contexts[row[CONTEXT]]}${row[STEP] < 0 ? "" : `, step ${row[STEP]}`}, seed ${data.seeds[row[SEED]]}, ${strings[row[PROBLEM]]}`),
    chips(row),
  ], () => body(row), open);

  const show = () => {
    showPage(list, found, page, PAGE, (row, i) => card(row, i === 0));
    byId("found").textContent = found.length ? `${found.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} transcripts` : `No transcript matches. Clear a filter to see more${list.dataset.missing}.`;
  };
  listen(fields, filter, (by) => { page += by; show(); byId("found").scrollIntoView({ block: "nearest" }); });

  // A mark of a figure, or a number of a table, opens the transcripts that it counts; a link to folded rows unfolds them.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    const target = byId((link.getAttribute("href") ?? "").slice(1));
    if (target?.tagName === "DETAILS") target.open = true;
    if (link.dataset.arm === undefined) return;
    const { arm, context, seed = "", steps: asked } = link.dataset;
    const group = at(data.groups.map((known) => known[0]), context);
    const wanted = { arm: at(data.arms.map((known) => known[0]), arm), context: group ? `g${group}` : at(data.contexts, context), seed: at(data.seeds.map(String), seed) };
    for (const name of ["arm", "context", "seed"]) fields[name].value = wanted[name];
    if (asked && ![...fields.steps.options].some((option) => option.value === asked)) fields.steps.append(new Option(asked.replace("-", " to "), asked));
    fields.steps.value = fields.steps.parentElement.hidden ? "" : asked ?? "";
    fields.verdict.value = fields.text.value = "";
    filter();
    if (!wanted.arm || !wanted.context || (seed && !wanted.seed)) { found = []; show(); }
  });
  filter();
})();
