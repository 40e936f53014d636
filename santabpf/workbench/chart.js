/* Shows the model's figure with plotly.js, which is asked for once a page, through the first chart that needs it.
   Tells the model which range was dragged and which point was clicked. Sentences are set as text. */
const ASKED = Symbol.for("santabpf.plotly"), PATIENCE_MS = 15000;

function plotly(model) {
  const known = window[ASKED];
  if (known && (known.done || performance.now() - known.since < PATIENCE_MS)) return known.library;
  const asked = { since: performance.now(), done: false };
  asked.library = new Promise((found) => model.on("msg:custom", async function answered(content, buffers) {
    if (content.answer !== "plotly" || asked.done) return;
    const packed = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("gzip"));
    const module = { exports: {} }; /* plotly.js is a CommonJS module too; so nothing of the page's is touched */
    new Function("module", await new Response(packed).text())(module);
    asked.done = true;
    model.off("msg:custom", answered);
    found(module.exports);
  }));
  window[ASKED] = asked;
  model.send({ ask: "plotly" });
  return asked.library;
}

function range(target, event) {
  const axis = Object.keys(event?.range || {}).find((key) => key.startsWith("x"));
  if (!axis) return [];
  const drawn = target._fullLayout["xaxis" + axis.slice(1)];
  return event.range[axis].map((value) => Number(drawn.r2l(value))).sort((a, b) => a - b);
}

function cover(target, covers, now) { /* hides the future in each drawing, but not the titles between them */
  const layout = target._fullLayout, plots = now === null || !layout ? [] : Object.values(layout._plots);
  covers.replaceChildren(...plots.map(({ xaxis, yaxis }) => {
    const hidden = document.createElement("div"), left = Math.max(0, Math.min(xaxis._length, xaxis.l2p(now)));
    const place = { left: xaxis._offset + left, top: yaxis._offset, width: xaxis._length - left, height: yaxis._length };
    for (const [key, pixels] of Object.entries(place)) hidden.style[key] = pixels + "px";
    hidden.style.background = layout.plot_bgcolor;
    return hidden;
  }));
}

function render({ model, el }) {
  el.classList.add("santa", "santa-chart");
  const note = el.appendChild(document.createElement("p")), target = el.appendChild(document.createElement("div"));
  const covers = target.parentNode.appendChild(document.createElement("div"));
  note.className = "santa-note santa-empty";
  note.setAttribute("role", "status");
  covers.className = "santa-covers";
  let clicks = 0, drawing = null, stale = false, gone = false, heard = false, clearing = false;

  function tell(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function listen(Plotly) {
    heard = true;
    target.on("plotly_click", (event) => {
      const { customdata, x, y } = event.points[0];
      if (customdata === undefined) return;
      tell("clicked", { customdata, x, y: y ?? null, count: ++clicks });
    });
    target.on("plotly_selected", async (event) => {
      const dragged = range(target, event);
      if (dragged.length !== 2) return;
      tell("selected", dragged);
      clearing = true; /* what is chosen is drawn by whoever hears of it */
      await Plotly.relayout(target, { selections: [] });
      clearing = false;
    });
    target.on("plotly_afterplot", hide);
    target.on("plotly_deselect", () => { if (!clearing) tell("selected", []); });
  }
  const hide = () => cover(target, covers, target.hidden ? null : model.get("now"));
  async function draw() {
    const Plotly = await plotly(model);
    while (stale && !gone) { /* what came while it was drawing is drawn next, and only the newest of it */
      stale = false;
      const { data, layout, config } = model.get("figure");
      if (!data) continue;
      target.style.height = (layout.height || 320) + "px";
      await Plotly.react(target, data, { ...layout, autosize: true }, config);
      if (!heard) listen(Plotly);
      hide();
      el.dataset.drawn = String(Number(el.dataset.drawn || 0) + 1);
    }
    drawing = null;
  }
  function show() {
    const message = model.get("message");
    note.textContent = message;
    note.hidden = !message;
    target.hidden = Boolean(message);
    stale = !message;
    hide();
    if (stale && !drawing && model.get("figure").data) {
      drawing = draw().catch((error) => {
        drawing = null;
        note.textContent = "The chart could not be drawn: " + error.message;
        note.hidden = false;
      });
    }
  }
  const watcher = new ResizeObserver(async () => {
    if (heard && target.clientWidth) (await plotly(model)).Plots.resize(target);
  });
  watcher.observe(el);
  model.on("change:figure", show);
  model.on("change:message", show);
  model.on("change:now", hide);
  show();
  return async () => {
    gone = true;
    watcher.disconnect();
    model.off("change:figure", show);
    model.off("change:message", show);
    model.off("change:now", hide);
    if (heard) (await plotly(model)).purge(target);
  };
}
export default { render };
