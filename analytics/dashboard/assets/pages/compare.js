// Campaigns beside each other: whether a difference is more than chance.
import { h } from "../dom.js";
import { panel, nothing, choice } from "../panel.js";
import { table } from "../table.js";
import { interval } from "../picture.js";
import { campaignLink } from "../calls.js";
import { change } from "../route.js";
import { num, measure, words } from "../format.js";

export default { title: () => "Compare", show };

// metrics are those with a test: shares of messages.
const metrics = ["human_opened", "human_delivered_clicked", "human_clicked", "opened", "delivered_clicked", "clicked", "delivered", "hard_bounced", "soft_bounced", "unsubscribed", "spam"];

function show(page) {
  const a = page.query.get("a") || "", b = page.query.get("b") || "";
  const metric = page.query.get("metric") || (page.people ? "human_opened" : "opened");
  return [picker(page, a, b, metric), a && b && a !== b ? result(page, [a, b], metric) : nothing("Choose two campaigns, such as the two halves of an A/B test.")];
}

function picker(page, a, b, metric) {
  return panel({
    title: "What to compare", wide: true,
    load: options => page.get("/v1/campaigns", { limit: 100 }, options),
    render: found => {
      const options = chosen => {
        const list = found.campaigns.map(c => [c.id, c.name ? `${c.name} (${c.id})` : c.id]);
        if (chosen && !list.some(([id]) => id === chosen)) list.unshift([chosen, chosen]);
        return [["", "choose"], ...list];
      };
      return h("div", { class: "controls" }, choice("A", a, options(a), v => change({ a: v })), choice("B", b, options(b), v => change({ b: v })),
        choice("Rate", metric, [...new Set([metric, ...metrics])].map(m => [m, words(m)]), v => change({ metric: v })));
    },
  });
}

function result(page, ids, metric) {
  return panel({
    title: words(metric), wide: true, about: "compare",
    note: "Each rate with its 95 % interval (Wilson), the difference with its own (Newcombe), and a test whether chance alone would give such a difference.",
    load: options => page.get("/v1/compare", { campaigns: ids.join(","), metric }, options),
    render: found => {
      const m = found.metrics[0], names = new Map(found.campaigns.map(c => [c.id, c.name]));
      return [h("p", {}, h("code", {}, m.formula)), rateRows(m, names), pairRows(m, names, found.method)];
    },
  });
}

function rateRows(metric, names) {
  const list = metric.campaigns, top = Math.max(...list.map(c => c.high ?? 0)) * 1.05 || 1;
  return table({
    caption: "Rates with their intervals", rows: list, columns: [
      { name: "Campaign", wrap: true, cell: c => campaignLink(c.id, names.get(c.id)) },
      { name: "Rate", number: true, cell: c => measure(c.rate, "ratio") },
      { name: "Numerator", number: true, cell: c => num(c.numerator) }, { name: "Denominator", number: true, cell: c => num(c.denominator) },
      { name: "95 % from", number: true, cell: c => measure(c.low, "ratio") }, { name: "to", number: true, cell: c => measure(c.high, "ratio") },
      { name: "", cell: c => interval({ low: c.low, value: c.rate, high: c.high }, top, `${measure(c.rate, "ratio")}, between ${measure(c.low, "ratio")} and ${measure(c.high, "ratio")}`) }],
  });
}

const small = p => p === null ? "unknown" : p < 0.0001 ? "< 0.0001" : "= " + p.toFixed(4);

function pairRows(metric, names, method) {
  const call = id => names.get(id) || id;
  return metric.pairs.map(p => h("div", { "data-pair": `${p.a} ${p.b}` }, h("h3", {}, `${call(p.a)} − ${call(p.b)}`),
    h("p", {}, h("strong", { class: p.significant ? "good" : "" }, p.p === null ? "Unknown: nothing to compare." : p.significant ? "More than chance." : "May be chance."),
      ` Difference ${points(p.difference)}, 95 % from ${points(p.low)} to ${points(p.high)}; p ${small(p.p_adjusted)}${p.p_adjusted === p.p ? "" : ` (alone ${small(p.p)})`}, ${p.test}${p.z === null ? "" : `, z = ${p.z.toFixed(2)}`}.`),
    p.enough ? null : h("p", { class: "note" }, "There are too few messages for the normal approximation: the test is exact."),
    method.p ? h("p", { class: "note" }, method.p) : null));
}

// points are of a difference of shares, with its sign.
const points = v => v === null ? "unknown" : `${v > 0 ? "+" : ""}${(100 * v).toFixed(2)} points`;
