// Names for screen readers that the theme leaves out: of the search, and of each code block's buttons.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
let blocks = 0;
new MutationObserver(() => {
  for (const bar of document.querySelectorAll(".md-code__nav:not([aria-label])"))
    bar.setAttribute("aria-label", `Code block ${++blocks}`);
}).observe(document.body, { childList: true, subtree: true });
