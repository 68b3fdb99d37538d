// Tells the server which point or cell of a chart was clicked. Streamlit's own selection knows
// points of scatters only, and dims the others.
export default function (component) {
  const {data, setTriggerValue} = component;
  let chart = null;
  const clicked = (event) => {
    const point = event.points?.[0];
    if (!point) return;
    const place = point.pointNumber;
    setTriggerValue("picked", {
      id: point.id === undefined ? null : String(point.id),
      place: Array.isArray(place) ? place : [place],
      // A second click on the same point is another click.
      at: Date.now(),
    });
  };
  const attach = () => {
    const found = document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
    if (found?.on && found !== chart) {
      chart = found;
      // So that charts.js says that the keyboard opens it too.
      chart.dataset.opens = "yes";
      chart.on("plotly_click", clicked);
    }
  };
  attach();
  // The chart comes later than this, and comes again where it is made anew.
  const timer = setInterval(attach, 250);
  return () => {
    clearInterval(timer);
    chart?.removeListener?.("plotly_click", clicked);
  };
}
