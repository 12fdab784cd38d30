// Requests to the HTTP API. What fails is a Failure with a reason for people; it
// is never taken for 0.

export class Failure extends Error {
  constructor(reason, status = 0) { super(reason); this.status = status; }
}

// address makes a relative one, so that the pages work below any prefix.
export function address(path, params = {}) {
  const q = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined && value !== null && value !== "") q.set(key, value);
  const text = q.toString();
  return path.replace(/^\//, "") + (text ? "?" + text : "");
}

export const campaignPath = (id, rest = "") => `/v1/campaigns/${encodeURIComponent(id)}${rest}`;

async function ask(url, options, accept) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Failure("Posthorn cannot be reached: " + e.message);
  }
  let body = null;
  try {
    body = await response.json();
  } catch (e) {
    if (e.name === "AbortError") throw e;
    if (response.ok) throw new Failure("the answer cannot be read: " + e.message, response.status);
  }
  if (!response.ok && !accept?.includes(response.status)) {
    throw new Failure(body?.detail || body?.title || `the answer was ${response.status} ${response.statusText}`, response.status);
  }
  return body;
}

// requests makes the get and post of one page. The same request of two parts of a
// page is made once; all end when the page does.
export function requests(signal) {
  const asked = new Map();
  return {
    get(path, params, { again = false, accept } = {}) {
      const url = address(path, params);
      if (again || !asked.has(url)) asked.set(url, ask(url, { signal, headers: { Accept: "application/json" } }, accept));
      return asked.get(url);
    },
    post(path, body) {
      return ask(address(path), { signal, method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify(body) });
    },
  };
}
