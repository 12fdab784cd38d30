// Runs before anything is painted, so that a page never flashes in the other theme.
"use strict";
(() => {
  let theme = "auto";
  try { theme = localStorage.getItem("posthorn-theme") || "auto"; } catch { /* a browser may forbid it */ }
  if (theme !== "auto") document.documentElement.dataset.theme = theme;
})();
