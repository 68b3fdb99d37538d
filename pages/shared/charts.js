// Charts for screen readers and the keyboard: each is an image with a name, which the server put into
// its layout, and the arrow keys go through the cells of a heatmap, or the points of a scatter that
// have ids. A cell or point says what its hover says; Enter does what a click on it does.
(() => {
  if (window.steerscopeCharts) return;
  window.steerscopeCharts = true;
  const STEPS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
  const PAUSE = 200; // ms: a chart that has just come is named no later
  const HOVER = 250; // ms: Plotly draws a hover no later

  const status = document.createElement("div");
  status.setAttribute("role", "status");
  status.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
  const ring = document.createElement("div");
  ring.className = "chart-ring";
  // Two colours, of which one is seen on any cell.
  ring.style.cssText = "position:absolute;pointer-events:none;z-index:2;box-sizing:border-box;" +
    "border:2px solid #FFFFFF;outline:3px solid #10151C;outline-offset:-1px";
  const places = new WeakMap(); // chart -> cell or point that was last gone to

  const NEAR = 9; // px from the middle of a point to the ring around it

  const panels = (chart) => (chart._fullData ?? [])
    .map((trace, number) => ({trace, number}))
    .filter(({trace}) => trace.type === "heatmap" && trace.visible === true && trace.z?.length);

  function axes(chart, trace) {
    const of = (id) => chart._fullLayout[`${id[0]}axis${id.slice(1)}`];
    return [of(trace.xaxis ?? "x"), of(trace.yaxis ?? "y")];
  }

  // Left, top, width and height of a cell in the chart.
  function box(chart, {panel, row, column}) {
    const {trace, number} = panels(chart)[panel];
    const [x, y] = axes(chart, trace);
    const edges = chart.calcdata[number][0];
    const [left, right] = [edges.x[column], edges.x[column + 1]].map((at) => x._offset + x.c2p(at));
    const [top, bottom] = [edges.y[row], edges.y[row + 1]].map((at) => y._offset + y.c2p(at));
    return [Math.min(left, right), Math.min(top, bottom), Math.abs(right - left),
      Math.abs(bottom - top)];
  }

  // The next cell in a direction as it is seen; at the edge of a panel, that of the next panel.
  function beside(chart, place, [down, across]) {
    const found = panels(chart);
    const shape = (panel) => [found[panel].trace.z.length, found[panel].trace.z[0].length];
    const [x, y] = axes(chart, found[place.panel].trace);
    const turned = (axis) => axis.range[0] > axis.range[1] ? -1 : 1;
    let {panel, row, column} = place;
    row = Math.max(0, Math.min(shape(panel)[0] - 1, row - down * turned(y)));
    column += across * turned(x);
    const beyond = column < 0 ? -1 : column >= shape(panel)[1] ? 1 : 0;
    if (beyond && found[panel + beyond]) {
      panel += beyond;
      row = Math.min(row, shape(panel)[0] - 1);
      column = beyond > 0 ? 0 : shape(panel)[1] - 1;
    }
    return {panel, row, column: Math.max(0, Math.min(shape(panel)[1] - 1, column))};
  }

  // The cell at the upper left.
  function firstSeen(chart) {
    const {trace} = panels(chart)[0];
    const [x, y] = axes(chart, trace);
    return {panel: 0, row: y.range[0] > y.range[1] ? 0 : trace.z.length - 1,
      column: x.range[0] > x.range[1] ? trace.z[0].length - 1 : 0};
  }

  const CELLS = {
    chart: "heatmap",
    part: "cell",
    first: firstSeen,
    beside,
    box,
    trace: (chart, {panel}) => panels(chart)[panel].trace,
    holds: (chart, {panel, row, column}) => panels(chart)[panel]?.trace.z[row]?.length > column,
    picked: (chart, {panel, row, column}) =>
      ({curveNumber: panels(chart)[panel].number, pointNumber: [row, column]}),
    // What the hover says, which is drawn by now.
    text: (chart) => [...chart.querySelectorAll(".hoverlayer .hovertext text")]
      .flatMap((text) => text.querySelector("tspan.line")
        ? [...text.querySelectorAll("tspan.line")].map((line) => line.textContent)
        : [text.textContent])
      .join(" "),
  };

  const scatters = (chart) => (chart._fullData ?? [])
    .map((trace, number) => ({trace, number}))
    .filter(({trace}) => trace.type === "scatter" && trace.visible === true && trace.ids?.length);

  // All points that are seen, with their middles in the chart.
  const points = (chart) => scatters(chart).flatMap(({trace, number}) => {
    const [x, y] = axes(chart, trace);
    return [...trace.ids].map((id, index) => ({
      curve: number,
      index,
      left: x._offset + x.d2p(trace.x[index]),
      top: y._offset + y.d2p(trace.y[index]),
    })).filter(({left, top}) => left >= x._offset && left <= x._offset + x._length &&
      top >= y._offset && top <= y._offset + y._length);
  });

  const isAt = ({curve, index}) => (point) => point.curve === curve && point.index === index;
  const byX = (a, b) => a.left - b.left || a.top - b.top || a.curve - b.curve || a.index - b.index;
  const byY = (a, b) => a.top - b.top || a.left - b.left || a.curve - b.curve || a.index - b.index;

  const POINTS = {
    chart: "scatter chart",
    part: "point",
    first: (chart) => points(chart).sort(byX)[0],
    // Left and right go by x, up and down by y: so every point is reached, also under another.
    beside(chart, place, [down, across]) {
      const ordered = points(chart).sort(across ? byX : byY);
      const to = ordered.findIndex(isAt(place)) + across + down;
      return ordered[Math.max(0, Math.min(ordered.length - 1, to))];
    },
    box(chart, place) {
      const {left, top} = points(chart).find(isAt(place));
      return [left - NEAR, top - NEAR, 2 * NEAR, 2 * NEAR];
    },
    trace: (chart, {curve}) => chart._fullData[curve],
    holds: (chart, place) => points(chart).some(isAt(place)),
    picked: (chart, {curve, index}) =>
      ({curveNumber: curve, pointNumber: index, id: chart._fullData[curve].ids[index]}),
    // Its own text: the hover may be that of a point above it.
    text(chart, {curve, index}) {
      const hover = String(chart._fullData[curve].customdata?.[index] ?? "");
      // Not written as a tag: Streamlit drops scripts that hold one.
      const lines = hover.replaceAll("\u003cbr>", " ");
      return new DOMParser().parseFromString(lines, "text/html").body.textContent;
    },
  };

  // How the keys go through a chart; none where there is nothing to go through.
  const ways = (chart) => panels(chart).length ? CELLS : scatters(chart).length ? POINTS : null;

  // Points at a cell or point as the pointer would, so that the hover is drawn; says its text.
  function point(chart, place) {
    const way = ways(chart);
    const [left, top, width, height] = way.box(chart, place);
    Object.assign(ring.style, {left: `${left}px`, top: `${top}px`, width: `${width}px`,
      height: `${height}px`, borderRadius: way === POINTS ? "50%" : "0"});
    chart.querySelector(".svg-container").append(ring);
    const trace = way.trace(chart, place);
    const id = `${trace.xaxis ?? "x"}${trace.yaxis ?? "y"}`;
    const plane = chart.querySelector(`.draglayer .${id} .nsewdrag`);
    const outer = chart.querySelector(".svg-container").getBoundingClientRect();
    const at = {clientX: outer.x + left + width / 2, clientY: outer.y + top + height / 2};
    for (const kind of ["mouseover", "mousemove"]) {
      plane?.dispatchEvent(new MouseEvent(kind, {...at, bubbles: true, view: window}));
    }
    setTimeout(() => {
      if (places.get(chart) !== place || document.activeElement !== chart) return;
      status.textContent = way.text(chart, place) || "No value.";
    }, HOVER);
  }

  function go(chart, place) {
    places.set(chart, place);
    point(chart, place);
  }

  function leave(chart) {
    ring.remove();
    for (const plane of chart.querySelectorAll(".nsewdrag")) {
      plane.dispatchEvent(new MouseEvent("mouseout", {bubbles: true, view: window}));
    }
  }

  function pressed(event) {
    const chart = event.currentTarget;
    if (event.target !== chart || event.altKey || event.ctrlKey || event.metaKey) return;
    const way = ways(chart);
    const place = places.get(chart) ?? way?.first(chart);
    if (!place || !way.holds(chart, place)) return;
    if (event.key in STEPS) go(chart, way.beside(chart, place, STEPS[event.key]));
    else if (event.key === "Enter" || event.key === " ") {
      chart.emit("plotly_click", {points: [way.picked(chart, place)]});
    } else return;
    event.preventDefault();
  }

  function focused(event) {
    const chart = event.currentTarget;
    // Whoever clicks points already.
    if (event.target !== chart || !chart.matches(":focus-visible")) return;
    const way = ways(chart);
    const known = places.get(chart);
    const place = known && way?.holds(chart, known) ? known : way?.first(chart);
    if (place) go(chart, place);
  }

  function reach(chart) {
    chart.tabIndex = 0;
    chart.addEventListener("keydown", pressed);
    chart.addEventListener("focus", focused);
    chart.addEventListener("blur", () => leave(chart));
    // Drawn anew, its cells or points may lie elsewhere.
    chart.on("plotly_afterplot", () => {
      const place = places.get(chart);
      if (!place || !ring.isConnected || document.activeElement !== chart) return;
      if (ways(chart)?.holds(chart, place)) point(chart, place);
      else leave(chart);
    });
  }

  function set(node, name, value) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }

  function name(chart) {
    const label = chart.layout?.meta?.label;
    const [first, ...others] = chart.querySelectorAll(".main-svg");
    if (!label || !first) return;
    set(first, "role", "img");
    set(first, "aria-label", label);
    others.forEach((layer) => set(layer, "aria-hidden", "true"));
    const way = ways(chart);
    if (!way) return;
    if (chart.tabIndex !== 0) reach(chart);
    const opens = chart.dataset.opens ? ` Enter opens a ${way.part}.` : "";
    set(chart, "role", "application");
    set(chart, "aria-roledescription", way.chart);
    set(chart, "aria-label",
      `${label}. The arrow keys go from ${way.part} to ${way.part}.${opens}`);
  }

  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      document.querySelectorAll(".js-plotly-plot").forEach(name);
    }, PAUSE);
  }).observe(document.body, {subtree: true, childList: true,
    // Set by chart_click.js, maybe after the chart was drawn.
    attributeFilter: ["data-opens"]});
  document.body.append(status);
})();
