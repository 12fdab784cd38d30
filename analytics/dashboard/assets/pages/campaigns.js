// All campaigns: found, sorted, each with its course as a small picture.
import { h, say } from "../dom.js";
import { panel, field, nothing } from "../panel.js";
import { table } from "../table.js";
import { href, change } from "../route.js";
import { num, measure, when, words } from "../format.js";
import { sparkline } from "../picture.js";
import { course, anomalyPanel } from "../course.js";
import { periodOf, periodChoice } from "../period.js";

const step = 25;

export default { title: () => "Campaigns", show };

function show(page) {
  const q = page.query.get("q") || "", sort = page.query.get("sort") || "last_event";
  return [list(page, q, sort), tenant(page)];
}

function list(page, q, sort) {
  let typed;
  const search = field("Search", { type: "search", value: q, placeholder: "name or id", oninput: e => {
    clearTimeout(typed);
    typed = setTimeout(() => change({ q: e.target.value.trim() }), 400);
  } });
  if (q) queueMicrotask(() => { if (document.activeElement === document.body) search.querySelector("input").focus(); });
  const found = [];
  const box = panel({
    title: "Campaigns", wide: true, about: "counters-and-rates", controls: search,
    note: page.people ? "Opened and clicked are by people: machines are left out." : "Opened and clicked count machines too.",
    load: options => page.get("/v1/campaigns", { course: 30, limit: step, q, sort: sort === "last_event" ? "" : sort }, options),
    render: answer => {
      found.splice(0, found.length, ...answer.campaigns);
      return draw(answer.next);
    },
  });
  const draw = next => {
    if (!found.length) return nothing(q ? `No campaign has “${q}” in its name or id.` : "None yet: send a webhook to begin.");
    return [rows(page, found, sort), next ? h("p", {}, h("button", { type: "button", onclick: e => more(e.target, next) }, "More campaigns")) : null];
  };
  const more = async (button, after) => {
    button.disabled = true;
    try {
      const answer = await page.get("/v1/campaigns", { course: 30, limit: step, q, sort: sort === "last_event" ? "" : sort, after });
      found.push(...answer.campaigns);
      box.querySelector(".body").replaceChildren(...draw(answer.next).filter(Boolean));
      say(`${found.length} campaigns are shown`);
    } catch (e) {
      if (e.name !== "AbortError") button.replaceWith(h("span", { class: "bad" }, "unknown: " + e.message));
    }
  };
  return box;
}

function rows(page, found, sort) {
  const opened = page.people ? "human_opened" : "opened", clicked = page.people ? "human_delivered_clicked" : "delivered_clicked";
  const rate = (c, name) => { const r = c.rates.find(x => x.name === name); return measure(r?.value, r?.unit); };
  const formula = name => (found[0].rates.find(x => x.name === name) || {}).formula;
  const column = (title, name) => ({ name: title, number: true, sort: name, title: `${formula(name)}; sort by it`, cell: c => rate(c, name) });
  return table({
    caption: "Campaigns", rows: found, sorted: sort, onsort: s => change({ sort: s === "last_event" ? null : s }),
    columns: [
      { name: "Campaign", wrap: true, cell: c => [h("a", { href: href("campaign", c.id) }, c.name || c.id), c.name ? h("small", { class: "soft" }, " " + c.id) : null] },
      { name: "Opens, 30 days", title: "opens on each of the last 30 days of UTC, machines' too", cell: c => course30(c.course) },
      { name: "Messages", number: true, sort: "messages", title: "messages of the campaign; sort by it", cell: c => num(c.totals.messages) },
      column("Delivered", "delivered"), column("Opened", opened), column("Clicked", clicked),
      column("Hard bounced", "hard_bounced"), column("Complained", "spam"),
      { name: "Last event", number: true, sort: "last_event", title: "time of the latest event; sort by it", cell: c => when(c.last_event_at) },
    ],
  });
}

function course30(c) {
  if (!c) return "unknown";
  const sum = c.opens.reduce((a, b) => a + b, 0);
  return sparkline(c.opens, `${num(sum)} opens in 30 days, most on one day: ${num(Math.max(...c.opens))}`);
}

function tenant(page) {
  const { since } = periodOf(page);
  return [panel({
    title: "All campaigns together", wide: true, about: "buckets", controls: periodChoice(page),
    note: "Each count at its time, by days of the time zone.",
    load: options => page.get("/v1/series", { resolution: "day", tz: page.zone, since }, options),
    render: found => course(found, { people: page.people, label: "All campaigns together" }),
  }), anomalyPanel(page, "/v1/anomalies", { since }, { resolution: "day", basis: "event" })];
}
