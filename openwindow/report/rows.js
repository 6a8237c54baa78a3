"use strict";
// What the browsers of transcripts and of pairs of replies share. All model text is set through textContent: nothing from a run
// can become markup.
const byId = (id) => document.getElementById(id);
// Columns of a row; `transcripts.py` writes them in this order.
const [ARM, SEED, CONTEXT, PROBLEM, FAMILY, PROMPT, REPLY, CODE_AT, CODE, STOP, SCORES, KINDS, REASON, FAILED, VISIBLE, STEP, EARNED, UNDER] = Array(18).keys();
const MARKS = { unwanted: "bad", wanted: "good", other: "plain" };
const score = (row, i) => [false, true, null, undefined][Math.floor(row[SCORES] / 4 ** i) % 4];

const make = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};

// The place of a name as the value of a filter; empty if it is not there.
const at = (names, name) => { const i = names.indexOf(name); return i < 0 ? "" : String(i); };
const fill = (select, names) => names.forEach((name, i) => select.append(new Option(name, String(i))));

// Search marks each distinct text once, then asks of every row whether one of its texts is marked.
const searchOf = (data) => {
  let lower = null;
  return (words) => {
    lower ??= data.strings.map((text) => text.toLowerCase());
    const hit = lower.map((text) => text.includes(words));
    const prompts = data.prompts.map((prompt) => prompt.some((turn) => hit[turn[1]]));
    const lists = data.lists.map((entries) => entries.some((entry) => hit[entry]));
    const says = (row) => hit[row[PROBLEM]] || hit[row[FAMILY]] || hit[row[REPLY]] || prompts[row[PROMPT]] || lists[row[KINDS]]
      || (row[REASON] >= 0 && hit[row[REASON]]) || (row[FAILED] >= 0 && hit[row[FAILED]]);
    return { hit, lists, says };
  };
};

// A chip for each verdict that a row has.
const addVerdicts = (add, measures, row) => {
  for (const part of ["unwanted", "wanted", "other"]) {
    measures.forEach(([, of, mark], i) => { if (of === part && score(row, i)) add(MARKS[part], mark); });
  }
};

// A card that makes its body when it is first opened.
const folded = (heads, body, open) => {
  const box = make("details", "card");
  const head = make("summary");
  head.append(...heads);
  box.append(head);
  const render = () => { if (box.open && box.childElementCount === 1) box.append(body()); };
  box.addEventListener("toggle", render);
  box.open = open;
  render();
  return box;
};

// Shows one page of the found, and what can be turned to.
const showPage = (list, found, page, size, card) => {
  const pages = Math.max(1, Math.ceil(found.length / size));
  list.replaceChildren(...found.slice(page * size, (page + 1) * size).map(card));
  byId("page").textContent = `Page ${page + 1} of ${pages}`;
  byId("prev").disabled = page === 0;
  byId("next").disabled = page >= pages - 1;
};

// `filter` is called when a field changes, `turn` with the number of pages to go on by.
const listen = (fields, filter, turn) => {
  byId("prev").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  let waiting = 0;
  fields.text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 150); });
  for (const field of Object.values(fields)) if (field !== fields.text) field.addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter, 0));
};
