// What a campaign's, or everybody's, opens and clicks are broken down by.
import { h } from "./dom.js";
import { campaignPath } from "./api.js";
import { panel } from "./panel.js";
import { table, bar } from "./table.js";
import { num, percent, words } from "./format.js";
import { shareText } from "./figures.js";

const blank = { country: "unknown country", client: "unknown client", os: "unknown system", device: "unknown device", domain: "unknown domain", provider: "unknown provider", link: "unknown link" };

// lists says which counters of a dimension are shown, with machines and without.
const lists = {
  link: [["clicked", "human_clicked", "click"], ["clicks", "human_clicks", "click"]],
  country: [["opened", "human_opened", "open"], ["clicked", "human_clicked", "click"]],
  client: [["opened", "human_opened", "open"], ["clicked", "human_clicked", "click"]],
  os: [["opened", "human_opened", "open"], ["clicked", "human_clicked", "click"]],
  device: [["opened", "human_opened", "open"], ["clicked", "human_clicked", "click"]],
  machine: [["opens", "opens", "open"], ["clicks", "clicks", "click"]],
};

export function breakdownPath(id) { return id ? campaignPath(id, "/breakdown") : "/v1/breakdown"; }

// breakdownPanel shows one dimension: what each value has, and its part of all.
export function breakdownPanel(page, { by, title, note, id, wide = false, params = {}, about = "breakdowns" }) {
  return panel({
    title, note, about, wide,
    load: options => page.get(breakdownPath(id), { by, ...params }, options),
    render: found => breakdownTable(found, { by, title, people: page.people }),
  });
}

function breakdownTable(found, { by, title, people }) {
  const measures = lists[by].map(([all, human, kind]) => ({ name: people ? human : all, kind }));
  const rows = rowsOf(found, by);
  if (!rows.length) return h("p", { class: "nothing" }, "Nothing yet.");
  const columns = [{ name: by === "link" ? "Link" : words(by), wrap: true, cell: r => label(r, by) }];
  if (by === "link") columns.push({ name: "Position", number: true, title: "the link's place in the mail, counted from 1; unknown where the provider does not tell", cell: r => r.folded ? "" : r.detail || "unknown" });
  for (const m of measures) {
    const most = Math.max(0, ...rows.map(r => r.counters[m.name] ?? 0)), all = found.total.counters[m.name];
    columns.push({ name: words(m.name), number: true, cell: r => num(r.counters[m.name]) },
      { name: "of all", number: true, title: `${m.name} of this line / ${m.name} of all lines`, cell: r => shareText(r.counters[m.name], all) },
      { name: "", cell: r => bar(r.counters[m.name] ?? 0, most, m.kind) });
  }
  return [table({ caption: title, columns, rows }), unknownShare(found)];
}

function rowsOf(found, by) {
  const rows = (found.items).map(i => ({ ...i, text: i.value || blank[by] || "unknown" }));
  if (found.others) rows.push({ ...found.others, folded: true, text: `${num(found.others.count)} others` });
  return rows;
}

function label(row, by) {
  if (by === "link" && !row.folded && row.value) return h("code", {}, row.value);
  return row.text;
}

function unknownShare(found) {
  return found.unknown_share === undefined || found.unknown_share === null ? null
    : h("p", { class: "note" }, `Unknown for ${percent(found.unknown_share)}.`);
}

// providerTable shows mailbox providers with what became of the messages to each.
export function providerTable(found, { caption, people, name = "Mailbox provider" }) {
  const rows = rowsOf(found, found.by || "provider"), opened = people ? "human_opened" : "opened", clicked = people ? "human_clicked" : "clicked";
  const most = Math.max(0, ...rows.map(r => r.counters?.messages ?? 0));
  const of = (r, part, whole) => shareText(r.counters[part], r.counters[whole]);
  return [table({
    caption, rows, columns: [
      { name, wrap: true, cell: r => r.text },
      { name: "Messages", number: true, cell: r => num(r.counters?.messages) },
      { name: "", cell: r => bar(r.counters?.messages ?? 0, most, "deliver") },
      { name: "Delivered", number: true, title: "delivered / messages", cell: r => of(r, "delivered", "messages") },
      { name: "Hard bounced", number: true, title: "hard_bounced / messages", cell: r => of(r, "hard_bounced", "messages") },
      { name: "Soft bounced", number: true, title: "soft_bounced / messages", cell: r => of(r, "soft_bounced", "messages") },
      { name: "Opened", number: true, title: `${opened} / delivered`, cell: r => of(r, opened, "delivered") },
      { name: "Clicked", number: true, title: `${clicked} / delivered`, cell: r => of(r, clicked, "delivered") },
      { name: "Complained", number: true, title: "complained / delivered", cell: r => of(r, "complained", "delivered") },
    ],
  }), h("p", { class: "note" }, `Delivered and bounced are parts of messages; ${words(opened)}, ${words(clicked)} and complained of delivered.`), unknownShare(found)];
}
