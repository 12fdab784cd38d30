// Tables, with bars in them where a column is also a picture.
import { h, svg, hidden } from "./dom.js";

// table makes one. A column is {name, cell(row), number, title, sort}; where rows
// are sorted by the API, sort is called with the column.
export function table({ caption, columns, rows, sorted, onsort, empty = "Nothing." }) {
  const head = columns.map(c => {
    const attrs = { scope: "col", class: c.number ? "n" : null, title: c.title };
    if (!c.sort) return h("th", attrs, c.name || hidden("as a bar"));
    const now = sorted === c.sort;
    return h("th", { ...attrs, "aria-sort": now ? "descending" : "none" },
      h("button", { type: "button", class: "sort", onclick: () => onsort(c.sort) }, c.name, h("span", { "aria-hidden": "true" }, now ? " ↓" : "")));
  });
  const body = rows.map(row => h("tr", {}, columns.map((c, i) =>
    h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: c.number ? "n" : c.wrap ? "wrap" : null }, c.cell(row)))));
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, body.length ? body : h("tr", {}, h("td", { colspan: columns.length, class: "nothing" }, empty)))));
}

// bar is a share of the widest as a picture; the number stands beside it.
export function bar(value, most, kind = "open", other) {
  const width = v => most > 0 && v > 0 ? Math.max(0.5, 100 * Math.min(1, v / most)) : 0;
  return svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 10, rx: 2 }),
    other === undefined ? null : svg("rect", { class: "fill faint " + kind, width: width(other), height: 10 }),
    svg("rect", { class: "fill " + kind, width: width(value), height: 10 }));
}

// behind puts a table behind a picture; it is made when it is opened.
export function behind(summary, make) {
  const box = h("details", { class: "behind", ontoggle: () => { if (box.open && box.children.length === 1) box.append(make()); } }, h("summary", {}, summary));
  return box;
}
