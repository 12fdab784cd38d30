// How people behave: at which hours, for how long after a send, and who has
// stopped.
import { h } from "../dom.js";
import { panel, nothing, choice, field } from "../panel.js";
import { table } from "../table.js";
import { tiles, tile } from "../figures.js";
import { change } from "../route.js";
import { num, measure, when, words, compact } from "../format.js";
import { periodOf, periodChoice } from "../period.js";
import { funnelPanel, delayPanel } from "../parts.js";

export default { title: () => "Engagement", show };

const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

function show(page) {
  const { since } = periodOf(page), campaigns = page.query.get("campaigns") || "";
  return [
    h("div", { class: "controls panel" }, periodChoice(page), field("Only campaigns", { value: campaigns, placeholder: "ids, by commas; empty: all", onchange: e => change({ campaigns: e.target.value.trim() }) })),
    heatMap(page, { since, campaigns }),
    cohorts(page, { since, campaigns }),
    h("div", { class: "grid" }, funnelPanel(page, "/v1/funnel", { since, campaigns }), delayPanel(page, "/v1/delays", { since, campaigns })),
    hygiene(page),
  ];
}

// level is the class of a cell's colour: one of eight steps up to the most.
export const level = (v, most) => "l" + (v > 0 && most > 0 ? Math.min(7, 1 + Math.floor(6.999 * v / most)) : 0);

function heatMap(page, params) {
  const basis = page.query.get("basis") || "event";
  const shown = [page.people ? "human_opens" : "opens", page.people ? "human_clicks" : "clicks", "messages", page.people ? "human_opened" : "opened"];
  const measureNow = shown.includes(page.query.get("show")) ? page.query.get("show") : shown[0];
  return panel({
    title: "Hours of the week", wide: true, about: "heat-map",
    controls: [choice("Show", measureNow, shown.map(n => [n, words(n)]), v => change({ show: v })),
      choice("Counted", basis, [["event", "when it happened"], ["send", "when it was sent"]], v => change({ basis: v === "event" ? null : v }))],
    note: `By the hours of the clock in ${page.zone}. A darker cell counts more; the number is in each.`,
    load: options => page.get("/v1/heatmap", { ...params, basis, tz: page.zone }, options),
    render: found => {
      const at = new Map(found.cells.map(c => [c.weekday * 24 + c.hour, c]));
      const most = Math.max(0, ...found.cells.map(c => c.counters[measureNow]));
      if (!most) return nothing("Nothing in this time.");
      const hours = [...Array(24).keys()];
      return h("div", { class: "scroll heat", tabindex: "0", role: "group", "aria-label": "Hours of the week" }, h("table", {},
        h("caption", { class: "visually-hidden" }, `${words(measureNow)} by weekday and hour`),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Day"), hours.map(hour => h("th", { scope: "col" }, String(hour).padStart(2, "0"))))),
        h("tbody", {}, weekdays.map((name, d) => h("tr", {}, h("th", { scope: "row" }, name), hours.map(hour => {
          const v = at.get((d + 1) * 24 + hour)?.counters[measureNow] ?? 0;
          return h("td", { class: level(v, most), title: `${name} ${hour}:00: ${num(v)}` }, v ? compact(v) : "0");
        }))))));
    },
  });
}

const stretch = hours => hours < 48 ? `${hours} h` : `${hours / 24} d`;

function cohorts(page, params) {
  const by = page.query.get("by") || "week", name = page.query.get("first") === "clicked" ? "clicked" : "opened";
  const counter = page.people ? "human_" + name : name;
  return panel({
    title: "Cohorts", wide: true, about: "cohorts",
    controls: [choice("Sent in the same", by, [["day", "day"], ["week", "week"], ["month", "month"]], v => change({ by: v })),
      choice("Show", name, [["opened", "opened"], ["clicked", "clicked"]], v => change({ first: v }))],
    note: `Share of the delivered messages that were ${words(counter)} for the first time by that long after the send. What has not been reached yet is unknown.`,
    load: options => page.get("/v1/cohorts", { ...params, by }, options),
    render: found => found.cohorts.length ? cohortTable(found, counter) : nothing("Nothing was sent in this time."),
  });
}

function cohortTable(found, counter) {
  const rows = [...found.cohorts, found.all];
  const value = a => a.cumulative?.[counter];
  const most = Math.max(0, ...rows.flatMap(c => c.ages.map(a => value(a) || 0)));
  return h("div", { class: "scroll cohort", tabindex: "0", role: "group", "aria-label": "Cohorts" }, h("table", {},
    h("caption", { class: "visually-hidden" }, `Share ${words(counter)} by age`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Sent"), h("th", { scope: "col", class: "n" }, "Delivered"),
      found.ages.map(a => h("th", { scope: "col" }, a.to_hours ? "≤ " + stretch(a.to_hours) : "later")), h("th", { scope: "col" }, "Half by"))),
    h("tbody", {}, rows.map(c => h("tr", {}, h("th", { scope: "row" }, c.start || "All"), h("td", { class: "n" }, num(c.sent.delivered)),
      c.ages.map(a => {
        const v = value(a);
        if (v === null || v === undefined) return h("td", { class: "soft", title: a.state === "future" ? "not reached yet" : "no message was delivered" }, a.state === "future" ? "·" : "none");
        return h("td", { class: level(v, most), title: `${num(a.counters?.[counter])} at this age; ${a.state}` }, (100 * v).toFixed(1) + (a.state === "partial" ? "…" : ""));
      }),
      h("td", {}, halfBy(c, counter)))))));
}

function halfBy(c, counter) {
  const hours = counter.endsWith("clicked") ? c.half_clicked_hours : c.half_opened_hours;
  return hours === null || hours === undefined ? "unknown" : stretch(hours);
}

function hygiene(page) {
  return panel({
    title: "Recipients", wide: true, about: "hygiene",
    note: "Of all times, each recipient once. Never engaged: enough messages were delivered, and none was opened or clicked by a person.",
    load: options => page.get("/v1/hygiene", {}, options),
    render: found => hygieneParts(found),
  });
}

function hygieneParts(found) {
  const rate = name => found.definitions.find(d => d.name === name);
  return [
    tiles(found.conditions.map(c => tile({
      name: words(c.name), key: "hygiene." + c.name, value: num(found.counters[c.name]),
      definition: c.condition + (rate(c.name) ? `; ${rate(c.name).formula}: ${measure(found.rates[c.name], "ratio")}` : ""),
    }))),
    h("h3", {}, "Domains where nothing arrives"),
    found.dead_domains.length ? [h("p", { class: "note" }, `${num(found.dead_domain_count)} domains of at least ${num(found.min_domain_recipients)} recipients, ${num(found.dead_domain_recipients)} recipients in all: no message was delivered, and some bounced.`), table({
      caption: "Domains where nothing arrives", rows: found.dead_domains, columns: [
        { name: "Domain", wrap: true, cell: d => d.domain }, { name: "Recipients", number: true, cell: d => num(d.recipients) }, { name: "Messages", number: true, cell: d => num(d.messages) },
        { name: "Hard bounced", number: true, cell: d => num(d.hard_bounced) }, { name: "Soft bounced", number: true, cell: d => num(d.soft_bounced) }, { name: "Refused by the provider", number: true, cell: d => num(d.rejected) },
        { name: "Last sent", number: true, cell: d => when(d.last_sent_at) }],
    })] : nothing(`None of at least ${num(found.min_domain_recipients)} recipients.`),
  ];
}
