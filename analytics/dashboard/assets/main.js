// The frame around the pages: it chooses the page of the route and ends the one
// before with all its requests.
import { h, say } from "./dom.js";
import { requests } from "./api.js";
import { route, href, change, zone, people } from "./route.js";
import { choice } from "./panel.js";
import { redraw } from "./chart.js";
import campaigns from "./pages/campaigns.js";
import campaign from "./pages/campaign.js";
import compare from "./pages/compare.js";
import recipient from "./pages/recipient.js";
import deliverability from "./pages/deliverability.js";
import engagement from "./pages/engagement.js";
import live from "./pages/live.js";
import system from "./pages/system.js";

const pages = { campaigns, campaign, compare, recipient, deliverability, engagement, live, system };
const listed = [["campaigns", "Campaigns"], ["compare", "Compare"], ["deliverability", "Deliverability"], ["engagement", "Engagement"], ["recipient", "Recipient"], ["live", "Live"], ["system", "System"]];

let ending = new AbortController();

function show() {
  const r = route();
  const page = pages[r.name];
  ending.abort();
  ending = new AbortController();
  frame(r);
  const main = document.getElementById("main");
  const title = h("h1", { tabindex: "-1" }, page ? page.title(r) : "No such page");
  main.replaceChildren(h("div", { class: "title" }, title));
  document.title = (page ? page.title(r) : "No such page") + " · Posthorn";
  if (!page) {
    main.append(h("p", {}, "There is no page ", h("code", {}, r.name), ". ", h("a", { href: href("campaigns") }, "All campaigns")));
    return;
  }
  const context = { ...requests(ending.signal), signal: ending.signal, id: r.id, query: r.query, people: people(), zone: zone(), title };
  main.append(...[page.show(context)].flat(Infinity).filter(Boolean));
}

let before = null;
function moved() {
  const r = route(), place = r.name + "/" + r.id;
  show();
  // Those who cannot see that another page came are told by the focus; a page that
  // only changed a parameter leaves it where it was.
  if (before !== null && before !== place) {
    document.querySelector("h1").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  before = place;
}

function frame(r) {
  document.getElementById("nav").replaceChildren(...listed.map(([name, text]) =>
    h("li", {}, h("a", { href: href(name), "aria-current": r.name === name || (name === "campaigns" && r.name === "campaign") ? "page" : null }, text))));
  document.getElementById("zone").textContent = "Times are of " + zone() + ".";
  document.querySelector(".brand").setAttribute("href", href("campaigns"));
  const zones = new Set(["UTC", zone(), Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", ...(Intl.supportedValuesOf?.("timeZone") || [])]);
  const held = document.activeElement?.closest("#switches .choice")?.querySelector("label")?.textContent;
  document.getElementById("switches").replaceChildren(
    choice("Machines", people() ? "out" : "in", [["out", "left out"], ["in", "counted"]], v => change({ machines: v === "in" ? "in" : null })),
    choice("Time zone", zone(), [...zones].map(z => [z, z]), v => change({ tz: v })),
    choice("Theme", document.documentElement.dataset.theme || "auto", [["auto", "system"], ["light", "light"], ["dark", "dark"]], theme));
  if (held) [...document.querySelectorAll("#switches .choice")].find(c => c.querySelector("label").textContent === held)?.querySelector("select").focus();
}

function theme(chosen) {
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try { localStorage.setItem("posthorn-theme", chosen); } catch { /* it holds until the page is left */ }
  redraw();
  say("theme: " + chosen);
}

document.getElementById("skip").addEventListener("click", e => {
  e.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", moved);
if (!route().query.get("tz")) change({ tz: zone() }, { quietly: true });
moved();
