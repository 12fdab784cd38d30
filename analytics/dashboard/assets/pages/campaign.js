// One campaign: what it is, what became of its messages, who opened and clicked,
// when, where and with what.
import { h } from "../dom.js";
import { campaignPath } from "../api.js";
import { panel, nothing } from "../panel.js";
import { tiles, countTile, rateTile, rateTable } from "../figures.js";
import { breakdownPanel, breakdownPath, providerTable } from "../breakdown.js";
import { course, courseControls, anomalyPanel } from "../course.js";
import { behind } from "../table.js";
import { href } from "../route.js";
import { num, when } from "../format.js";
import { funnelPanel, delayPanel, machinePanel, bouncePanel } from "../parts.js";
import { triggerPanel, deliveryPanel } from "../calls.js";

export default { title: r => "Campaign " + r.id, show };

function show(page) {
  if (!page.id) return nothing("Choose a campaign from the list of campaigns.");
  const id = page.id;
  const of = (by, title, note) => breakdownPanel(page, { by, title, note, id });
  return [
    totals(page, id),
    series(page, id),
    h("div", { class: "grid" },
      funnelPanel(page, campaignPath(id, "/funnel")), delayPanel(page, campaignPath(id, "/delays")),
      breakdownPanel(page, { by: "link", title: "Links", wide: true, id, note: "Messages with a click on each link, and clicks, by the link's place in the mail. What may name a person is taken out of links." }),
      panel({
        title: "Mailbox providers", wide: true, about: "breakdowns", note: "Who takes the mail in: of the recipients' domains.",
        load: options => page.get(breakdownPath(id), { by: "provider" }, options),
        render: found => providerTable(found, { caption: "Mailbox providers", people: page.people }),
      }),
      of("country", "Countries", "Messages opened and clicked, by the country of the one who did. One message can count in several."),
      of("client", "Mail clients and browsers", "Messages opened and clicked, by what it was done with."),
      of("os", "Operating systems", "Messages opened and clicked, by the system it was done on."),
      of("device", "Devices", "Messages opened and clicked, by the kind of device."),
      machinePanel(page, breakdownPath(id)), bouncePanel(page, campaignPath(id, "/bounces"), {}, true),
      anomalyPanel(page, campaignPath(id, "/anomalies"), { since: page.query.get("since"), until: page.query.get("until") }, stepsOf(page)),
      triggerPanel(page, { campaign: id }), deliveryPanel(page, { campaign: id })),
  ];
}

function totals(page, id) {
  return panel({
    title: "Totals", wide: true, about: "counters-and-rates",
    note: "Over the campaign's whole life, each message once. Corrections such as a late bounce are in them.",
    load: options => page.get(campaignPath(id), { step: "1d", tz: page.zone }, options),
    render: c => {
      page.title.textContent = c.name || "Campaign " + c.id;
      document.title = (c.name || c.id) + " · Posthorn";
      const rate = name => c.rates.find(r => r.name === name), p = page.people;
      return [
        h("p", { class: "sub" }, "Id ", h("code", {}, c.id), ` · events from ${when(c.first_event_at)} to ${when(c.last_event_at)} · as of ${when(c.updated_at, { seconds: true })} · `,
          h("a", { href: href("compare", "", { a: c.id }) }, "compare with another")),
        tiles(
          countTile(c.totals, "messages", "messages with any event", "deliver"), rateTile(rate("delivered"), "deliver"),
          rateTile(rate(p ? "human_opened" : "opened"), p ? "human" : "open"), rateTile(rate(p ? "human_delivered_clicked" : "delivered_clicked"), "click"),
          rateTile(rate(p ? "human_clicked" : "clicked"), "click"), rateTile(rate("hard_bounced"), "bad"), rateTile(rate("soft_bounced"), "bad"),
          rateTile(rate("blocked"), "bad"), rateTile(rate("unsubscribed"), "bad"), rateTile(rate("spam"), "bad"),
          countTile(c.totals, p ? "human_opens" : "opens", "opens, each one", p ? "human" : "open"), countTile(c.totals, p ? "human_clicks" : "clicks", "clicks, each one", "click")),
        behind("All rates with their formulas", () => rateTable(c.rates)),
        behind("All counters", () => h("dl", { class: "tiles" }, Object.entries(c.totals).map(([name, value]) =>
          h("div", { class: "tile" }, h("dt", {}, h("code", {}, name)), h("dd", {}, h("b", {}, num(value))))))),
      ];
    },
  });
}

const stepsOf = page => ({ resolution: page.query.get("resolution") || "hour", basis: page.query.get("basis") || "event" });

function series(page, id) {
  const { resolution, basis } = stepsOf(page);
  const since = page.query.get("since"), until = page.query.get("until");
  return panel({
    title: "Over time", wide: true, about: "buckets", controls: courseControls(page, { resolution, basis }),
    note: basis === "event" ? "Each count at the time it happened." : "All counts of a message at the time it was sent.",
    load: options => page.get(campaignPath(id, "/series"), { resolution, basis: basis === "event" ? "" : basis, tz: page.zone, since, until }, options),
    render: found => course(found, { people: page.people, label: "Over time", off: basis === "event" }),
  });
}
