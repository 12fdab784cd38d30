// Courses over time, drawn by uPlot onto a canvas. What the canvas shows is also
// in a table behind it, and in a line of text that follows the pointer.
/* global uPlot */
import { h } from "./dom.js";
import { num, compact, whenUnix } from "./format.js";
import { zone } from "./route.js";
import { behind, table } from "./table.js";

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const still = matchMedia("(prefers-reduced-motion: reduce)");

const drawn = new Set(); // charts on the page, to be drawn anew in another theme
export function redraw() {
  for (const c of drawn) if (c.box.isConnected) c.draw(); else c.end();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

function axes(format) {
  const line = { stroke: css("--soft"), font: "12px system-ui, sans-serif", grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 } };
  return [
    { ...line, grid: { show: false }, values: [
      [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1], [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
      [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
      [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1]] },
    { ...line, size: 66, values: (_, ticks) => ticks.map(t => format(t)) },
  ];
}

function marksOn(u, marks) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const m of marks) {
    const x = u.valToPos(m.at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.fillStyle = css(m.good ? "--human" : "--bad");
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 12);
    ctx.lineTo(x - 6, bbox.top);
    ctx.lineTo(x + 6, bbox.top);
    ctx.fill();
  }
  ctx.restore();
}

// timeChart draws series over x (Unix seconds): [{label, values, color, dash, off}].
// One that is off is shown when its key is pressed.
export function timeChart({ label, x, series, format = compact, exact = num, marks = [], height = 260, columnName = "Start", zoned = zone() }) {
  const shown = series.map(s => !s.off), at = s => whenUnix(s, zoned);
  const canvas = h("div", { class: "canvas", role: "img", "aria-label": describe(label, x, series, exact, at) });
  const readout = h("p", { class: "readout", "aria-hidden": "true" }, " ");
  const keys = h("div", { class: "keys", role: "group", "aria-label": "Lines of " + label }, series.map((s, i) => h("button", {
    type: "button", class: "key " + s.color, "aria-pressed": String(shown[i]),
    onclick: e => {
      shown[i] = !shown[i];
      e.currentTarget.setAttribute("aria-pressed", String(shown[i]));
      chart?.setSeries(i + 1, { show: shown[i] });
    },
  }, h("i", { "aria-hidden": "true" }), s.label)));
  let chart = null;
  const width = () => Math.max(240, canvas.clientWidth || 640);
  const read = u => {
    const i = u.cursor.idx;
    readout.textContent = i === null || i === undefined ? " " : at(x[i]) + " · " + series.filter((_, n) => shown[n]).map(s => `${s.label} ${exact(s.values[i])}`).join(" · ");
  };
  const draw = () => {
    chart?.destroy();
    chart = new uPlot({
      width: width(), height, legend: { show: false }, tzDate: t => uPlot.tzDate(new Date(1000 * t), zoned),
      scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1] } },
      cursor: { drag: { x: !still.matches, y: false }, points: { size: 7 } }, axes: axes(format),
      series: [{}, ...series.map((s, i) => ({
        label: s.label, show: shown[i], stroke: css("--" + s.color), width: 2, dash: s.dash, spanGaps: false,
        points: { show: x.length < 60, size: 5 },
        fill: s.fill ? css("--" + s.color + "-fill") || undefined : undefined,
      }))],
      hooks: { setCursor: [read], draw: [u => marksOn(u, marks)] },
    }, [x, ...series.map(s => s.values)], canvas);
  };
  const resized = new ResizeObserver(() => {
    if (!canvas.isConnected) return;
    if (!chart) draw();
    else if (chart.width !== width()) chart.setSize({ width: width(), height });
  });
  resized.observe(canvas);
  const box = h("div", { class: "chart" }, keys, canvas, readout, behind("The same as a table", () => table({
    caption: label, rows: x.map((_, i) => i),
    columns: [{ name: columnName, cell: i => at(x[i]) }, ...series.map(s => ({ name: s.label, number: true, cell: i => exact(s.values[i]) }))],
  })));
  drawn.add({ box, draw, end() { resized.disconnect(); chart?.destroy(); drawn.delete(this); } });
  return box;
}

function describe(label, x, series, exact, at) {
  if (!x.length) return label + ": nothing";
  const parts = series.map(s => {
    let top = -1;
    s.values.forEach((v, i) => { if (v !== null && (top < 0 || v > s.values[top])) top = i; });
    return top < 0 ? `${s.label}: unknown` : `${s.label}: highest ${exact(s.values[top])} at ${at(x[top])}`;
  });
  return `${label}, from ${at(x[0])} to ${at(x[x.length - 1])}. ${parts.join("; ")}`;
}
