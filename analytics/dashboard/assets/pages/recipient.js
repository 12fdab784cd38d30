// One recipient's course: found by id, or by address, which is sent in the body of
// a request and never stands in a URL.
import { h, say } from "../dom.js";
import { panel, field, nothing, failure } from "../panel.js";
import { table } from "../table.js";
import { tiles, tile, countTile } from "../figures.js";
import { href, go } from "../route.js";
import { campaignLink, triggerTable, deliveryTable } from "../calls.js";
import { num, when, words, isTime } from "../format.js";

export default { title: () => "Recipient", show };

function show(page) {
  return [finder(page), page.id ? summary(page) : nothing("Give an address, or the id of a recipient as in triggers and tables.")];
}

function finder(page) {
  const answer = h("div", { role: "alert" });
  const input = field("E-mail address or recipient id", { type: "text", name: "who", required: true, autocomplete: "off", spellcheck: "false", value: page.id || "" });
  const find = async e => {
    e.preventDefault();
    const who = input.querySelector("input").value.trim();
    answer.replaceChildren();
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(who)) return go(href("recipient", who.toLowerCase()));
    try {
      const found = await page.post("/v1/recipients/lookup", { address: who });
      go(href("recipient", found.id));
    } catch (error) {
      if (error.name !== "AbortError") answer.replaceChildren(failure(error));
    }
  };
  return h("section", { class: "panel", "aria-label": "Find a recipient" },
    h("form", { class: "ask", onsubmit: find }, input, h("button", { type: "submit" }, "Find")), answer);
}

function summary(page) {
  const path = "/v1/recipients/" + encodeURIComponent(page.id);
  const events = h("ol", { class: "timeline" });
  const more = h("p", {});
  const show = found => {
    events.append(...(found.events || []).map(eventLine));
    more.replaceChildren(...(found.next ? [h("button", { type: "button", onclick: () => next(found.next) }, "Earlier events")] : []));
  };
  const next = async after => {
    try {
      show(await page.get(path, { after }));
      say("earlier events are shown");
    } catch (e) {
      if (e.name !== "AbortError") more.replaceChildren(failure(e, () => next(after)));
    }
  };
  return panel({
    title: "Recipient " + page.id, wide: true, about: "counters-and-rates", note: "Addresses are kept out of what is served: only the domain and the id are known here.",
    load: options => page.get(path, {}, options),
    render: found => {
      events.replaceChildren();
      show(found);
      const s = found.summary;
      return [
        suppressions(found.suppressions || []),
        s ? tiles(tile({ name: "Domain", key: "domain", value: s.domain || "unknown" }),
          ...["messages", "delivered", "hard_bounced", "human_opened", "human_opens", "human_clicked", "human_clicks", "unsubscribed", "complained"].map(n => countTile(s.counters, n)),
          ...["last_sent_at", "last_opened_at", "last_clicked_at"].map(n => tile({ name: words(n.replace("_at", "")), key: n, value: isTime(s[n]) ? when(s[n]) : "none known" })))
          : nothing("No message to this recipient is known."),
        h("h3", {}, "Events, the latest first"), found.events?.length ? [events, more] : nothing("None."),
        h("h3", {}, "Messages"), messages(found.messages || []),
        h("h3", {}, "Rules that fired"), found.triggers?.length ? triggerTable(found.triggers) : nothing("None."),
        h("h3", {}, "Calls"), found.deliveries?.length ? deliveryTable(found.deliveries) : nothing("None."),
      ];
    },
  });
}

function suppressions(list) {
  const now = list.filter(s => s.active);
  return now.length ? h("p", {}, h("strong", { class: "bad" }, "Must not be mailed: "), now.map(s => `${words(s.reason)}${s.scope === "all" ? "" : ` (${s.scope})`} since ${when(s.since)}`).join("; "))
    : h("p", {}, h("strong", { class: "good" }, "May be mailed: "), "nothing on the suppression list.");
}

function eventLine(e) {
  const what = [e.campaign_name || e.campaign_id, e.url, e.bounce_class && `${e.bounce_class} bounce`, e.reject_reason, [e.client, e.os, e.device].filter(Boolean).join(", "), e.country,
    e.machine && e.machine !== "human" ? `by ${e.machine === "unknown" ? "nobody knows whom" : "a " + e.machine}` : null].filter(Boolean);
  return h("li", {}, h("time", { datetime: e.occurred_at }, when(e.occurred_at, { seconds: true })), h("span", { class: "type " + e.type }, words(e.type)), h("span", {}, what.join(" · ")));
}

function messages(list) {
  return list.length ? table({
    caption: "Messages", rows: list, columns: [
      { name: "Sent", cell: m => when(m.sent_at) }, { name: "Campaign", wrap: true, cell: m => campaignLink(m.campaign_id, m.campaign_name) },
      { name: "Outcome", cell: m => [m.outcome || "unknown", m.bounce_class, m.reject_reason].filter(Boolean).join(", ") },
      { name: "First open by a person", cell: m => isTime(m.first_human_opened_at) ? when(m.first_human_opened_at) : "none known" },
      { name: "First click by a person", cell: m => isTime(m.first_human_clicked_at) ? when(m.first_human_clicked_at) : "none known" },
      { name: "Opens", number: true, cell: m => num(m.opens) }, { name: "Clicks", number: true, cell: m => num(m.clicks) }],
  }) : nothing("None.");
}
