// Elements are made by name and text; markup is never parsed, so that a name
// cannot become any.

const set = (e, attrs) => {
  for (const [key, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "value" && "value" in e) e.value = value;
    else e.setAttribute(key, value === true ? "" : value);
  }
  return e;
};

const kidsOf = kids => kids.flat(Infinity).filter(k => k !== null && k !== undefined && k !== false);

export function h(tag, attrs, ...kids) {
  const e = document.createElement(tag);
  e.append(...kidsOf(kids));
  return set(e, attrs || {}); // after the kids: the value of a select is one of them
}

export function svg(tag, attrs, ...kids) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  e.append(...kidsOf(kids));
  return set(e, attrs || {});
}

let ids = 0;
export const freshID = prefix => `${prefix}-${++ids}`;

export const hidden = text => h("span", { class: "visually-hidden" }, text);

// say tells those who listen rather than look.
export function say(text) { document.getElementById("status").textContent = text; }
