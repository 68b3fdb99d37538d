// Streamlit adds an entry to the browser's history for every change of the address: several for a
// click that opens a page, one for every default. Here the first change after something the user did
// makes an entry; those that follow from it replace the entry.
(() => {
  if (window.steerscopeHistory) return;
  window.steerscopeHistory = true;
  const SAME_ACTION = 1000; // ms: keys pressed faster than this move one slider, or write one word
  let acted = false;
  let lastKey = -Infinity;
  addEventListener("pointerdown", () => { acted = true; }, true);
  addEventListener("keydown", (event) => {
    acted ||= event.timeStamp - lastKey > SAME_ACTION;
    lastKey = event.timeStamp;
  }, true);
  addEventListener("popstate", () => { acted = false; }, true);
  const push = history.pushState.bind(history);
  history.pushState = (...entry) => {
    if (acted) push(...entry); else history.replaceState(...entry);
    acted = false;
  };
})();
