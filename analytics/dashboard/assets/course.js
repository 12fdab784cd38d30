// The course over time of a campaign, or of everybody, with the marks of what is
// out of the ordinary.
import { h } from "./dom.js";
import { choice, field, nothing } from "./panel.js";
import { timeChart } from "./chart.js";
import { change } from "./route.js";
import { num, percent, when, words } from "./format.js";
import { table } from "./table.js";

export const hours = 3600;

// courseControls are those of a series: what a step is, and which time counts.
export function courseControls(page, { resolution, basis }) {
  return [
    choice("Steps", resolution, [["day", "days"], ["hour", "hours"], ["5m", "5 minutes"]], v => change({ resolution: v })),
    choice("Counted", basis, [["event", "when it happened"], ["send", "when it was sent"]], v => change({ basis: v === "event" ? null : v })),
    field("From", { type: "date", value: page.query.get("since") || "", onchange: e => change({ since: e.target.value }) }),
    field("until", { type: "date", value: page.query.get("until") || "", onchange: e => change({ until: e.target.value }) }),
  ];
}

// course draws a series; anomalies may be null where they are unknown.
export function course(found, { people, label, anomalies }) {
  if (!found.buckets.length) return nothing("Nothing in this time.");
  const x = found.buckets.map(b => Date.parse(b.start) / 1000);
  const line = (name, color, extra = {}) => ({ label: words(name), color, values: found.buckets.map(b => b.counters[name]), ...extra });
  const series = [line("messages", "soft", { dash: [4, 4] }), line("delivered", "deliver"),
    line(people ? "human_opens" : "opens", people ? "human" : "open", { fill: true }), line(people ? "human_clicks" : "clicks", "click"), line("hard_bounced", "bad")];
  const marks = (anomalies?.marks || anomalies?.anomalies || []).map(m => ({ ...m, at: Date.parse(m.start || m.at) / 1000 }));
  return [
    timeChart({ label, x, series, marks, exact: num }),
    late(found),
    marks.length ? markTable(marks) : null,
  ];
}

function late(found) {
  if (!found.late) return null;
  return h("p", { class: "note" }, `Came after its window was closed, and is in no step but in the totals: ${num(found.late.counters.opens)} opens, ${num(found.late.counters.clicks)} clicks.`);
}

function markTable(marks) {
  return h("details", { class: "behind" }, h("summary", {}, `${marks.length} out of the ordinary`), table({
    caption: "Out of the ordinary", rows: marks, columns: [
      { name: "When", cell: m => when(m.start || m.at) }, { name: "Rate", cell: m => words(m.metric || "") },
      { name: "Is", number: true, cell: m => percent(m.value) }, { name: "Expected", number: true, cell: m => percent(m.expected) },
      { name: "Why", wrap: true, cell: m => m.why || m.direction || "" }],
  }));
}
