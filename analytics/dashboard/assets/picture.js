// Small pictures in SVG: sparklines, histograms, intervals. Shapes have their
// sizes as attributes and their colours by class: the policy allows no inline style.
import { h, svg } from "./dom.js";
import { duration, num } from "./format.js";

// sparkline draws values from left to right.
export function sparkline(values, label) {
  const W = 120, H = 26, top = Math.max(1, ...values);
  const x = i => values.length < 2 ? W / 2 : 1 + i * (W - 2) / (values.length - 1), y = v => H - 2 - v / top * (H - 4);
  const line = values.map((v, i) => (i ? "L" : "M") + x(i).toFixed(1) + "," + y(v).toFixed(1)).join("");
  return svg("svg", { class: "spark", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
    values.length > 1 ? svg("path", { class: "area", d: `${line}L${x(values.length - 1)},${H}L${x(0)},${H}Z` }) : null,
    values.length > 1 ? svg("path", { class: "line", d: line }) : svg("circle", { class: "dot", cx: x(0), cy: y(values[0] ?? 0), r: 2 }));
}

// The picture of delays has its axis in steps that each multiply the time.
const ticks = [[0.1, "0.1 s"], [1, "1 s"], [10, "10 s"], [60, "1 min"], [600, "10 min"], [3600, "1 h"], [21600, "6 h"], [86400, "1 d"], [604800, "7 d"], [2592000, "30 d"]];
const place = seconds => Math.log10(Math.max(0.05, seconds));

// delayHistogram draws how long it took, as counts of messages by stretches of time.
export function delayHistogram({ histogram, percentiles, people }, label) {
  const W = 720, H = 190, B = 24, of = b => people ? b.human : b.messages;
  const used = histogram.filter(b => of(b) > 0);
  if (!used.length) return h("p", { class: "nothing" }, "No message with a known delay.");
  const low = place(used[0].from_seconds) - 0.05, high = place(used[used.length - 1].to_seconds) + 0.05;
  const x = s => (place(s) - low) / (high - low) * W;
  // Equal steps of the axis, so that an area is a number of messages.
  const steps = 48, bars = new Array(steps).fill(0);
  for (const b of used) {
    const from = place(b.from_seconds), to = Math.max(place(b.to_seconds), from + 1e-9);
    for (let i = 0; i < steps; i++) {
      const a = low + i * (high - low) / steps, z = low + (i + 1) * (high - low) / steps;
      bars[i] += of(b) * Math.max(0, Math.min(to, z) - Math.max(from, a)) / (to - from);
    }
  }
  const top = Math.max(...bars), w = W / steps;
  const root = svg("svg", { class: "histogram", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
  bars.forEach((v, i) => root.append(svg("rect", { class: "fill " + (people ? "human" : "open"), x: i * w + 0.5, width: w - 1, y: (1 - v / top) * (H - B - 30) + 30, height: v / top * (H - B - 30), rx: 1 })));
  root.append(svg("line", { class: "axis", x1: 0, x2: W, y1: H - B, y2: H - B }));
  for (const [s, text] of ticks) if (place(s) > low && place(s) < high) {
    root.append(svg("line", { class: "axis", x1: x(s), x2: x(s), y1: H - B, y2: H - B + 4 }), svg("text", { x: x(s), y: H - 6, "text-anchor": "middle" }, text));
  }
  for (const [name, text, down] of [["p50", "median", 0], ["p90", "90 %", 14]]) {
    const s = percentiles?.[name];
    if (s === null || s === undefined) continue;
    root.append(svg("line", { class: "mark", x1: x(s), x2: x(s), y1: 2 + down, y2: H - B }), svg("text", { class: "strong", "text-anchor": "end", x: Math.max(90, x(s) - 5), y: 12 + down }, `${text} ${duration(s)}`));
  }
  return root;
}

// interval draws an estimate with its 95 % interval on a scale from 0 to most.
export function interval({ low, value, high }, most, text) {
  const x = v => 2 + 196 * Math.max(0, Math.min(1, v / most));
  if (value === null || value === undefined) return h("span", {}, "none");
  return svg("svg", { class: "interval", viewBox: "0 0 200 16", role: "img", "aria-label": text },
    svg("line", { class: "axis", x1: 2, x2: 198, y1: 8, y2: 8 }),
    svg("line", { class: "whisker", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
    svg("line", { class: "whisker", x1: x(low), x2: x(low), y1: 4, y2: 12 }), svg("line", { class: "whisker", x1: x(high), x2: x(high), y1: 4, y2: 12 }),
    svg("circle", { class: "dot", cx: x(value), cy: 8, r: 4 }));
}

// funnelPicture draws steps, each as wide as its share of the first.
export function funnelPicture(steps, label) {
  const top = Math.max(1, steps[0]?.messages || 0), W = 720, row = 46;
  const root = svg("svg", { class: "funnel", viewBox: `0 0 ${W} ${row * steps.length}`, role: "img", "aria-label": label });
  steps.forEach((s, i) => {
    const w = Math.max(2, W * (s.messages || 0) / top);
    root.append(svg("rect", { class: "fill " + s.kind, x: 0, y: i * row + 18, width: w, height: 22, rx: 3 }),
      svg("text", { class: "strong", x: 0, y: i * row + 13 }, `${s.name}: ${num(s.messages)}${s.text ? " · " + s.text : ""}`));
  });
  return root;
}
