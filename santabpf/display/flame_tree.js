/* What flame.js draws and saves: the tree out of its columns, and its stacks as files. Draws nothing. */
"use strict";
/* The tree out of depths and own values: who is above whom, where each begins, and how wide it is. */
function santaFlameTree(data) {
  const count = data.d.length, depth = Int32Array.from(data.d), parent = new Int32Array(count).fill(-1);
  const end = new Int32Array(count).fill(count), line = [];
  const after = Float64Array.from(data.v), before = data.b ? Float64Array.from(data.b) : null;
  for (let i = 0; i < count; i++) {
    while (line.length > depth[i]) end[line.pop()] = i;
    if (line.length) parent[i] = line[line.length - 1];
    line.push(i);
  }
  for (let i = count - 1; i > 0; i--) {
    after[parent[i]] += after[i];
    if (before) before[parent[i]] += before[i];
  }
  const share = (value, whole) => whole ? value / whole : 0;
  const [ago, now] = data.seconds || [0, 0]; /* of before and after: shares of the busier one's second, then */
  const pace = data.seconds ? Math.max(before[0] / ago, after[0] / now) : 0;
  const one = (i) => share(after[i], pace ? pace * now : after[0]), old = (i) => share(before[i], pace ? pace * ago : before[0]);
  const width = Float64Array.from(after, (_, i) => before ? (one(i) + old(i)) / 2 : one(i));
  if (width[0] > 0 && width[0] < 1) for (let i = count - 1; i >= 0; i--) width[i] /= width[0];
  const start = new Float64Array(count), taken = new Float64Array(count);
  for (let i = 1; i < count; i++) {
    start[i] = start[parent[i]] + taken[parent[i]];
    taken[parent[i]] += width[i];
  }
  return { count, depth, parent, end, after, before, width, start, one, old };
}

/* The same files as charts/flame_files.py makes. */
function* santaStacks(data, tree) {
  const way = [];
  for (let i = 0; i < tree.count; i++) {
    way.length = Math.max(0, tree.depth[i] - 1);
    if (!tree.depth[i]) continue;
    way.push(i);
    if (data.v[i] || (data.b && data.b[i])) yield [i, way];
  }
}
function santaCollapsed(data, tree, name) {
  const lines = [];
  for (const [i, way] of santaStacks(data, tree)) {
    const names = way.map((f) => name(f).replaceAll(";", "\\x3b") || "(no name)").join(";");
    lines.push(names + " " + (data.b ? data.b[i] + " " : "") + data.v[i] + "\n");
  }
  return lines.join("");
}
function santaSpeedscope(data, tree, name, module, title) {
  const known = new Map(), frames = [], seen = [];
  for (const [i, way] of santaStacks(data, tree)) {
    seen.push([i, way.map((f) => {
      const said = name(f) || "(no name)", file = module(f), key = JSON.stringify([said, file]);
      if (!known.has(key)) {
        known.set(key, frames.length);
        frames.push(file ? { name: said, file } : { name: said });
      }
      return known.get(key);
    })]);
  }
  const profiles = (data.b ? [[" before", data.b], [" after", data.v]] : [["", data.v]]).map(([said, values]) => {
    const shown = seen.filter(([i]) => values[i]);
    return { type: "sampled", name: title + said, unit: data.unit === "ns" ? "nanoseconds" : "none", startValue: 0,
      endValue: shown.reduce((sum, [i]) => sum + values[i], 0), samples: shown.map(([, way]) => way),
      weights: shown.map(([i]) => values[i]) };
  });
  return JSON.stringify({ $schema: data.schema, exporter: data.exporter, name: title, activeProfileIndex: 0,
    shared: { frames }, profiles });
}
