// Numbers and times as text. What is not known is "unknown", never 0.
import { zone } from "./route.js";

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const unknown = "unknown";
const missing = v => v === null || v === undefined || Number.isNaN(v);

export const num = v => missing(v) ? unknown : whole.format(v);
export const compact = v => missing(v) ? unknown : short.format(v);

export function percent(v) {
  if (missing(v)) return unknown;
  const p = 100 * v;
  return (Math.abs(p) > 0 && Math.abs(p) < 0.1 ? p.toFixed(3) : p.toFixed(Math.abs(p) < 10 ? 2 : 1)) + " %";
}

export function duration(seconds) {
  if (missing(seconds)) return unknown;
  if (seconds < 0.9995) return Math.round(seconds * 1000) + " ms";
  if (seconds < 120) return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
  if (seconds < 7200) return (seconds / 60).toFixed(seconds < 600 ? 1 : 0) + " min";
  if (seconds < 172800) return (seconds / 3600).toFixed(1) + " h";
  return (seconds / 86400).toFixed(1) + " d";
}

// measure writes a rate in its unit; over nothing there is none.
export function measure(value, unit) {
  if (missing(value)) return "none";
  if (unit === "ratio") return percent(value);
  if (unit === "seconds") return duration(value);
  return value.toFixed(2);
}

export const isTime = t => typeof t === "string" && t !== "" && !t.startsWith("1970-01-01T00:00:00") && !t.startsWith("0001");

const formats = new Map();
function parts(zoned, seconds) {
  const key = zoned + seconds;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("sv-SE", {
      timeZone: zoned, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
      ...(seconds ? { second: "2-digit" } : {}),
    }));
  }
  return formats.get(key);
}

export const when = (t, { seconds = false } = {}) => isTime(t) ? parts(zone(), seconds).format(new Date(t)) : unknown;
export const whenUnix = (s, zoned = zone()) => parts(zoned, false).format(new Date(1000 * s));

export function ago(t, now = Date.now()) {
  return isTime(t) ? duration(Math.max(0, (now - Date.parse(t)) / 1000)) + " ago" : unknown;
}

export const bytes = v => missing(v) ? unknown : v < 1048576 ? (v / 1024).toFixed(0) + " KiB" : (v / 1048576).toFixed(1) + " MiB";

// words makes a name of the API readable: human_opened is "opened by people".
const named = {
  opened: "opened", human_opened: "opened by people", opens: "opens", human_opens: "opens by people",
  clicked: "clicked", human_clicked: "clicked by people", clicks: "clicks", human_clicks: "clicks by people",
  delivered_clicked: "clicked of delivered", human_delivered_clicked: "clicked by people, of delivered",
  hard_bounced: "hard bounces", soft_bounced: "soft bounces", late_bounces: "bounced after delivery", complained: "spam complaints", spam: "spam complaints",
  open_delay: "delivery to first open", click_delay: "first open to first click", rejected: "refused by the provider", blocked: "refused by the provider",
  opens_per_message: "opens per opened message", human_opens_per_message: "opens by people per message they opened",
  clicks_per_message: "clicks per clicked message", human_clicks_per_message: "clicks by people per message they clicked",
};
export const words = name => named[name] || String(name).replaceAll("_", " ");
