/* Shows the model's figure with plotly.js, which is asked for once a page, by one of the charts that need it; when that
   one is gone before the answer, or none comes, another that waits asks. Tells the model which range was dragged and
   which point was clicked. Sentences are set as text. */
const PAGE = window[Symbol.for("santabpf.plotly")] ??= { library: null, answer: null };
const PATIENCE_MS = 15000, QUIET_MS = 3000;

function ask(model, signal) { /* until the answer, or until somebody else had better ask */
  return new Promise((settled, failed) => {
    model.on("msg:custom", async (content, buffers) => { /* anywidget takes it off with the view */
      if (content.answer !== "plotly" || PAGE.library) return;
      const packed = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("gzip"));
      const module = { exports: {} }; /* plotly.js is a CommonJS module too; so nothing of the page's is touched */
      try {
        new Function("module", await new Response(packed).text())(module);
        PAGE.library = module.exports;
        settled();
      } catch (error) {
        failed(error);
      }
    });
    signal.addEventListener("abort", () => settled());
    setTimeout(settled, PATIENCE_MS);
    model.send({ ask: "plotly" });
  }).finally(() => { PAGE.answer = null; });
}

async function plotly(model, signal) { /* null: the view has gone */
  while (!PAGE.library && !signal.aborted) {
    const asks = !PAGE.answer;
    if (asks) PAGE.answer = ask(model, signal);
    await PAGE.answer;
    if (asks) await new Promise((next) => setTimeout(next)); /* so that those who waited ask first */
  }
  return PAGE.library;
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

function render({ model, el, signal }) {
  el.classList.add("santa", "santa-chart");
  const note = el.appendChild(document.createElement("p")), target = el.appendChild(document.createElement("div"));
  const covers = target.parentNode.appendChild(document.createElement("div"));
  note.className = "santa-note santa-empty";
  note.setAttribute("role", "status");
  covers.className = "santa-covers";
  let drawing = null, stale = false, heard = false, clearing = false;

  function tell(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function listen(Plotly) {
    heard = true;
    target.on("plotly_click", (event) => {
      const { customdata, x, y } = event.points[0];
      if (customdata === undefined) return;
      tell("clicked", { customdata, x, y: y ?? null, count: (model.get("clicked").count || 0) + 1 });
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
  function say(text) {
    note.textContent = text;
    note.hidden = !text;
  }
  async function draw() {
    const late = setTimeout(say, QUIET_MS, "Waiting for the notebook's kernel, which sends what draws charts …");
    const Plotly = await plotly(model, signal).finally(() => clearTimeout(late));
    say(model.get("message"));
    while (stale && !signal.aborted) { /* what came while it was drawing is drawn next, and only the newest of it */
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
    say(message);
    target.hidden = Boolean(message);
    stale = !message;
    hide();
    if (stale && !drawing && model.get("figure").data) {
      drawing = draw().catch((error) => {
        drawing = null;
        say("The chart could not be drawn: " + error.message);
      });
    }
  }
  const watcher = new ResizeObserver(() => { if (heard && target.clientWidth) PAGE.library.Plots.resize(target); });
  watcher.observe(el);
  model.on("change:figure", show);
  model.on("change:message", show);
  model.on("change:now", hide);
  show();
  return () => {
    watcher.disconnect();
    model.off("change:figure", show);
    model.off("change:message", show);
    model.off("change:now", hide);
    if (heard) PAGE.library.purge(target);
  };
}
export default { render };
