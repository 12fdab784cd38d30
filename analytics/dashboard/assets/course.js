// The course over time of a campaign, or of everybody, and what in it is out of the
// ordinary.
import { h } from "./dom.js";
import { panel, choice, field, nothing } from "./panel.js";
import { timeChart } from "./chart.js";
import { change } from "./route.js";
import { num, percent, when, words } from "./format.js";
import { table } from "./table.js";

// courseControls are those of a series: what a step is, and which time counts.
export function courseControls(page, { resolution, basis }) {
  return [
    choice("Steps", resolution, [["day", "days"], ["hour", "hours"], ["5m", "5 minutes"]], v => change({ resolution: v })),
    choice("Counted", basis, [["event", "when it happened"], ["send", "when it was sent"]], v => change({ basis: v === "event" ? null : v })),
    field("From", { type: "date", value: page.query.get("since") || "", onchange: e => change({ since: e.target.value }) }),
    field("until", { type: "date", value: page.query.get("until") || "", onchange: e => change({ until: e.target.value }) }),
  ];
}

// course draws a series. The send itself would dwarf the rest of one campaign: it
// is left off there until it is asked for.
export function course(found, { people, label, off = false }) {
  if (!found.buckets.length) return nothing("Nothing in this time.");
  const x = found.buckets.map(b => Date.parse(b.start) / 1000);
  const line = (name, color, extra = {}) => ({ label: words(name), color, values: found.buckets.map(b => b.counters[name]), ...extra });
  const series = [line("messages", "soft", { dash: [4, 4], off }), line("delivered", "deliver", { off }),
    line(people ? "human_opens" : "opens", people ? "human" : "open", { fill: true }), line(people ? "human_clicks" : "clicks", "click"), line("hard_bounced", "bad")];
  return [timeChart({ label, x, series, exact: num }), late(found)];
}

function late(found) {
  if (!found.late) return null;
  const c = found.late.counters;
  if (!c.opens && !c.clicks && !c.delivered) return null;
  return h("p", { class: "note" }, `Came after its window was closed, and is in no step but in the totals: ${num(c.delivered)} deliveries, ${num(c.opens)} opens, ${num(c.clicks)} clicks.`);
}

// anomalyPanel shows a rate with what is in line, and what is not.
export function anomalyPanel(page, path, params, { resolution, basis }) {
  const rates = ["hard_bounced", "soft_bounced", "blocked", "delivered", page.people ? "human_opened" : "opened", page.people ? "human_delivered_clicked" : "delivered_clicked", "unsubscribed", "spam"];
  const metric = rates.includes(page.query.get("metric")) ? page.query.get("metric") : rates[0];
  return panel({
    title: "Out of the ordinary", wide: true, about: "anomalies", controls: choice("Rate", metric, rates.map(r => [r, words(r)]), v => change({ metric: v })),
    note: "Each step's rate beside the steps before it: what lies outside of the dashed lines is marked.",
    load: options => page.get(path, { metric, resolution: resolution === "day" ? "day" : "hour", basis: basis === "event" ? "" : basis, tz: page.zone, ...params }, options),
    render: found => found.points.length ? anomalies(found) : nothing("Nothing in this time."),
  });
}

function anomalies(found) {
  const at = p => Date.parse(p.start) / 1000, marked = found.points.filter(p => p.anomaly);
  const line = (label, color, of, extra) => ({ label, color, values: found.points.map(of), ...extra });
  const dash = { dash: [5, 5] };
  return [
    found.points.length < 2 ? nothing(`One step, with ${percent(found.points[0].rate)}: there is nothing to compare it with yet.`) : timeChart({
      label: words(found.metric.name), x: found.points.map(at), marks: marked.map(p => ({ at: at(p) })), height: 200,
      series: [line("rate", "open", p => p.rate), line("expected", "soft", p => p.expected), line("lowest in line", "soft", p => p.low, dash), line("highest in line", "soft", p => p.high, dash)],
      format: v => percent(v), exact: v => v === null ? "unknown" : percent(v),
    }),
    h("p", { class: "note" }, `${found.metric.formula}. ${num(found.marked)} of ${num(found.points.length)} steps are out of the ordinary.`),
    marked.length ? table({
      caption: "Steps out of the ordinary", rows: marked, columns: [
        { name: "When", cell: p => when(p.start) }, { name: "Rate", number: true, cell: p => percent(p.rate) }, { name: "Expected", number: true, cell: p => percent(p.expected) },
        { name: "Of", number: true, cell: p => num(p.denominator) }, { name: "Why", wrap: true, cell: p => p.why }],
    }) : null,
    h("details", { class: "behind" }, h("summary", {}, "How this is judged"), h("p", { class: "note" }, found.method.text)),
  ];
}
