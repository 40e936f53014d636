/* What a flame graph says: what its colours mean, numbers for people, and what a box is. Draws nothing. */
"use strict";
function santaFlameKinds() {
  return { /* name, what it means, light, dark */
    user: ["Programs", "code of programs and their libraries", "#f4b968", "#96601a"],
    jit: ["Just-in-time code", "code made at run time: Java, JavaScript and the like", "#8fcca5", "#2f7450"],
    kernel: ["Linux kernel", "the kernel, working for a program or by itself", "#8ab8e2", "#2f6496"],
    unresolved: ["No name found", "only file and offset are known: there are no symbols", "#c9bfae", "#645b4c"],
    thread: ["Process or thread", "whose stacks stand below it", "#c3b5e3", "#58498a"],
    cut: ["Stack is cut", "the callers are not known: the program has no frame pointers, or the stack is too deep", "#eceff2", "#2b333d"],
    small: ["(small)", "frames that are too narrow to be shown, together", "#dfe3e8", "#39434f"],
    all: ["all", "everything that was recorded", "#d3d9e0", "#414c59"],
  };
}

function santaNumbers() {
  const digits = (value) => value >= 99.95 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  const duration = (ns) => {
    if (ns >= 3.6e12) return Math.floor(ns / 3.6e12) + " h " + Math.floor((ns % 3.6e12) / 6e10) + " min";
    if (ns >= 6e10) return Math.floor(ns / 6e10) + " min " + Math.floor((ns % 6e10) / 1e9) + " s";
    for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) if (ns >= size) return digits(ns / size) + " " + unit;
    return Math.round(ns) + " ns";
  };
  const grouped = (count) => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const percent = (share) => {
    const value = share * 100;
    return value > 0 && value < 0.05 ? "< 0.1 %" : (value < 10 ? value.toFixed(1) : value.toFixed(0)) + " %";
  };
  return { digits, duration, grouped, percent };
}

/* What is said of the boxes. box: name, module and kind of each, and the one that says that its stack is cut. */
function santaFlameWords(data, tree, box) {
  const KINDS = santaFlameKinds(), { digits, duration, grouped, percent } = santaNumbers();
  const { name, module, kind, cutBy } = box, { parent, before, after } = tree, [ago, now] = data.seconds || [0, 0];
  const value = (amount) => {
    if (data.unit === "ns") return duration(amount);
    return grouped(amount) + (amount === 1 ? " sample" : " samples") + (data.sample_ns ? ", about " + duration(amount * data.sample_ns) : "");
  };
  const pace = (amount, seconds) => { /* of a second */
    const each = amount / seconds, ns = data.unit === "ns" ? each : each * data.sample_ns;
    return !each ? "nothing" : (ns ? duration(ns) : digits(each) + " samples") + " a second";
  };
  const times = (one, two) => !one || !two ? "" : " (" + (two > one ? "×" : "÷") + digits(Math.max(one, two) / Math.min(one, two)) + ")";
  const brief = (i) => { const said = name(i) || "(no name)"; return said.length > 60 ? said.slice(0, 59) + "…" : said; };
  const compared = (i) => {
    if (data.seconds) {
      const old = before[i] / ago, fresh = after[i] / now, less = Math.abs(fresh - old) < 1e-9;
      return ["before: " + pace(before[i], ago), "after: " + pace(after[i], now),
        less ? "the same" : (fresh > old ? "+" : "−") + pace(Math.abs(fresh - old), 1) + times(old, fresh)];
    }
    const points = (tree.one(i) - tree.old(i)) * 100;
    return ["before: " + percent(tree.old(i)) + " (" + value(before[i]) + ")", "after: " + percent(tree.one(i)) + " (" + value(after[i]) + ")",
      Math.abs(points) < 0.05 ? "the same share" : (points > 0 ? "+" : "−") + Math.abs(points).toFixed(1) + " percentage points"];
  };
  const shares = (i) => {
    const lines = [percent(tree.one(i)) + " of all " + data.whole + ": " + value(after[i])];
    if (parent[i] > 0) lines.push(percent(after[parent[i]] ? after[i] / after[parent[i]] : 0) + " of its caller, " + brief(parent[i]));
    if (data.v[i] && data.v[i] < after[i]) lines.push(percent(data.v[i] / after[0]) + " in itself: " + value(data.v[i]));
    else if (data.v[i]) lines.push("all of it in itself");
    return lines;
  };
  const describe = (i) => {
    const known = KINDS[kind(i)] || KINDS.unresolved;
    const lines = module(i) ? [(kind(i) === "small" ? "" : "in ") + module(i)] : [];
    lines.push(...(data.b ? compared(i) : shares(i)), known[0] + ": " + known[1]);
    if (cutBy[i] >= 0) lines.push("This stack is cut: " + (name(cutBy[i]).replace(/^\W*(cut\b)?[\s:]*|[\])]$/g, "") || "its callers are not known"));
    return lines;
  };
  const total = data.seconds ? pace(after[0], now) + " after, " + pace(before[0], ago) + " before"
    : value(after[0]) + (data.b ? " after, " + value(before[0]) + " before" : " in all");
  const of = data.whole + " a second";
  const change = { less: data.seconds ? "less " + of + " than before" : "smaller share than before", same: "the same",
    more: data.seconds ? "more " + of + " than before" : "larger share than before" };
  return { total, describe, brief, change };
}
