// Rules that fired, and the calls they made.
import { h } from "./dom.js";
import { panel, nothing } from "./panel.js";
import { table } from "./table.js";
import { href } from "./route.js";
import { when, duration } from "./format.js";

export const shortID = id => id && !id.startsWith("00000000-0000-0000") ? id.slice(0, 8) + "…" : "none";
export const recipientLink = id => id && !id.startsWith("00000000-0000-0000") ? h("a", { href: href("recipient", id), title: id }, shortID(id)) : "none";
export const campaignLink = (id, name) => id && id !== "-" ? h("a", { href: href("campaign", id) }, name || id) : "none";

export function triggerPanel(page, params) {
  return panel({
    title: "Rules that fired", wide: true, note: "The latest 12.",
    load: options => page.get("/v1/triggers", { ...params, limit: 12 }, options),
    render: found => found.triggers.length ? triggerTable(found.triggers) : nothing("No rule has fired."),
  });
}

export function triggerTable(triggers) {
  return table({
    caption: "Rules that fired", rows: triggers, columns: [
      { name: "Arrived", cell: t => when(t.arrived_at, { seconds: true }) }, { name: "Rule", wrap: true, cell: t => t.rule },
      { name: "Status", cell: t => h("span", { class: "badge" }, t.status) }, { name: "Because of", wrap: true, cell: t => (t.evidence || []).join(" → ") || "none" },
      { name: "Recipient", cell: t => recipientLink(t.recipient_id) }, { name: "Endpoint", cell: t => t.endpoint || "none" }],
  });
}

export function deliveryPanel(page, params) {
  return panel({
    title: "Calls", wide: true, note: "The latest 12 attempts to call an endpoint.",
    load: options => page.get("/v1/deliveries", { ...params, limit: 12 }, options),
    render: found => found.deliveries.length ? deliveryTable(found.deliveries) : nothing("No call was made."),
  });
}

export function deliveryTable(deliveries) {
  return table({
    caption: "Calls", rows: deliveries, columns: [
      { name: "At", cell: d => when(d.attempted_at, { seconds: true }) }, { name: "Endpoint", wrap: true, cell: d => d.endpoint },
      { name: "Status", cell: d => h("span", { class: "badge" + (d.status === "succeeded" ? " good" : d.status === "failed" ? " bad" : "") }, d.status) },
      { name: "Answer", number: true, cell: d => d.status_code || "none" }, { name: "Took", number: true, cell: d => duration(d.duration_ms / 1000) },
      { name: "Attempt", number: true, cell: d => d.attempt }, { name: "Error", wrap: true, cell: d => d.error || "" }],
  });
}
