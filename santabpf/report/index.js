/* Shows the reports that fit all filters; the address after # keeps them, so that a list can be linked to. */
(() => {
  const ids = ["words", "node", "scenario", "state", "from", "to"];
  const of = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => ({
    row, text: row.textContent.toLowerCase(), date: row.dataset.date, state: row.dataset.state,
    nodes: JSON.parse(row.dataset.nodes), scenarios: JSON.parse(row.dataset.scenarios),
  }));
  const apply = () => {
    const asked = Object.fromEntries(ids.map((id) => [id, of(id).value]));
    const words = asked.words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const r of rows) {
      const fits = words.every((word) => r.text.includes(word)) && (!asked.node || r.nodes.includes(asked.node))
        && (!asked.scenario || r.scenarios.includes(asked.scenario)) && (!asked.state || r.state === asked.state)
        && (!asked.from || r.date >= asked.from) && (!asked.to || r.date <= asked.to);
      r.row.hidden = !fits;
      shown += fits;
    }
    of("count").textContent = shown === rows.length ? `${shown} report${shown === 1 ? "" : "s"}` : `${shown} of ${rows.length} reports`;
    if (of("none")) of("none").hidden = shown > 0;
    const kept = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
    if (location.hash.slice(1) !== kept.toString()) history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname);
  };
  for (const [id, value] of new URLSearchParams(location.hash.slice(1))) if (ids.includes(id)) of(id).value = value;
  for (const id of ids) of(id).addEventListener("input", apply);
  of("filters").addEventListener("submit", (event) => event.preventDefault());
  if (of("reset")) of("reset").addEventListener("click", () => { of("filters").reset(); apply(); });
  apply();
  document.documentElement.dataset.santa = "ready";
})();
