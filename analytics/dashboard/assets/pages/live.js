// What happens now, as server-sent events. At most so many lines are kept.
import { h, say } from "../dom.js";
import { address } from "../api.js";
import { choice, field } from "../panel.js";
import { change } from "../route.js";
import { campaignLink, recipientLink } from "../calls.js";
import { when, words, num } from "../format.js";

export default { title: () => "Live", show };

const kept = 200, atOnce = 50;
const types = ["queued", "deferred", "delivered", "rejected", "failed", "bounced", "opened", "clicked", "unsubscribed", "complained", "subscribed", "unsuppressed"];

function show(page) {
  const asked = name => page.query.get(name) || "";
  const log = h("ol", { class: "log" });
  const region = h("div", { role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": "Events as they come", tabindex: "0" }, log);
  const state = h("p", { class: "note", role: "status" }, "connecting …");
  let paused = false, seen = 0, waiting = [], timer = null;
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    region.setAttribute("aria-live", paused ? "off" : "polite");
    tell();
    if (!paused) flush();
  } }, "Pause");
  const tell = text => { state.textContent = text || `${num(seen)} events since the page was opened${paused ? `; paused, ${num(waiting.length)} wait` : ""}; the latest ${kept} are kept.`; };
  const flush = () => {
    timer = null;
    if (paused || !waiting.length) return;
    // Many at once would only flicker: the latest are shown.
    const lines = waiting.slice(-atOnce).map(line);
    waiting = [];
    log.prepend(...lines.reverse());
    while (log.children.length > kept) log.lastChild.remove();
    tell();
  };
  const source = new EventSource(address("/v1/events/tail", { type: asked("type"), campaign: asked("campaign"), provider: asked("provider") }));
  const take = e => {
    seen++;
    waiting.push(JSON.parse(e.data));
    if (waiting.length > kept) waiting.shift();
    if (paused) tell();
    else timer ??= setTimeout(flush, 250);
  };
  source.onopen = () => { state.classList.remove("bad"); tell("Following: events appear as they come."); };
  source.addEventListener("event", take);
  source.addEventListener("skipped", e => { seen += JSON.parse(e.data).events; tell(); });
  source.addEventListener("problem", e => { state.classList.add("bad"); tell("unknown: " + (JSON.parse(e.data).detail || "the database did not answer")); });
  source.onerror = () => {
    state.classList.add("bad");
    tell(source.readyState === EventSource.CLOSED ? "unknown: the events cannot be followed; as many as may follow do, or a filter is wrong." : "unknown: the connection is lost; it is tried again.");
  };
  page.signal.addEventListener("abort", () => { source.close(); clearTimeout(timer); });
  return h("section", { class: "panel wide", "aria-label": "Events" },
    h("div", { class: "controls" },
      choice("Type", asked("type"), [["", "all"], ...types.map(t => [t, words(t)])], v => change({ type: v })),
      field("Campaign", { value: asked("campaign"), placeholder: "id", onchange: e => change({ campaign: e.target.value.trim() }) }),
      field("Provider", { value: asked("provider"), placeholder: "as mailjet", onchange: e => change({ provider: e.target.value.trim() }) }),
      pause, h("button", { type: "button", onclick: () => { log.replaceChildren(); say("the list is empty"); } }, "Clear")),
    state, region);
}

function line(e) {
  const rest = [e.provider, e.domain, e.country, e.url, e.bounce_class, e.reject_reason, e.machine === "human" ? null : e.machine].filter(Boolean).join(" · ");
  return h("li", {}, h("time", { datetime: e.occurred_at }, when(e.occurred_at, { seconds: true })), h("span", { class: "type " + e.type }, words(e.type)),
    h("span", {}, campaignLink(e.campaign_id, e.campaign_name), " · recipient ", recipientLink(e.recipient_id), rest ? " · " + rest : ""));
}
