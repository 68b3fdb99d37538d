// While the slider moves, the open cell follows it: the marker on the curve, r and the prompts
// kept. Every number comes from the server; what is written here is what the server writes for the
// same threshold once the slider is released.
const SLIDER = "input[type=range][aria-valuetext]";
// While the server's answer is drawn, a chart and its successor may both be there.
const charts = () => [...document.querySelectorAll(".st-key-axis .js-plotly-plot")];

function stepAt(data, threshold) {
  if (threshold <= data.low) return 0;
  let low = 0, high = data.thresholds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.thresholds[middle] < threshold) low = middle + 1; else high = middle;
  }
  return low;
}

function write(part, text) {
  for (const node of document.querySelectorAll(`[data-live="${part}"]`)) {
    if (node.textContent !== text) node.textContent = text;
  }
}

function keptOf(data, pole, all, threshold) {
  const cosines = data.cosines[pole];
  return all ? cosines.length : cosines.filter(c => c !== null && c >= threshold).length;
}

// The rows of the prompts, where they are on the page.
function markRows(all, threshold) {
  for (const row of document.querySelectorAll("tr[data-cosine]")) {
    const kept = all || Number(row.dataset.cosine) >= threshold;
    const state = kept ? "kept" : "dropped";
    if (row.className === state) continue;
    row.className = state;
    row.cells[0].textContent = `${kept ? "✓" : "✕"} ${state}`;
  }
}

function moveMarker(chart, threshold, r) {
  const layout = chart._fullLayout;
  if (!layout?.xaxis?.l2p) return;
  const x = layout.xaxis.l2p(threshold);
  const line = chart.querySelector('.shapelayer path[data-index="0"]');
  const ends = line?.getAttribute("d").match(/^M[^,]+,([^L]+)L[^,]+,(.+)$/);
  if (ends) {
    const at = layout.xaxis._offset + x;
    line.setAttribute("d", `M${at},${ends[1]}L${at},${ends[2]}`);
  }
  const drawn = chart.querySelector(".scatterlayer .points .point");
  if (drawn) drawn.style.display = "none";
  let marker = chart.querySelector(".live-marker");
  if (!marker) {
    marker = document.createElementNS("http://www.w3.org/2000/svg", "path");
    marker.setAttribute("class", "live-marker");
    marker.setAttribute("d", "M8.45,0L0,8.45L-8.45,0L0,-8.45Z");
    marker.setAttribute("fill", "#0072B2");
    marker.setAttribute("stroke", "#FFFFFF");
    marker.setAttribute("stroke-width", "2");
    chart.querySelector(".scatterlayer")?.appendChild(marker);
  }
  marker.style.display = r === null ? "none" : "";
  if (r !== null) marker.setAttribute("transform", `translate(${x},${layout.yaxis.l2p(r)})`);
}

function follow(data, value) {
  const all = value <= data.low;
  const shown = String(Number(value.toPrecision(6)));
  const high = keptOf(data, "high", all, value), low = keptOf(data, "low", all, value);
  markRows(all, value);
  write("high", String(high));
  write("low", String(low));
  write("kept", String(high + low));
  write("label", all ? data.unfiltered : data.label.replace("{threshold}", shown));
  const step = stepAt(data, value);
  const beyond = step >= data.thresholds.length;
  const known = data.exact && !(all && data.r[0] === null);
  const text = beyond ? data.above : data.texts[step];
  write("now", known || beyond ? text.replace("{threshold}", shown) : "…");
  for (const chart of charts()) moveMarker(chart, value, known && !beyond ? data.r[step] : null);
}

// What the page shows, and where the slider was last seen: of the latest call, as Streamlit calls
// anew for new data without cleaning up after the call before.
let data, last, watch;

const served = (value) => Math.abs(value - data.value) <= 1e-9;

// What the chart itself draws is shown again in place of the marker. The chart is drawn anew some
// time after the rest of the page; until then the marker stays.
function handOver(of, left) {
  if (of !== data || !served(last)) return;  // newer data has come, or the slider moves again
  const all = charts();
  const isDrawn = (chart) =>
    chart.data && !(Math.abs(chart.data[2]?.x?.[0] - data.value) > 1e-9);
  if (!(all.length && all.every(isDrawn)) && left > 0) {
    setTimeout(handOver, 30, of, left - 1);
    return;
  }
  for (const chart of all) {
    chart.querySelector(".live-marker")?.remove();
    const point = chart.querySelector(".scatterlayer .points .point");
    if (point) point.style.display = "";
  }
}

function seen(changes) {
  const slider = changes.map((change) => change.target).find((node) =>
    node.matches(SLIDER) && node.closest('[class*="st-key-lab_threshold"]'));
  // Moved by the page itself, the slider comes with other steps, which are still on their way.
  if (slider && slider !== document.activeElement) return;
  const value = slider ? Number(slider.value) : last;
  if (value === last) return;
  last = value;
  follow(data, value);
  // For the value that the page shows already, the server has nothing more to write.
  if (served(value)) handOver(data, 400);
}

export default function (component) {
  data = component.data;
  last = data.value;
  handOver(data, 400);
  watch?.disconnect();
  const mine = watch = new MutationObserver(seen);
  mine.observe(document.body, {subtree: true, attributeFilter: ["aria-valuetext"]});
  return () => mine.disconnect();
}
