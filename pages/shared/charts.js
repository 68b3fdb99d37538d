// Charts for screen readers and the keyboard: each is an image with a name, which the server put into
// its layout, and the arrow keys go through the cells of a heatmap. A cell says what its hover says;
// Enter does what a click on it does.
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
  ring.className = "heatmap-cell";
  // Two colours, of which one is seen on any cell.
  ring.style.cssText = "position:absolute;pointer-events:none;z-index:2;box-sizing:border-box;" +
    "border:2px solid #FFFFFF;outline:3px solid #10151C;outline-offset:-1px";
  const places = new WeakMap(); // chart -> cell that was last gone to

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

  // Points at a cell as the pointer would, so that the hover is drawn; says its text.
  function point(chart, place) {
    const [left, top, width, height] = box(chart, place);
    Object.assign(ring.style,
      {left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px`});
    chart.querySelector(".svg-container").append(ring);
    const {trace} = panels(chart)[place.panel];
    const id = `${trace.xaxis ?? "x"}${trace.yaxis ?? "y"}`;
    const plane = chart.querySelector(`.draglayer .${id} .nsewdrag`);
    const outer = chart.querySelector(".svg-container").getBoundingClientRect();
    const at = {clientX: outer.x + left + width / 2, clientY: outer.y + top + height / 2};
    for (const kind of ["mouseover", "mousemove"]) {
      plane?.dispatchEvent(new MouseEvent(kind, {...at, bubbles: true, view: window}));
    }
    setTimeout(() => {
      if (places.get(chart) !== place || document.activeElement !== chart) return;
      const lines = [...chart.querySelectorAll(".hoverlayer .hovertext text")]
        .flatMap((text) => text.querySelector("tspan.line")
          ? [...text.querySelectorAll("tspan.line")].map((line) => line.textContent)
          : [text.textContent]);
      status.textContent = lines.join(" ") || "No value.";
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
    const known = panels(chart);
    const place = places.get(chart) ?? {panel: 0, row: 0, column: 0};
    if (!known[place.panel]) return;
    if (event.key in STEPS) go(chart, beside(chart, place, STEPS[event.key]));
    else if (event.key === "Enter" || event.key === " ") {
      const {number} = known[place.panel];
      chart.emit("plotly_click",
        {points: [{curveNumber: number, pointNumber: [place.row, place.column]}]});
    } else return;
    event.preventDefault();
  }

  function focused(event) {
    const chart = event.currentTarget;
    // Whoever clicks points already.
    if (event.target !== chart || !chart.matches(":focus-visible") || !panels(chart).length) return;
    go(chart, places.get(chart) ?? firstSeen(chart));
  }

  // The cell at the upper left.
  function firstSeen(chart) {
    const {trace} = panels(chart)[0];
    const [x, y] = axes(chart, trace);
    return {panel: 0, row: y.range[0] > y.range[1] ? 0 : trace.z.length - 1,
      column: x.range[0] > x.range[1] ? trace.z[0].length - 1 : 0};
  }

  function reach(chart) {
    chart.tabIndex = 0;
    chart.addEventListener("keydown", pressed);
    chart.addEventListener("focus", focused);
    chart.addEventListener("blur", () => leave(chart));
    // Drawn anew, its cells may lie elsewhere.
    chart.on("plotly_afterplot", () => {
      const place = places.get(chart);
      if (!place || !ring.isConnected || document.activeElement !== chart) return;
      if (panels(chart)[place.panel]?.trace.z[place.row]?.length > place.column) {
        point(chart, place);
      } else leave(chart);
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
    if (!panels(chart).length) return;
    if (chart.tabIndex !== 0) reach(chart);
    const opens = chart.dataset.opens ? " Enter opens a cell." : "";
    set(chart, "role", "application");
    set(chart, "aria-roledescription", "heatmap");
    set(chart, "aria-label", `${label}. The arrow keys go from cell to cell.${opens}`);
  }

  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      document.querySelectorAll(".js-plotly-plot").forEach(name);
    }, PAUSE);
  }).observe(document.body, {subtree: true, childList: true});
  document.body.append(status);
})();
