// Campaigns beside each other: whether a difference is more than chance.
import { h } from "../dom.js";
import { panel, nothing, choice } from "../panel.js";
import { table } from "../table.js";
import { interval } from "../picture.js";
import { campaignLink } from "../calls.js";
import { change } from "../route.js";
import { num, percent, words } from "../format.js";

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
    title: words(metric), wide: true, about: "comparison",
    note: "Each rate with its 95 % interval (Wilson), the difference with its own (Newcombe), and a test whether chance alone would give such a difference.",
    load: options => page.get("/v1/compare", { campaigns: ids.join(","), metric }, options),
    render: found => [rateRows(found), pairRows(found)],
  });
}

function rateRows(found) {
  const list = found.campaigns, top = Math.max(...list.map(c => bound(c, "high") ?? 0)) * 1.05 || 1;
  return table({
    caption: "Rates with their intervals", rows: list, columns: [
      { name: "Campaign", wrap: true, cell: c => campaignLink(c.id, c.name) },
      { name: "Rate", number: true, cell: c => percent(c.value ?? c.rate) },
      { name: found.formula || "Of", number: true, cell: c => `${num(c.numerator)} of ${num(c.denominator)}` },
      { name: "95 % from", number: true, cell: c => percent(bound(c, "low")) }, { name: "to", number: true, cell: c => percent(bound(c, "high")) },
      { name: "", cell: c => interval({ low: bound(c, "low"), value: c.value ?? c.rate, high: bound(c, "high") }, top, `${percent(c.value ?? c.rate)}, between ${percent(bound(c, "low"))} and ${percent(bound(c, "high"))}`) }],
  });
}

const bound = (x, name) => x.interval ? x.interval[name] : x[name];

function pairRows(found) {
  return (found.pairs || found.differences || []).map(p => {
    const value = p.p_adjusted ?? p.p_value ?? p.p;
    const sure = value !== null && value !== undefined && value < 0.05;
    return h("div", {}, h("h3", {}, "Difference"), h("p", {}, h("strong", { class: sure ? "good" : "" }, value === null || value === undefined ? "unknown" : sure ? "More than chance." : "May be chance."),
      ` ${p.a} − ${p.b}: ${percent(p.difference)} (95 % from ${percent(bound(p, "low"))} to ${percent(bound(p, "high"))}), p = ${value === null || value === undefined ? "unknown" : value < 0.0001 ? "< 0.0001" : value.toFixed(4)}`,
      p.test ? ` by ${p.test}` : "", p.z !== null && p.z !== undefined ? `, z = ${p.z.toFixed(2)}` : "", "."),
      p.enough === false || found.enough === false ? h("p", { class: "note" }, "There are few messages: the exact test was used.") : null);
  });
}
