// Whether everything runs: stages and their lag, freshness, what was rejected.
import { h } from "../dom.js";
import { panel, nothing } from "../panel.js";
import { table } from "../table.js";
import { tiles, tile } from "../figures.js";
import { num, when, ago, duration, bytes } from "../format.js";

export default { title: () => "System", show };

const lag = v => v < 0 ? "unknown" : num(v);

function show(page) {
  const list = [ready(page), stages(page), sink(page), rules(page), rejections(page)];
  const timer = setInterval(() => { if (!document.hidden) list.slice(0, 3).forEach(p => p.reload(true)); }, 5000);
  page.signal.addEventListener("abort", () => clearInterval(timer));
  return list;
}

// status is asked once for the panels that show parts of it.
const status = page => {
  let last, at = 0;
  return again => {
    if (!last || (again && Date.now() - at > 1000)) { at = Date.now(); last = page.get("/status", {}, { again }); }
    return last;
  };
};
const asked = new WeakMap();
function statusOf(page, again) {
  if (!asked.has(page)) asked.set(page, status(page));
  return asked.get(page)(again);
}

function ready(page) {
  return panel({
    title: "Ready", wide: true, note: "Each component of the process that serves this page. Not ready means that it stands still, and why.",
    load: ({ again }) => page.get("/readyz", {}, { again, accept: [503] }),
    render: found => [
      h("p", {}, h("strong", { class: found.ready ? "good" : "bad" }, found.ready ? "Everything is ready." : "Not everything is ready.")),
      table({ caption: "Components", rows: found.components, columns: [
        { name: "Component", wrap: true, cell: c => c.name }, { name: "State", cell: c => h("span", { class: "badge " + (c.ready ? "good" : "bad") }, c.ready ? "ready" : "not ready") },
        { name: "Detail", wrap: true, cell: c => c.detail || "" }] })],
  });
}

function stages(page) {
  return panel({
    title: "Stages", wide: true,
    note: "Lag: records not processed yet. Behind: how old the last processed record is, where there is a lag. Frontier: the arrival time up to which everything is processed.",
    load: ({ again }) => statusOf(page, again),
    render: found => found.stages.length ? table({ caption: "Stages", rows: found.stages, columns: [
      { name: "Stage", cell: s => s.stage }, { name: "State", cell: s => h("span", { class: "badge " + (s.ready ? "good" : "bad") }, s.ready ? "ready" : "not ready") },
      { name: "Lag", number: true, cell: s => lag(s.lag_records) }, { name: "Behind", number: true, cell: s => duration(s.lag_seconds) }, { name: "Frontier", number: true, cell: s => ago(s.frontier) },
      { name: "Tasks", number: true, cell: s => num(s.tasks?.length ?? 0) }, { name: "State on disk", number: true, cell: s => bytes(s.state_bytes) }, { name: "Commits", number: true, cell: s => num(s.commits) },
      { name: "Late", number: true, cell: s => num(s.late) }, { name: "Dead letters", number: true, cell: s => num(s.dead_letters) },
      { name: "Detail", wrap: true, cell: s => s.detail || (s.last_error ? `last error, ${ago(s.error_at)}: ${s.last_error}` : "") }] })
      : nothing("This process runs no stage: those of other processes are at their own addresses."),
  });
}

function sink(page) {
  return panel({
    title: "Into ClickHouse", wide: true, note: "Freshness: how old the newest record in each table's lane is. Old is normal where nothing comes.",
    load: ({ again }) => statusOf(page, again),
    render: found => {
      const lanes = found.sink?.lanes || [];
      if (!lanes.length) return nothing("This process writes no table: those of other processes are at their own addresses.");
      const newest = lanes.map(l => l.newest).filter(Boolean).sort().pop(), owned = lanes.filter(l => l.owned);
      const sum = owned.some(l => l.lag < 0) ? null : owned.reduce((n, l) => n + l.lag, 0);
      return [
        tiles(tile({ name: "Newest record", key: "newest", value: newest ? ago(newest) : "unknown", definition: "by its time in Kafka, of those written since the process started" }),
          tile({ name: "Not written yet", key: "sink_lag", value: num(sum), definition: "records of all lanes" }),
          tile({ name: "Lanes that stand still", key: "stuck", value: num(lanes.filter(l => l.stuck || l.error).length), kind: lanes.some(l => l.stuck || l.error) ? "bad" : null, definition: `of ${lanes.length}` })),
        table({ caption: "Lanes", rows: lanes, columns: [
          { name: "Topic", cell: l => l.topic }, { name: "Lane", number: true, cell: l => l.lane }, { name: "Here", cell: l => l.owned ? "yes" : "stands by" }, { name: "Lag", number: true, cell: l => lag(l.lag) },
          { name: "Newest", number: true, cell: l => l.newest ? ago(l.newest) : "unknown" }, { name: "Error", wrap: true, cell: l => l.error || (l.stuck ? "has not moved for a minute" : "") }] })];
    },
  });
}

function rules(page) {
  return panel({
    title: "Rules", wide: true, note: "How often each rule fired, by arrival.",
    load: options => page.get("/v1/rules", {}, options),
    render: found => found.rules.length ? table({ caption: "Rules", rows: found.rules, columns: [
      { name: "Rule", wrap: true, cell: r => r.name }, { name: "Kind", cell: r => r.kind }, { name: "Mode", cell: r => r.paused ? h("span", { class: "badge bad" }, "paused") : r.mode || "not configured" },
      { name: "Calls", cell: r => r.call || "nobody" }, { name: "Fired in 24 h", number: true, cell: r => num(r.last_24h.fired ?? 0) }, { name: "in 7 d", number: true, cell: r => num(r.last_7d.fired ?? 0) },
      { name: "Last", number: true, cell: r => r.last_fired_at ? when(r.last_fired_at) : "never" }] }) : nothing("No rule is configured."),
  });
}

function rejections(page) {
  return panel({
    title: "Rejected webhooks", wide: true, note: "What could not be read, and why: the latest 20. They are kept, and can be sent through again after a fix.",
    load: options => page.get("/v1/rejections", { limit: 20 }, options),
    render: found => {
      const list = found.rejections;
      return list.length ? table({ caption: "Rejected webhooks", rows: list, columns: [
        { name: "When", cell: r => when(r.received_at, { seconds: true }) }, { name: "Source", wrap: true, cell: r => r.source || "unknown" },
        { name: "Reason", wrap: true, cell: r => r.reason }, { name: "Field", cell: r => r.field || "none" }, { name: "Detail", wrap: true, cell: r => r.detail || "none" }] }) : nothing("None.");
    },
  });
}
