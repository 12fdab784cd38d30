// Parts that the pages of one campaign and of all have in common.
import { h } from "./dom.js";
import { panel, nothing } from "./panel.js";
import { table, bar, behind } from "./table.js";
import { num, duration, measure, words } from "./format.js";
import { shareText, tiles, tile } from "./figures.js";
import { delayHistogram, funnelPicture } from "./picture.js";

// funnelPanel shows how many messages came how far.
export function funnelPanel(page, path, params = {}) {
  return panel({
    title: "Funnel", about: "funnel",
    note: "Each step counts the messages of the step before that came further: clicked are those that were opened too.",
    load: options => page.get(path, params, options),
    render: found => {
      const steps = page.people ? found.human : found.steps;
      if (!steps.length || !steps[0].messages) return nothing("No message yet.");
      const kinds = ["soft", "deliver", page.people ? "human" : "open", "click"];
      const drawn = steps.map((s, i) => ({
        ...s, name: words(s.name), kind: kinds[i] || "soft",
        text: i === 0 ? "" : `${measure(s.of_previous, "ratio")} of the step before` + (i > 1 ? `, ${measure(s.of_delivered, "ratio")} of the delivered` : ""),
      }));
      return [
        funnelPicture(drawn, "Funnel: " + drawn.map(s => `${s.name} ${num(s.messages)}`).join(", ")),
        behind("The same as a table", () => table({
          caption: "Funnel", rows: drawn, columns: [
            { name: "Step", cell: s => s.name }, { name: "Messages that are", wrap: true, cell: s => s.requires.map(words).join(" and ") },
            { name: "Messages", number: true, cell: s => num(s.messages) },
            { name: "Of the step before", number: true, cell: s => measure(s.of_previous, "ratio") },
            { name: "Of the delivered", number: true, cell: s => measure(s.of_delivered, "ratio") }],
        })),
        h("p", { class: "note" }, `In no step: ${num(found.outside.not_delivered)} of which no delivery is known, ${num(page.people ? found.outside.human_clicked_not_opened : found.outside.clicked_not_opened)} that were clicked without a known open.`),
        found.paths?.length ? behind("Paths that messages took", () => pathTable(found.paths)) : null,
      ];
    },
  });
}

function pathTable(paths) {
  const most = Math.max(...paths.map(p => p.messages));
  return table({
    caption: "Paths that messages took", rows: paths, columns: [
      { name: "Path", wrap: true, cell: p => p.path.map(words).join(" → ") || "nothing of it" },
      { name: "Messages", number: true, cell: p => num(p.messages) },
      { name: "Of all", number: true, cell: p => measure(p.share, "ratio") },
      { name: "", cell: p => bar(p.messages, most, "deliver") }],
  });
}

const percentileNames = { p5: "5 %", p10: "10 %", p25: "25 %", p50: "50 % (median)", p75: "75 %", p90: "90 %", p95: "95 %", p99: "99 %" };

// delayPanel shows how long it took to the first open, and on to the first click.
export function delayPanel(page, path, params = {}) {
  return panel({
    title: "How long it took", about: "delays",
    note: "From delivery to the first open, and from there to the first click. Percentiles are read from buckets, at most 3.2 % off.",
    load: options => page.get(path, params, options),
    render: found => ["open", "click"].map(kind => {
      const d = found[page.people ? "human_" + kind : kind], name = kind === "open" ? "Delivery to first open" : "First open to first click";
      if (!d || !d.messages) return [h("h3", {}, name), nothing("No message with a known delay.")];
      return [h("h3", {}, name),
        delayHistogram({ histogram: found[kind].histogram || [], percentiles: d.percentiles, people: page.people }, `${name}: half within ${duration(d.percentiles?.p50)}, 90 % within ${duration(d.percentiles?.p90)}`),
        behind("Percentiles", () => table({
          caption: name, rows: Object.entries(percentileNames), columns: [
            { name: "Of messages", cell: ([, text]) => text }, { name: "took at most", number: true, cell: ([p]) => duration(d.percentiles?.[p]) }],
        })),
        h("p", { class: "note" }, `${num(d.messages)} messages with a known delay; mean ${duration(d.mean_seconds)}${d.mean_exact ? "" : ", by buckets"}.`)];
    }),
  });
}

// machinePanel shows what machines did, and what nobody can tell.
export function machinePanel(page, path, params = {}) {
  const says = { human: "people", proxy: "people behind an image proxy", machine: "machines", unknown: "not known who" };
  return panel({
    title: "People and machines", about: "breakdowns", note: "Opens and clicks by who did them, as judged with all of the message's events.",
    load: options => page.get(path, { by: "machine", ...params }, options),
    render: found => {
      const items = found.items || [];
      if (!items.length) return nothing("No open or click yet.");
      const total = found.total.counters;
      return [
        tiles(...["machine", "unknown"].map(value => {
          const c = items.find(i => i.value === value)?.counters || {}, opens = c.opens || 0, clicks = c.clicks || 0;
          return tile({ name: `Opens by ${says[value]}`, key: "machine." + value, value: shareText(opens, total.opens), definition: `${num(opens)} of ${num(total.opens)} opens; of clicks ${shareText(clicks, total.clicks)}` });
        })),
        table({
          caption: "People and machines", rows: items, columns: [
            { name: "Who", cell: i => says[i.value] || i.value },
            ...["opens", "clicks", "opened", "clicked"].flatMap(name => [
              { name: words(name), number: true, cell: i => num(i.counters[name]) },
              ...(name.endsWith("s") ? [{ name: "of all", number: true, cell: i => shareText(i.counters[name], total[name]) }] : []),
            ])],
        })];
    },
  });
}

// bouncePanel shows why messages did not arrive, by provider.
export function bouncePanel(page, path, params = {}, wide = false) {
  return panel({
    title: "Bounces and refusals", wide, about: "bounces-deliverability", note: "Messages that were not delivered in the end, by mailbox provider, outcome, class and reason.",
    load: options => page.get(path, { ...params, limit: 20 }, options),
    render: found => {
      if (!found.total.counters.messages) return nothing("None.");
      const providers = [...found.providers, ...(found.others ? [{ ...found.others, provider: `${num(found.others.count)} others` }] : [])];
      const rows = providers.flatMap(p => p.reasons.map(r => ({ ...r, provider: p.provider || "unknown" }))), most = Math.max(...rows.map(r => r.messages));
      const total = found.total.counters;
      return [
        tiles(...["hard_bounced", "soft_bounced", "rejected", "failed", "late_bounces"].map(n => tile({ name: words(n), key: "bounce." + n, kind: "bad", value: num(total[n]), definition: `of ${num(total.messages)} messages that were not delivered` }))),
        table({
          caption: "Bounces and refusals", rows, columns: [
            { name: "Mailbox provider", wrap: true, cell: r => r.provider }, { name: "Outcome", cell: r => r.outcome },
            { name: "Class", cell: r => r.bounce_class || (r.outcome === "bounced" ? "unknown" : "none") }, { name: "Reason", wrap: true, cell: r => r.reject_reason ? words(r.reject_reason) : "unknown" },
            { name: "Messages", number: true, cell: r => num(r.messages) }, { name: "Of the provider's", number: true, title: "share of the messages of the provider that were not delivered", cell: r => measure(r.share, "ratio") },
            { name: "", cell: r => bar(r.messages, most, "bad") }],
        })];
    },
  });
}
