// Search and filters of the list of runs.
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("#runs tbody tr")];
  const fields = ["text", "kind", "verdict", "model", "state"].map((name) => byId(`f-${name}`));
  const [text, kind, verdict, model, state] = fields;
  const lower = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const words = text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => lower[i].includes(word))
        && [[kind, "kind"], [verdict, "verdict"], [model, "model"], [state, "state"]].every(([field, name]) => !field.value || row.dataset[name] === field.value);
      row.hidden = !fits;
      shown += fits;
    });
    byId("found").textContent = shown === rows.length ? `${shown.toLocaleString("en")} runs` : `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} runs`;
  };
  for (const field of fields) field.addEventListener(field === text ? "input" : "change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter, 0));
  filter();
})();
