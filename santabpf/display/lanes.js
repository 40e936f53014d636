/* Boxes on rows over time, on a canvas. Reads [data-santa-lanes] (gzip + base64 of JSON, see lanes.py), draws, zooms
   with the wheel (once clicked, or with Ctrl), pans by dragging. All text is drawn as text or set as textContent. */
"use strict";
function santaLanes(within = document) {
  const AXIS = 24, MOST_HEIGHT = 520, EDGE = 1;
  const make = (tag, kind, parent) => {
    const element = document.createElement(tag);
    element.className = kind;
    parent.append(element);
    return element;
  };
  const stamp = (ms, digits) => {
    const whole = Math.floor(ms), text = new Date(whole).toISOString().slice(11, 19);
    if (!digits) return text;
    const part = Math.round((ms - Math.floor(ms / 1000) * 1000) * 1000);
    return text + "." + String(part).padStart(6, "0").slice(0, digits);
  };

  async function start(root) {
    const data = JSON.parse(await santaUnpack(root.dataset.santaLanes));
    root.removeAttribute("data-santa-lanes");
    root.replaceChildren();
    const count = data.s.length, bad = new Set(data.bad);
    const s = Float64Array.from(data.s), d = Float64Array.from(data.d), r = Int32Array.from(data.r);
    const order = Uint32Array.from(s.keys()).sort((a, b) => r[a] - r[b] || s[a] - s[b]);
    const first = new Int32Array(data.rows + 1).fill(count);
    for (let i = count - 1; i >= 0; i--) first[r[order[i]]] = i;
    for (let row = data.rows - 1; row >= 0; row--) first[row] = Math.min(first[row], first[row + 1]);

    const legend = make("div", "santa-legend", root);
    const used = new Map();
    data.n.forEach((n) => used.set(n, (used.get(n) || 0) + 1));
    const grey = "#77828f";
    let others = 0;
    data.names.forEach((name, n) => {
      if (!data.colours[n] || data.colours[n] === grey) { others += used.get(n) || 0; return; }
      const item = make("span", "santa-key", legend);
      make("i", "", item).style.background = data.colours[n];
      item.append(name || "(no name)", " ");
      make("small", "", item).textContent = String(used.get(n) || 0);
    });
    if (others) {
      const item = make("span", "santa-key", legend);
      make("i", "", item).style.background = grey;
      item.append("others ");
      make("small", "", item).textContent = String(others);
    }
    const tools = make("div", "santa-tools", legend);
    const frame = make("div", "santa-frame", root);
    const canvas = make("canvas", "santa-canvas", frame);
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "process tree over time, " + count + " processes");
    const tip = make("div", "santa-tip", frame);
    const hint = make("div", "santa-hintbox", frame);

    const rowHeight = Math.max(7, Math.min(18, Math.floor(MOST_HEIGHT / data.rows)));
    const height = Math.min(MOST_HEIGHT, data.rows * rowHeight) + AXIS + 4;
    let from = 0, to = data.span_us, top = 0, hover = -1, width = 0, queued = false;
    const mostTop = () => Math.max(0, data.rows * rowHeight - (height - AXIS - 4));
    const x = (us) => ((us - from) / (to - from)) * width;
    const us = (px) => from + (px / width) * (to - from);
    const colour = (i) => data.colours[data.n[i]] || grey;

    function draw() {
      queued = false;
      const began = performance.now(), ratio = window.devicePixelRatio || 1;
      width = Math.max(60, frame.clientWidth);
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = height + "px";
      const g = canvas.getContext("2d"), style = getComputedStyle(root);
      const ink = (name, other) => style.getPropertyValue(name).trim() || other;
      g.scale(ratio, ratio);
      g.fillStyle = ink("--santa-paper", "#ffffff");
      g.fillRect(0, 0, width, height);
      for (const [a, b, state] of data.spans) {
        g.fillStyle = state === "crit" ? "rgba(180,35,24,.11)" : "rgba(201,138,18,.13)";
        g.fillRect(x(a), AXIS, Math.max(2, x(b) - x(a)), height - AXIS);
      }
      axis(g, ink("--santa-muted", "#5f6b7a"), ink("--santa-line", "#e3e7ec"));
      g.save();
      g.beginPath();
      g.rect(0, AXIS, width, height - AXIS);
      g.clip();
      g.font = "11px system-ui, sans-serif";
      g.textBaseline = "middle";
      const rowFrom = Math.floor(top / rowHeight), rowTo = Math.min(data.rows, rowFrom + Math.ceil(height / rowHeight) + 1);
      for (let row = rowFrom; row < rowTo; row++) {
        const y = AXIS + 2 + row * rowHeight - top;
        let drawn = -1;
        for (let k = first[row]; k < first[row + 1]; k++) {
          const i = order[k], a = x(s[i]), b = Math.max(a + EDGE, x(s[i] + d[i]));
          if (b < 0 || b <= drawn) continue;
          if (a > width) break;
          const left = Math.max(a, drawn, -2), wide = Math.min(b, width + 2) - left;
          g.fillStyle = colour(i);
          g.fillRect(left, y, wide > 3 ? wide - 0.6 : wide, rowHeight - 1.5);
          if (bad.has(i)) { /* a red edge at its end; where there is no room for one, below it */
            g.fillStyle = "#b42318";
            if (wide > 5) g.fillRect(b - 2.6, y, 2, rowHeight - 1.5);
            else g.fillRect(left, y + rowHeight - 4.5, wide, 3);
          }
          if (rowHeight >= 12 && wide > 34) label(g, data.names[data.n[i]], Math.max(left, 0) + 5, y + rowHeight / 2 - 0.2, wide - 9);
          drawn = b;
        }
      }
      if (hover >= 0) { outline(g, hover, 2); if (data.p[hover] >= 0) outline(g, data.p[hover], 1); }
      g.restore();
      if (mostTop() > 0) {
        const room = height - AXIS, size = Math.max(24, (room * room) / (data.rows * rowHeight));
        g.fillStyle = "rgba(95,107,122,.45)";
        g.fillRect(width - 5, AXIS + (top / mostTop()) * (room - size), 4, size);
      }
      root.dataset.drawMs = (performance.now() - began).toFixed(1);
      root.dataset.drawn = String(count);
    }
    function label(g, text, at, y, room) {
      let shown = text;
      if (g.measureText(shown).width > room) {
        while (shown.length > 2 && g.measureText(shown + "…").width > room) shown = shown.slice(0, -1);
        if (shown.length < 3) return;
        shown += "…";
      }
      g.fillStyle = "#ffffff"; /* boxes are dark enough for it in both themes */
      g.fillText(shown, at, y);
    }
    function outline(g, i, thick) {
      const ink = getComputedStyle(root).getPropertyValue("--santa-ink").trim() || "#1f2933";
      g.strokeStyle = ink;
      g.lineWidth = thick;
      const a = x(s[i]), b = Math.max(a + EDGE, x(s[i] + d[i]));
      g.strokeRect(Math.max(a, -3) - 0.5, AXIS + 2 + r[i] * rowHeight - top - 0.5,
        Math.min(b, width + 3) - Math.max(a, -3) + 1, rowHeight - 0.5);
    }
    function axis(g, muted, line) {
      const room = Math.max(2, width / 110), raw = (to - from) / room;
      const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7,
        1.5e7, 3e7, 6e7, 1.2e8, 3e8, 6e8, 1.8e9, 3.6e9, 7.2e9];
      const step = steps.find((v) => v >= raw) || steps[steps.length - 1];
      const digits = step >= 1e6 ? 0 : step >= 1e3 ? 3 : 6;
      const zero = (data.start_ms % 60000) * 1000;
      g.font = "11px system-ui, sans-serif";
      g.textBaseline = "middle";
      for (let t = Math.ceil((from + zero) / step) * step - zero; t <= to; t += step) {
        g.fillStyle = line;
        g.fillRect(Math.round(x(t)), AXIS - 5, 1, height);
        g.fillStyle = muted;
        const text = stamp(data.start_ms + t / 1000, digits), wide = g.measureText(text).width;
        const at = Math.min(Math.max(x(t) - wide / 2, 2), width - wide - 2);
        if (Math.abs(at - (x(t) - wide / 2)) < wide / 3) g.fillText(text, at, 9);
      }
    }
    const redraw = () => { if (!queued) { queued = true; requestAnimationFrame(draw); } };

    function find(px, py) {
      const row = Math.floor((py - AXIS - 2 + top) / rowHeight);
      if (row < 0 || row >= data.rows || py < AXIS) return -1;
      let best = -1, near = 4;
      for (let k = first[row]; k < first[row + 1]; k++) {
        const i = order[k], a = x(s[i]), b = x(s[i] + d[i]);
        const off = px < a ? a - px : px > b ? px - b : 0;
        if (off < near) { near = off; best = i; }
        if (a > px + 4) break;
      }
      return best;
    }
    function show(event) {
      const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      const at = find(px, py);
      if (at !== hover) { hover = at; redraw(); }
      tip.style.display = at < 0 ? "none" : "block";
      if (at < 0) return;
      tip.replaceChildren();
      make("b", "", tip).textContent = data.names[data.n[at]] || "(no name)";
      make("div", "", tip).textContent = data.f[at];
      make("div", "", tip).textContent = "from " + stamp(data.start_ms + s[at] / 1000, 3) + " UTC";
      if (data.p[at] >= 0) make("div", "", tip).textContent = "started by " + data.names[data.n[data.p[at]]] + " · " + data.f[data.p[at]].split(" · ")[0];
      if (data.t[at]) make("code", "", tip).textContent = data.details[data.t[at]];
      const wide = tip.offsetWidth, high = tip.offsetHeight;
      tip.style.left = Math.max(4, Math.min(px + 14, width - wide - 4)) + "px";
      tip.style.top = (py + 18 + high > height ? Math.max(0, py - high - 10) : py + 18) + "px";
    }
    function zoom(factor, px) {
      const middle = us(px), least = Math.max(20, data.span_us / 1e6);
      const span = Math.min(data.span_us, Math.max(least, (to - from) * factor));
      from = Math.max(0, Math.min(data.span_us - span, middle - (px / width) * span));
      to = from + span;
      redraw();
    }
    function pan(dx, dy) {
      const span = to - from;
      from = Math.max(0, Math.min(data.span_us - span, from - (dx / width) * span));
      to = from + span;
      top = Math.max(0, Math.min(mostTop(), top - dy));
      redraw();
    }
    function reset() { from = 0; to = data.span_us; top = 0; redraw(); }
    for (const [text, title, act] of [["+", "zoom in", () => zoom(0.5, width / 2)], ["−", "zoom out", () => zoom(2, width / 2)],
      ["⟲", "show all", reset]]) {
      const button = make("button", "", tools);
      button.type = "button";
      button.textContent = text;
      button.title = button.ariaLabel = title;
      button.addEventListener("click", act);
    }
    let hiding = 0;
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) {
        hint.textContent = "Click the chart first to zoom with the wheel";
        hint.style.opacity = 1;
        clearTimeout(hiding);
        hiding = setTimeout(() => { hint.style.opacity = 0; }, 1200);
        return;
      }
      if (event.deltaY > 0 && to - from >= data.span_us) return; /* the page scrolls on */
      event.preventDefault();
      if (event.shiftKey) pan(0, -event.deltaY); else zoom(event.deltaY < 0 ? 0.8 : 1.25, event.offsetX);
    }, { passive: false });
    const fingers = new Map();
    let pressed = [0, 0];
    canvas.addEventListener("click", (event) => { /* a press that went nowhere */
      const at = find(event.offsetX, event.offsetY), way = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
      if (at >= 0 && way < 3) root.dispatchEvent(new CustomEvent("santa-box", { bubbles: true, detail: { box: at } }));
    });
    canvas.addEventListener("pointerdown", (event) => {
      pressed = [event.clientX, event.clientY];
      fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const was = fingers.get(event.pointerId);
      if (!was) { show(event); return; }
      const gap = () => { const [a, b] = [...fingers.values()]; return Math.abs(a[0] - b[0]) + 1; };
      const before = fingers.size === 2 ? gap() : 0;
      fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
      if (before) zoom(before / gap(), event.offsetX);
      else pan(event.offsetX - was[0], event.offsetY - was[1]);
      if (Math.abs(event.offsetX - was[0]) + Math.abs(event.offsetY - was[1]) > 1) tip.style.display = "none";
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => { fingers.delete(event.pointerId); if (end === "pointerup") show(event); });
    canvas.addEventListener("pointerleave", () => { hover = -1; tip.style.display = "none"; redraw(); });
    canvas.addEventListener("dblclick", reset);
    canvas.addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => pan(80, 0), ArrowRight: () => pan(-80, 0), ArrowUp: () => pan(0, 60), ArrowDown: () => pan(0, -60),
        "+": () => zoom(0.7, width / 2), "=": () => zoom(0.7, width / 2), "-": () => zoom(1.4, width / 2), "0": reset,
        Escape: () => canvas.blur() }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    new ResizeObserver(redraw).observe(frame);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
    draw();
  }
  for (const root of within.querySelectorAll("[data-santa-lanes]")) {
    start(root).catch((error) => {
      const note = make("p", "santa-note", root);
      note.textContent = "This chart could not be drawn here: " + error.message;
    });
  }
}
