// Figures: a number, what it is, and what it is a share of.
import { h } from "./dom.js";
import { num, measure, words, percent } from "./format.js";
import { table } from "./table.js";

// tile shows one number with its definition below it.
export function tile({ name, value, definition, kind, key }) {
  return h("div", { class: "tile" + (kind ? " " + kind : ""), "data-figure": key },
    h("dt", {}, name), h("dd", {}, h("b", {}, value), definition ? h("small", {}, definition) : null));
}

export const tiles = (...list) => h("dl", { class: "tiles" }, list);

// rateTile shows a rate with its quotient: "opened / delivered = 12 of 48".
export function rateTile(rate, kind) {
  return tile({
    name: words(rate.name), key: "rate." + rate.name, kind, value: measure(rate.value, rate.unit),
    definition: `${rate.formula}: ${num(rate.numerator)} of ${num(rate.denominator)}`,
  });
}

export const countTile = (counters, name, definition, kind) =>
  tile({ name: words(name), key: "counter." + name, value: num(counters?.[name]), definition, kind });

// rateTable lists rates with all that is needed to check them.
export function rateTable(rates, caption = "Rates with their formulas") {
  return table({
    caption, rows: rates,
    columns: [
      { name: "Rate", cell: r => words(r.name) },
      { name: "Value", number: true, cell: r => measure(r.value, r.unit) },
      { name: "Formula", cell: r => r.formula },
      { name: "Numerator", number: true, cell: r => num(r.numerator) },
      { name: "Denominator", number: true, cell: r => num(r.denominator) },
      { name: "Mailjet's", cell: r => r.mailjet || "none" },
    ],
  });
}

// share is a part of a whole: null where there is no whole.
export const share = (part, all) => all > 0 ? part / all : null;
export const shareText = (part, all) => all > 0 ? percent(part / all) : "none";
