// The scorecard as a table of buttons, so that every cell can be read, reached and opened by
// keyboard, and its text wraps on a narrow screen. All texts and colours come from the server.
function node(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function button(cell, column, row, open) {
  const made = node("button", "", cell.status);
  made.type = "button";
  made.style.background = cell.fill;
  made.style.color = cell.ink;
  made.title = cell.about;
  made.append(node("b", cell.r), " ", node("span", cell.interval, "interval"), " ",
    node("span", cell.layer, "layer"));
  if (cell.cause !== "") made.append(node("span", cell.cause ?? "…", "cause"));
  const cause = cell.cause ? `, ${cell.cause}` : "";
  made.setAttribute("aria-label",
    `${row.name} on ${column.name}: ${cell.status}, r ${cell.r.slice(2)} ${cell.interval}, ` +
    `${cell.layer}${cause}. Why?`);
  made.onclick = () => open([cell.run, cell.trait]);
  return made;
}

export default function ({data, parentElement, setTriggerValue}) {
  const table = node("table");
  const head = table.createTHead().insertRow();
  head.append(node("td"));
  for (const column of data.columns) {
    const cell = node("th", column.name);
    cell.scope = "col";
    cell.append(node("small", column.count));
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of data.rows) {
    const line = body.insertRow();
    const name = node("th", row.name);
    name.scope = "row";
    line.append(name);
    row.cells.forEach((cell, place) => {
      const open = (value) => setTriggerValue("cell", value);
      line.insertCell().append(
        cell ? button(cell, data.columns[place], row, open) : node("i", "not in this run"));
    });
  }
  const wide = node("div", "", "wide");
  wide.append(table);
  parentElement.querySelector(".grid").replaceChildren(wide);
}
