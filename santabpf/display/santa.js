/* The page: unpacks plotly.js, draws each .santa-figure from the JSON inside it, in the colours of the theme, and
   starts the canvases. Nothing is asked from anywhere. */
(async () => {
  const NAMES = { "#1f2933": "--santa-ink", "#5f6b7a": "--santa-muted", "#e3e7ec": "--santa-line", "#ffffff": "--santa-paper" };
  const themed = (value, style) => {
    if (typeof value === "string") return NAMES[value] ? style.getPropertyValue(NAMES[value]).trim() || value : value;
    if (Array.isArray(value)) return value.map((v) => themed(v, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, style)]));
    }
    return value;
  };
  const figures = [...document.querySelectorAll(".santa-figure")];
  const fail = (message) => figures.forEach((div) => {
    const note = document.createElement("p");
    note.className = "santa-note";
    note.textContent = message;
    div.append(note);
  });
  santaLanes();
  santaFlames();
  if (!figures.length) { document.documentElement.dataset.santa = "ready"; return; }
  if (typeof DecompressionStream === "undefined") { fail("This browser is too old to draw the charts (it lacks DecompressionStream)."); return; }
  try {
    const library = document.createElement("script");
    library.textContent = await santaUnpack(document.getElementById("santa-plotly").textContent.trim());
    document.head.append(library);
  } catch (error) { fail("The charts could not be drawn: " + error.message); return; }
  const specs = figures.map((div) => JSON.parse(div.querySelector("script").textContent));
  const draw = async () => {
    const style = getComputedStyle(document.documentElement);
    for (const [at, div] of figures.entries()) {
      const { data, layout, config } = specs[at], narrow = div.clientWidth < 560;
      const fitted = themed(layout, style);
      if (narrow) fitted.annotations = (fitted.annotations || []).map((a) => ({ ...a, text: String(a.text).split("\u2003")[0] }));
      if (narrow) for (const key of Object.keys(fitted)) if (key.startsWith("yaxis")) fitted[key] = { ...fitted[key], title: {} };
      if (narrow) fitted.margin = { ...fitted.margin, l: Math.min(fitted.margin.l, 52), r: Math.min(fitted.margin.r, 58) };
      let target = div.querySelector(".santa-plot");
      if (!target) {
        target = document.createElement("div");
        target.className = "santa-plot";
        div.append(target);
      }
      target.style.height = layout.height + "px";
      await Plotly.react(target, themed(data, style), { ...fitted, autosize: true }, config);
    }
    document.documentElement.dataset.santa = "ready";
  };
  await draw();
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
})();
