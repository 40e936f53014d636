/* Shows the model's drawing, which is HTML made by display, and starts the canvases in it with display's scripts, which
   stand above this in the same module. Tells the model what was clicked. */
function render({ model, el }) {
  const note = el.appendChild(document.createElement("p")), place = el.appendChild(document.createElement("div"));
  el.classList.add("santa");
  note.className = "santa-note santa-empty";
  note.setAttribute("role", "status");
  if (model.get("heard")) place.dataset.santaHeard = "true";
  let shown = null;

  const tell = (what) => {
    model.set("clicked", { ...what, count: (model.get("clicked").count || 0) + 1 }); /* of all views of the model */
    model.save_changes();
  };
  function rows() { /* those that can be clicked, by keyboard too */
    const body = place.querySelector(".santa-table tbody");
    for (const row of body ? [...body.rows].slice(0, model.get("picks")) : []) {
      row.classList.add("santa-pick");
      row.tabIndex = 0;
      row.setAttribute("role", "button");
      row.addEventListener("click", () => { if (!getSelection().toString()) tell({ row: row.sectionRowIndex }); });
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") tell({ row: row.sectionRowIndex }); });
    }
  }
  function show() {
    const message = model.get("message"), drawing = model.get("drawing");
    note.textContent = message;
    note.hidden = !message;
    place.hidden = Boolean(message);
    if (message || drawing === shown) return;
    shown = drawing;
    place.innerHTML = drawing; /* nothing in it is from outside that display has not escaped */
    if (typeof santaFlames === "function") santaFlames(place);
    if (typeof santaLanes === "function") santaLanes(place);
    rows();
    el.dataset.drawn = String(Number(el.dataset.drawn || 0) + 1);
  }
  place.addEventListener("santa-frame", (event) => tell(event.detail));
  place.addEventListener("santa-box", (event) => tell(event.detail));
  model.on("change:message", show);
  model.on("change:drawing", show);
  show();
  return () => {
    model.off("change:message", show);
    model.off("change:drawing", show);
  };
}
export default { render };
