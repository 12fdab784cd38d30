// Whether mail arrives, by mailbox provider and over time.
import { h } from "../dom.js";
import { panel, nothing, choice, field } from "../panel.js";
import { timeChart } from "../chart.js";
import { change } from "../route.js";
import { num, measure, percent, words } from "../format.js";
import { periodOf, periodChoice, lastDays } from "../period.js";
import { providerTable, breakdownPath } from "../breakdown.js";
import { bouncePanel } from "../parts.js";

export default { title: () => "Deliverability", show };

const colors = ["open", "human", "click", "deliver", "accent", "bad"];

function show(page) {
  const { since } = periodOf(page, "all"), campaigns = page.query.get("campaigns") || "";
  return [
    h("div", { class: "controls panel" }, periodChoice(page, "all"), field("Only campaigns", { value: campaigns, placeholder: "ids, by commas; empty: all", onchange: e => change({ campaigns: e.target.value.trim() }) })),
    overTime(page, { since: since || lastDays("90d"), campaigns }),
    panel({
      title: "Mailbox providers", wide: true, about: "breakdowns", note: "Who takes the mail in.",
      load: options => page.get(breakdownPath(), { by: "provider", since, campaigns }, options),
      render: found => providerTable(found, { caption: "Mailbox providers", people: page.people }),
    }),
    bouncePanel(page, "/v1/bounces", { since, campaigns }, true),
  ];
}

function overTime(page, params) {
  const resolution = page.query.get("resolution") || "day", shown = page.query.get("rate") || "delivered";
  const rates = ["delivered", "hard_bounced", "soft_bounced", "deferred", "blocked", page.people ? "human_opened" : "opened", page.people ? "human_delivered_clicked" : "delivered_clicked", "spam", "unsubscribed"];
  return panel({
    title: "Over time", wide: true, about: "bounces-deliverability",
    controls: [choice("Rate", shown, rates.map(r => [r, words(r)]), v => change({ rate: v })), choice("Steps", resolution, [["day", "days"], ["week", "weeks"]], v => change({ resolution: v }))],
    note: (page.query.get("period") ? "B" : "The last 90 days, b") + "y the day of the send in UTC. A day without messages to a provider has no rate there: the line has a gap.",
    load: options => page.get("/v1/deliverability", { by: "provider", resolution, ...params, limit: 6 }, options),
    render: found => draw(found, shown),
  });
}

function draw(found, rate) {
  if (!found.starts.length) return nothing("Nothing was sent in this time.");
  const line = (item, label, color) => ({ label, color, values: item.points.map(p => p.rates[rate] ?? null) });
  const series = found.items.slice(0, 6).map((item, n) => line(item, item.value || "unknown", colors[n]));
  if (found.others) series.push(line(found.others, `${num(found.others.count)} others`, "soft"));
  const definition = found.definitions.find(d => d.name === rate);
  return [
    timeChart({ label: `${words(rate)} by mailbox provider`, x: found.starts.map(s => Date.parse(s) / 1000), series, zoned: "UTC", format: v => measure(v, "ratio"), exact: v => v === null ? "none" : percent(v) }),
    h("p", { class: "note" }, `${definition.formula}, of the messages sent in each step. All providers together, since ${found.since}: ${measure(found.total.rates[rate], definition.unit)}.`)];
}
