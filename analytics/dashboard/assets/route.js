// The route is after the #: #/campaign/4711?tz=Europe%2FParis&machines=out. What
// stands there is all that a page depends on, so an address can be shared.

// kept are the parameters that go along from page to page.
const kept = ["tz", "machines"];

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(part => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { name: parts[0] || "campaigns", id: parts.slice(1).join("/"), query: new URLSearchParams(query) };
}

export const route = () => parse(location.hash);

export function href(name, id, params = {}) {
  const q = new URLSearchParams();
  const now = route().query;
  for (const key of kept) if (now.get(key)) q.set(key, now.get(key));
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === "") q.delete(key);
    else q.set(key, value);
  }
  const text = q.toString();
  return "#/" + name + (id ? "/" + encodeURIComponent(id) : "") + (text ? "?" + text : "");
}

// change sets parameters of the page that is shown; those without a value go.
export function change(params, { quietly = false } = {}) {
  const r = route();
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === "") r.query.delete(key);
    else r.query.set(key, value);
  }
  const text = r.query.toString();
  const to = "#/" + r.name + (r.id ? "/" + encodeURIComponent(r.id) : "") + (text ? "?" + text : "");
  if (quietly) history.replaceState(null, "", to);
  else location.hash = to;
}

export const go = to => { location.hash = to; };

const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

function validZone(zone) {
  try { new Intl.DateTimeFormat("en", { timeZone: zone }); return true; } catch { return false; }
}

// zone is the time zone of days, hours and times that are shown.
export function zone() {
  const asked = route().query.get("tz");
  return asked && validZone(asked) ? asked : browserZone;
}

// people tells whether machines' opens and clicks are left out: the standard.
export const people = () => route().query.get("machines") !== "in";
