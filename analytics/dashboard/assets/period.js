// The time that pages of all campaigns look at: whole days, up to now.
import { choice } from "./panel.js";
import { change } from "./route.js";

const periods = [["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"], ["365d", "a year"], ["all", "all time"]];

// periodOf returns since as a day of UTC, empty for all time. The first day is
// counted whole, and so is today: 30 days are today and the 29 before.
export function periodOf(page, standard = "30d") {
  const asked = page.query.get("period");
  const name = periods.some(([p]) => p === asked) ? asked : standard;
  if (name === "all") return { name, since: "" };
  return { name, since: new Date(Date.now() - 86400000 * (parseInt(name, 10) - 1)).toISOString().slice(0, 10) };
}

export const periodChoice = (page, standard = "30d") => choice("Time", periodOf(page, standard).name, periods, v => change({ period: v === standard ? null : v }));

// lastDays is since of a picture that would be too long for all time.
export const lastDays = name => periodOf({ query: new URLSearchParams({ period: name }) }).since;
