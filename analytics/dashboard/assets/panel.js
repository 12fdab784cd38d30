// A panel is a part of a page with a request of its own: it shows that it loads,
// then what it has, or "unknown" with the reason and a way to try again.
import { h, freshID, say } from "./dom.js";
import { Failure } from "./api.js";

let running = 0, done = 0;
function progress(step) {
  running += step;
  if (step < 0) done++;
  const bar = document.getElementById("progress");
  bar.classList.toggle("on", running > 0);
  if (running === 0) { say(`loaded ${done} parts of the page`); done = 0; }
}

// panel makes the section. load returns what render turns into elements.
export function panel({ title, note, wide = false, controls, load, render, level = 2, about }) {
  const id = freshID("panel");
  const body = h("div", { class: "body" });
  const section = h("section", { class: "panel" + (wide ? " wide" : ""), "aria-labelledby": id },
    h("div", { class: "head" }, h("h" + level, { id }, title), controls ? h("div", { class: "controls" }, controls) : null),
    note ? h("p", { class: "note" }, note, about ? [" ", definitionLink(about)] : null) : null, body);
  let turn = 0;
  const reload = async (again = false) => {
    const mine = ++turn;
    section.setAttribute("aria-busy", "true");
    if (!body.firstChild) body.append(h("p", { class: "loading" }, "loading …"));
    progress(1);
    try {
      const found = await load({ again });
      if (mine === turn) body.replaceChildren(...[render(found)].flat(Infinity).filter(Boolean));
    } catch (e) {
      if (e.name === "AbortError") return;
      if (!(e instanceof Failure)) console.error(e);
      if (mine === turn) body.replaceChildren(failure(e, () => reload(true)));
    } finally {
      progress(-1);
      if (mine === turn) section.removeAttribute("aria-busy");
    }
  };
  section.reload = reload;
  reload();
  return section;
}

export function failure(e, retry) {
  return h("div", { class: "failure" }, h("p", {}, h("strong", {}, "unknown"), ": ", e.message || String(e)),
    retry ? h("button", { type: "button", onclick: retry }, "Try again") : null);
}

export const nothing = text => h("p", { class: "nothing" }, text);

export function definitionLink(anchor = "") {
  return h("a", { href: "docs/statistics" + (anchor ? "#" + anchor : "") }, "definitions");
}

// choice is a labelled select.
export function choice(label, value, options, onchange) {
  const id = freshID("choice");
  return h("span", { class: "choice" }, h("label", { for: id }, label),
    h("select", { id, value, onchange: e => onchange(e.target.value) }, options.map(([v, text]) => h("option", { value: v, selected: v === value }, text))));
}

// field is a labelled input.
export function field(label, attrs) {
  const id = freshID("field");
  return h("span", { class: "choice" }, h("label", { for: id }, label), h("input", { id, ...attrs }));
}
