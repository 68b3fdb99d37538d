"use strict";
// Charts are drawn when they come into sight, so that a report of a whole study opens at once.
// Their colours come from the page's style, and follow when the reader's theme changes.
const drawn = new Set();
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const PRINT_WIDTH = 680;
const NARROW = 480;

function colours(printing) {
  if (printing) return { paper: "#ffffff", ink: "#1b2430", line: "#d5dbe3" };
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { paper: of("--paper"), ink: of("--ink"), line: of("--line") };
}

function themed(figure, colour, narrow) {
  const layout = figure.layout;
  if (narrow) layout.font = { ...layout.font, size: 11 };
  layout.paper_bgcolor = layout.plot_bgcolor = colour.paper;
  layout.font = { ...layout.font, color: colour.ink };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour.ink, activecolor: colour.ink };
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) layout[name].gridcolor = colour.line;
  }
  return figure;
}

function saving(format) {
  return {
    name: "save " + format,
    title: "Save as " + format.toUpperCase(),
    icon: format === "png" ? Plotly.Icons.camera : Plotly.Icons.disk,
    click: (chart) => Plotly.downloadImage(chart, {
      format, filename: "steerscope-" + chart.id, width: chart.clientWidth, height: chart.clientHeight,
      scale: format === "png" ? 2 : 1,
    }),
  };
}

function draw(chart, printing = false) {
  const source = document.querySelector(`script[data-chart="${chart.id}"]`);
  const figure = themed(JSON.parse(source.textContent), colours(printing),
    chart.clientWidth < NARROW);
  if (printing) figure.layout.width = PRINT_WIDTH;
  drawn.add(chart);
  return Plotly.react(chart, figure.data, figure.layout, {
    displaylogo: false, showSendToCloud: false, responsive: !printing,
    modeBarButtonsToRemove: ["toImage", "lasso2d", "select2d", "autoScale2d"],
    modeBarButtonsToAdd: [saving("png"), saving("svg")],
  });
}

const charts = document.querySelectorAll(".chart");
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
  }
}, { rootMargin: "400px" });
charts.forEach((chart) => sight.observe(chart));
dark.addEventListener("change", () => drawn.forEach((chart) => draw(chart)));

// A link to a part opens it, from the contents or from outside.
function openPart() {
  const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = part?.querySelector("details.part");
  if (fold) {
    fold.open = true;
    part.scrollIntoView();
  }
}
window.addEventListener("hashchange", openPart);
openPart();

// On paper everything is open, drawn, and dark on white.
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((fold) => { fold.open = true; });
  charts.forEach((chart) => draw(chart, true));
});
window.addEventListener("afterprint", () => {
  closed.forEach((fold) => { fold.open = false; });
  drawn.forEach((chart) => draw(chart));
});
