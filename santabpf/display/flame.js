/* A flame graph on a canvas. Reads [data-santa-flame] (gzip + base64 of JSON, see flame.py), draws, zooms on a click or
   Enter, searches, saves; what it says comes from flame_words.js. All text is drawn as text or set as textContent. */
"use strict";
function santaFlames(within = document) {
  const ROW = 20, MOST_ROWS = 34, NARROW = 0.5, ZOOM_MS = 220;
  const FONT = '12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
  const KINDS = santaFlameKinds(), { grouped, percent } = santaNumbers();
  const make = (tag, kind, parent, text) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  };
  const mix = (a, b, part) => "#" + [1, 3, 5].map((at) => {
    const one = parseInt(a.slice(at, at + 2), 16), two = parseInt(b.slice(at, at + 2), 16);
    return Math.round(one + (two - one) * part).toString(16).padStart(2, "0");
  }).join("");

  function save(text, kind, file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 30000);
  }

  async function start(root) {
    const asked = performance.now(), data = JSON.parse(await santaUnpack(root.dataset.santaFlame));
    root.removeAttribute("data-santa-flame");
    root.replaceChildren();
    root.dataset.lmSuppressShortcuts = "true"; /* JupyterLab's keys are not for what has the focus in here */
    const tree = santaFlameTree(data), { count, depth, parent, end, width } = tree;
    const text = (i, part) => data.texts[data.s[3 * data.n[i] + part]];
    const name = (i) => text(i, 0), module = (i) => text(i, 1), kind = (i) => data.kinds[data.s[3 * data.n[i] + 2]];
    const symbols = data.s.length / 3, rows = depth.reduce((most, d) => Math.max(most, d), 0) + 1;
    const cutBy = new Int32Array(count).fill(-1); /* the frame that says that its callers are unknown */
    let furthest = 0;
    for (let i = 0; i < count; i++) {
      cutBy[i] = kind(i) === "cut" ? i : parent[i] >= 0 ? cutBy[parent[i]] : -1;
      if (data.b) furthest = Math.max(furthest, Math.abs(tree.one(i) - tree.old(i)));
    }

    const { total, describe, brief, change } = santaFlameWords(data, tree, { name, module, kind, cutBy });
    const reading = make("p", "", root, data.reading[0]);
    const bar = make("div", "santa-bar-tools", root);
    const search = make("input", "", bar);
    search.type = "search";
    search.placeholder = "Search functions";
    search.ariaLabel = "Search functions and files";
    search.spellcheck = false;
    const button = (label, title, act) => {
      const made = make("button", "", bar, label);
      made.type = "button";
      made.title = title;
      made.addEventListener("click", act);
      return made;
    };
    const back = button("Show all", "Back to the whole picture (Escape)", () => zoom(0));
    button("Flip", "Turn it upside down", () => { flipped = !flipped; reading.textContent = data.reading[+flipped]; place(); redraw(); });
    make("span", "santa-gap", bar);
    button("⤓ Collapsed stacks", "Save as text, one line a stack: for flamegraph.pl, inferno and others",
      () => save(santaCollapsed(data, tree, name), "text/plain", "stacks.folded"));
    button("⤓ speedscope", "Save as JSON that can be opened at speedscope.app, or in a speedscope of your own",
      () => save(santaSpeedscope(data, tree, name, module, "stacks"), "application/json", "stacks.speedscope.json"));
    const said = make("p", "santa-said", root);
    said.setAttribute("role", "status");
    const legend = make("div", "santa-legend", root);
    const frame = make("div", "santa-frame", root), scroller = make("div", "santa-flame-scroll", frame);
    const inner = make("div", "", scroller), canvas = make("canvas", "santa-canvas santa-flame-canvas", inner);
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.ariaRoleDescription = "flame graph";
    canvas.ariaLabel = "Flame graph of " + data.whole + ", " + grouped(count - 1) + " frames. Arrows move, Enter zooms in, Escape zooms out.";
    const tip = make("div", "santa-tip", frame);
    const heard = make("div", "santa-heard", frame); /* for screen readers: the box that the keys are at */
    heard.setAttribute("aria-live", "polite");
    const height = Math.min(rows, MOST_ROWS) * ROW + 2, room = rows * ROW + 2;
    scroller.style.height = height + "px";
    inner.style.height = room + "px";

    let from = 0, to = 1, zoomed = 0, at = -1, byKey = false, flipped = false, wide = 0, queued = false, moving = 0;
    let dark = false, ink = "#1f2933", sheet = "#ffffff", fills = [], inks = [], hatch = null, charWidth = 7;
    let matches = null, matched = new Uint8Array(count);
    const x = (share) => ((share - from) / (to - from)) * wide;
    const y = (i) => (flipped ? room - (depth[i] + 1) * ROW - 1 : depth[i] * ROW + 1) - scroller.scrollTop;
    const place = () => { scroller.scrollTop = flipped ? room : 0; };

    function colours(g) {
      const style = getComputedStyle(root), probe = (value, other) => style.getPropertyValue(value).trim() || other;
      g.fillStyle = "#ffffff";
      g.fillStyle = probe("--sheet", "#ffffff");
      sheet = String(g.fillStyle).startsWith("#") ? g.fillStyle : "#ffffff";
      const light = (colour) => [.299, .587, .114].reduce((sum, part, k) => sum + part * parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16), 0);
      dark = light(sheet) < 110;
      ink = dark ? "#f0f3f6" : "#1f2933";
      inks = [];
      const tints = Object.fromEntries(Object.entries(KINDS).map(([is, known]) => [is,
        [0, 1, 2, 3, 4].map((tint) => mix(known[dark ? 3 : 2], dark ? "#000000" : "#ffffff", tint * 0.07))]));
      fills = Array.from({ length: symbols }, (_, s) => { /* neighbours differ a little; a name always looks the same */
        const said = data.texts[data.s[3 * s]];
        let hash = 7;
        for (let k = 0; k < Math.min(24, said.length); k++) hash = (hash * 31 + said.charCodeAt(k)) >>> 0;
        return (tints[data.kinds[data.s[3 * s + 2]]] || tints.unresolved)[(hash >>> 3) % 5];
      });
      if (data.b) inks = Array.from({ length: count }, (_, i) => { /* here: the fill of each box */
        const change = furthest ? (tree.one(i) - tree.old(i)) / furthest : 0, part = Math.sqrt(Math.abs(change));
        return mix(dark ? "#3b444f" : "#e9e9e6", change > 0 ? (dark ? "#d0402f" : "#e4573d") : (dark ? "#3f86d0" : "#5a9be0"), part);
      });
      const tile = document.createElement("canvas");
      tile.width = tile.height = 8;
      const t = tile.getContext("2d");
      t.strokeStyle = dark ? "#77828f" : "#9aa5b1";
      t.lineWidth = 1.4;
      for (const shift of [-8, 0, 8]) { t.beginPath(); t.moveTo(shift, 8); t.lineTo(shift + 8, 0); t.stroke(); }
      hatch = g.createPattern(tile, "repeat");
      g.font = FONT;
      charWidth = g.measureText("MMMMMMMMMM").width / 10;
    }

    function draw() {
      queued = false;
      const began = performance.now(), ratio = window.devicePixelRatio || 1;
      wide = Math.max(60, scroller.clientWidth);
      const pixels = [Math.round(wide * ratio), Math.round(height * ratio)];
      if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
      canvas.style.height = height + "px";
      const g = canvas.getContext("2d");
      if (!hatch) colours(g);
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      g.fillStyle = sheet;
      g.fillRect(0, 0, wide, height);
      g.font = FONT;
      g.textBaseline = "middle";
      const tiny = new Int32Array(rows).fill(-9);
      let drawn = 0, narrow = 0;
      for (let i = 0; i < count;) {
        const a = x(tree.start[i]), b = x(tree.start[i] + width[i]), size = b - a;
        if (b <= 0 || a >= wide) { i = end[i]; continue; }
        const top = y(i);
        if (size < NARROW) { /* it and all it called: one faint line, where none stands yet */
          narrow += end[i] - i;
          if (Math.floor(a) > tiny[depth[i]] + 1) {
            g.fillStyle = data.b ? inks[i] : fills[data.n[i]];
            g.fillRect(a, top + 1, 0.5, ROW - 2);
            tiny[depth[i]] = Math.floor(a);
          }
          i = end[i];
          continue;
        }
        if (top > -ROW && top < height) { box(g, i, Math.max(a, -1), Math.min(b, wide + 1), top); drawn++; }
        i++;
      }
      if (at >= 0) {
        const a = x(tree.start[at]), b = x(tree.start[at] + width[at]);
        g.strokeStyle = ink;
        g.lineWidth = byKey ? 2.5 : 1.5;
        g.strokeRect(Math.max(a, 0) + 0.5, y(at) + 0.5, Math.max(1, Math.min(b, wide) - Math.max(a, 0) - 1), ROW - 1);
      }
      Object.assign(root.dataset, { drawMs: (performance.now() - began).toFixed(1), drawn, narrow, zoomed, dark });
    }
    function box(g, i, a, b, top) {
      const size = b - a, gap = size > 3 ? 0.8 : size > 1.2 ? 0.3 : 0, cut = kind(i) === "cut";
      const marked = matches !== null && matched[i], faded = (matches !== null && !matched[i]) || depth[i] < depth[zoomed];
      let fill = data.b && !cut ? inks[i] : fills[data.n[i]], colour = ink;
      if (marked) { fill = dark ? "#f06bd0" : "#c2188f"; colour = dark ? "#1b0b17" : "#ffffff"; }
      else if (faded) fill = mix(fill, sheet, 0.62);
      g.fillStyle = fill;
      g.fillRect(a, top, size - gap, ROW - 1);
      if (cut && !marked) { g.fillStyle = hatch; g.fillRect(a, top, size - gap, ROW - 1); }
      const left = Math.max(a, 0) + 4, fit = Math.floor((Math.min(b, wide) - left - 4) / charWidth);
      if (fit < 3) return;
      let shown = name(i) === "[cut]" ? "callers not known" : name(i) || "(no name)";
      if (shown.length > fit) shown = shown.slice(0, fit - 1) + "…";
      if (cut && !marked) { g.fillStyle = fill; g.fillRect(left - 3, top + 2, shown.length * charWidth + 6, ROW - 5); }
      g.fillStyle = faded && !marked ? mix(colour, sheet, 0.35) : colour;
      if (shown.charCodeAt(0) < 128 && /^[\x20-\x7e…]*$/.test(shown)) g.fillText(shown, left, top + ROW / 2);
      else { /* wider letters than those that were measured */
        g.save();
        g.beginPath();
        g.rect(a, top, size - 2, ROW);
        g.clip();
        g.fillText(shown, left, top + ROW / 2);
        g.restore();
      }
    }
    const redraw = () => { if (!queued) { queued = true; requestAnimationFrame(draw); } };

    function tell(px, py) { /* the tooltip, beside this point of the frame */
      tip.style.display = at < 0 ? "none" : "block";
      if (at < 0) return;
      tip.replaceChildren();
      make("b", "", tip, name(at) || "(no name)");
      for (const line of describe(at)) make("div", line.startsWith("This stack is cut") ? "santa-cut" : "", tip, line);
      tip.style.left = Math.max(4, Math.min(px + 14, wide - tip.offsetWidth - 4)) + "px";
      const high = tip.offsetHeight, below = py + 18;
      tip.style.top = (below + high > frame.clientHeight && py - high - 8 >= 0 ? py - high - 8 : below) + "px";
    }
    function find(px, py) {
      const level = Math.floor(flipped ? (room - 1 - py - scroller.scrollTop) / ROW : (py + scroller.scrollTop - 1) / ROW);
      const share = from + (px / wide) * (to - from);
      let i = 0;
      while (i >= 0 && depth[i] < level) { /* down through the children that hold this place */
        let child = i + 1, inside = -1;
        while (child < end[i]) {
          if (share < tree.start[child] + width[child]) { inside = share >= tree.start[child] ? child : -1; break; }
          child = end[child];
        }
        i = inside;
      }
      return i >= 0 && depth[i] === level ? i : -1;
    }
    function zoom(i) {
      const goal = [tree.start[i], tree.start[i] + (width[i] || 1)], since = [from, to], began = performance.now();
      zoomed = i;
      back.disabled = !i;
      const mine = ++moving, still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const step = (now) => {
        if (mine !== moving) return;
        const part = still ? 1 : Math.min(1, Math.max(0, (now - began) / ZOOM_MS)), eased = 1 - (1 - part) ** 3;
        [from, to] = part === 1 ? goal : since.map((s, k) => s + (goal[k] - s) * eased);
        draw();
        if (part < 1) requestAnimationFrame(step); else root.dataset.settled = String(zoomed);
      };
      delete root.dataset.settled;
      tip.style.display = "none";
      if (still) step(began); else requestAnimationFrame(step);
      report();
    }
    function report() {
      const parts = [];
      if (matches !== null) parts.push(matches.boxes ? percent(matches.share) + " of all matches, in " + grouped(matches.boxes) + (matches.boxes === 1 ? " box" : " boxes") : "Nothing matches");
      if (zoomed) parts.push("Zoomed to " + brief(zoomed) + ": " + percent(tree.width[zoomed]) + " of all");
      /* where a click is heard, what it does is said there */
      if (!parts.length) parts.push(total, (root.closest("[data-santa-heard]") ? "" : "click a box to zoom in, ") + "search for a name");
      said.textContent = parts.join(" · ");
    }
    function look() { /* what was searched for, anywhere in a function's or a file's name */
      const wanted = search.value.trim().toLowerCase();
      matched.fill(0);
      matches = wanted ? { boxes: 0, share: 0 } : null;
      if (wanted) {
        const hit = Array.from({ length: symbols }, (_, s) => data.kinds[data.s[3 * s + 2]] !== "all" &&
          [0, 1].some((part) => data.texts[data.s[3 * s + part]].toLowerCase().includes(wanted)));
        for (let i = 0, counted = 0; i < count; i++) {
          if (!hit[data.n[i]]) continue;
          matched[i] = 1;
          matches.boxes++;
          if (i >= counted) { matches.share += width[i]; counted = end[i]; } /* what stands below it is in it already */
        }
      }
      report();
      redraw();
    }
    function select(i) {
      if (i < 0 || i >= count) return;
      at = i;
      byKey = true;
      const top = y(i);
      if (top < 0) scroller.scrollTop += top - ROW;
      else if (top + ROW > height) scroller.scrollTop += top + 2 * ROW - height;
      draw();
      tell(Math.max(0, x(tree.start[i])) + 4, y(i) + 4);
      heard.textContent = (name(i) || "(no name)") + ", " + describe(i).join(", ");
    }
    function beside(step) { /* the next one at the same height in what is shown */
      for (let i = at + step; i > zoomed && i < end[zoomed]; i += step) if (depth[i] === depth[at] && x(tree.start[i] + width[i]) - x(tree.start[i]) >= NARROW) return i;
      return at;
    }
    function nextMatch() {
      if (!matches || !matches.boxes) return;
      const later = matched.indexOf(1, at + 1), next = later < 0 ? matched.indexOf(1) : later;
      if (next < zoomed || next >= end[zoomed]) zoom(0);
      canvas.focus();
      select(next);
    }

    search.addEventListener("input", look);
    search.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") nextMatch();
      if (event.key === "Escape") { search.value = ""; look(); }
    });
    canvas.addEventListener("pointermove", (event) => {
      const found = find(event.offsetX, event.offsetY);
      if (found !== at || byKey) { at = found; byKey = false; redraw(); }
      tell(event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerleave", () => { at = -1; tip.style.display = "none"; redraw(); });
    canvas.addEventListener("click", (event) => {
      const found = find(event.offsetX, event.offsetY);
      if (found < 0) return;
      zoom(found);
      const path = [];
      for (let i = found; i >= 0; i = parent[i]) path.unshift(name(i));
      root.dispatchEvent(new CustomEvent("santa-frame", { bubbles: true,
        detail: { name: name(found), module: module(found), kind: kind(found), path: path.slice(1) } }));
    });
    canvas.addEventListener("blur", () => { if (byKey) { at = -1; tip.style.display = "none"; redraw(); } });
    canvas.addEventListener("keydown", (event) => {
      const here = at < 0 ? zoomed : at, down = () => select(at < 0 ? zoomed : here + 1 < end[here] ? here + 1 : here);
      const up = () => { if (depth[here] <= depth[zoomed] && zoomed) zoom(parent[zoomed]); select(Math.max(0, parent[here])); };
      const act = { ArrowDown: flipped ? up : down, ArrowUp: flipped ? down : up, ArrowLeft: () => select(at < 0 ? zoomed : beside(-1)),
        ArrowRight: () => select(at < 0 ? zoomed : beside(1)), Enter: () => { if (at >= 0) zoom(at); }, n: nextMatch,
        Escape: () => { if (matches) { search.value = ""; look(); } else if (zoomed) zoom(0); else canvas.blur(); } }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    scroller.addEventListener("scroll", () => { if (!byKey) { at = -1; tip.style.display = "none"; } redraw(); });

    function explain() { /* the legend: each kind with the share that was spent in it */
      legend.replaceChildren();
      const shares = new Map();
      for (let i = 0; i < count; i++) {
        const is = kind(i), topmostCut = is === "cut" && (parent[i] < 0 || cutBy[parent[i]] < 0);
        shares.set(is, (shares.get(is) || 0) + (is === "cut" ? (topmostCut ? width[i] : 0) : tree.after[0] ? data.v[i] / tree.after[0] : 0));
      }
      const key = (label, title, background, share) => {
        const item = make("span", "santa-key", legend);
        item.title = title;
        make("i", "", item).style.background = background;
        item.append(label);
        if (share) make("small", "", item, share);
      };
      const stripes = (a, b) => "repeating-linear-gradient(135deg, " + a + " 0 2.5px, " + b + " 2.5px 4px)";
      if (data.b) for (const [label, part] of [[change.less, -1], [change.same, 0], [change.more, 1]]) {
        key(label, "", mix(dark ? "#3b444f" : "#e9e9e6", part > 0 ? (dark ? "#d0402f" : "#e4573d") : (dark ? "#3f86d0" : "#5a9be0"), Math.abs(part)));
      }
      for (const [is, [label, title, light, night]] of Object.entries(KINDS)) {
        if (!shares.has(is) || is === "all" || (data.b && is !== "cut")) continue;
        const colour = dark ? night : light;
        key(label, title, is === "cut" ? stripes(colour, dark ? "#77828f" : "#9aa5b1") : colour, is === "thread" || data.b || !shares.get(is) ? "" : percent(shares.get(is)));
      }
    }
    const repaint = () => { hatch = null; draw(); explain(); };
    new ResizeObserver(redraw).observe(frame);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", repaint);
    new MutationObserver(repaint).observe(document.body, { attributes: true }); /* JupyterLab changes its theme there */
    const density = () => matchMedia("(resolution: " + (window.devicePixelRatio || 1) + "dppx)").addEventListener("change", () => { redraw(); density(); }, { once: true });
    density();
    back.disabled = true;
    report();
    repaint();
    Object.assign(root.dataset, { settled: "0", readyMs: (performance.now() - asked).toFixed(1) });
  }
  for (const root of within.querySelectorAll("[data-santa-flame]")) {
    start(root).catch((error) => make("p", "santa-note", root, "This flame graph could not be drawn here: " + error.message));
  }
}
