/* Shows the model's flame graph, drawn by display/flame.js, which stands above this in the same module. */
function render({ model, el }) {
  const note = el.appendChild(document.createElement("p")), place = el.appendChild(document.createElement("div"));
  el.classList.add("santa");
  note.className = "santa-note santa-empty";
  note.setAttribute("role", "status");
  let clicks = 0, shown = "";
  const show = () => {
    const message = model.get("message"), drawing = model.get("drawing");
    note.textContent = message;
    note.hidden = !message;
    place.hidden = Boolean(message);
    if (message || drawing === shown) return;
    shown = drawing;
    place.innerHTML = drawing; /* made by display/flame.py: nothing in it is from outside that is not escaped */
    santaFlames(place);
  };
  place.addEventListener("santa-frame", (event) => {
    model.set("clicked", { ...event.detail, count: ++clicks });
    model.save_changes();
  });
  model.on("change:message", show);
  model.on("change:drawing", show);
  show();
  return () => {
    model.off("change:message", show);
    model.off("change:drawing", show);
  };
}
export default { render };
