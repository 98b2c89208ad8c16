// A table that is filled again each second without losing what the reader selected,
// sorted by, or looks for. Cells are text only.

const MOST_ROWS = 200;
const FILTER_FROM = 12;

export function number(name, key, show) {
  return { title: name, kind: "number", of: (row) => row[key], show: (row) => show(row[key] ?? NaN) };
}

// columns: [{ title, of: row => value to sort by, show: row => text, kind }]
// `optional` columns are left out while no row has anything in them.
// `link: row => address` makes its text a link.
// With `order: (column, falling) => ...` somebody else sorts and finds, and is told what is wanted.
// kind: "number" is set to the right, "state" is coloured by its text, "code" is monospaced.
export class Table {
  constructor(holder, columns, { sortBy = null, empty = "nothing yet", order = null } = {}) {
    this.columns = columns;
    this.sortBy = sortBy;
    this.falling = true;
    this.empty = empty;
    this.order = order;
    this.rows = [];
    this.filter = document.createElement("input");
    this.filter.type = "search";
    this.filter.placeholder = "find …";
    this.filter.ariaLabel = "find in this table";
    this.filter.hidden = true;
    this.filter.addEventListener("input", () => this.draw());
    this.note = document.createElement("p");
    this.note.className = "quiet";
    this.table = document.createElement("table");
    this.heads = columns.map((column, index) => this.makeHead(column, index));
    const head = this.table.createTHead().insertRow();
    head.append(...this.heads);
    this.body = this.table.createTBody();
    holder.replaceChildren(this.filter, this.table, this.note);
  }

  makeHead(column, index) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = column.kind ?? "";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    button.addEventListener("click", () => {
      this.falling = this.sortBy === index ? !this.falling : column.kind === "number";
      this.sortBy = index;
      this.draw();
      this.order?.(column, this.falling);
    });
    cell.append(button);
    return cell;
  }

  fill(rows) {
    this.rows = rows;
    this.draw();
  }

  draw() {
    this.hidden = this.columns.map(
      (column) => Boolean(column.optional) && this.rows.every((row) => isMissing(column.of(row))),
    );
    this.filter.hidden = this.order !== null || this.rows.length < FILTER_FROM;
    const found = this.sorted(this.filtered());
    const shown = found.slice(0, MOST_ROWS);
    while (this.body.rows.length > shown.length) this.body.deleteRow(-1);
    shown.forEach((row, index) => this.drawRow(this.body.rows[index] ?? this.addRow(), row));
    this.heads.forEach((head, index) => {
      const order = this.falling ? "descending" : "ascending";
      head.hidden = this.hidden[index];
      head.ariaSort = index === this.sortBy ? order : null;
    });
    this.table.hidden = this.rows.length === 0;
    setText(this.note, this.noteFor(shown.length, found.length));
  }

  noteFor(shown, found) {
    if (this.rows.length === 0) return this.empty;
    if (found === 0) return "none found";
    return shown < found ? `${shown} of ${found} shown` : "";
  }

  filtered() {
    const wanted = this.filter.hidden ? "" : this.filter.value.trim().toLowerCase();
    if (!wanted) return [...this.rows];
    return this.rows.filter((row) =>
      this.columns.some((column) => column.show(row).toLowerCase().includes(wanted)),
    );
  }

  sorted(rows) {
    if (this.sortBy === null || this.order) return rows;
    const { of } = this.columns[this.sortBy];
    const sign = this.falling ? -1 : 1;
    return rows.sort((a, b) => sign * compare(of(a), of(b)));
  }

  addRow() {
    const row = this.body.insertRow();
    for (const column of this.columns) {
      const cell = row.insertCell();
      cell.className = column.kind ?? "";
      cell.dataset.label = column.title;
      if (column.link) cell.append(document.createElement("a"));
    }
    return row;
  }

  drawRow(element, row) {
    this.columns.forEach((column, index) => {
      const cell = element.cells[index];
      const text = column.show(row);
      cell.hidden = this.hidden[index];
      setText(column.link ? cell.firstChild : cell, text);
      if (column.link) cell.firstChild.href = column.link(row);
      if (column.kind === "state") cell.dataset.state = text;
      if (column.hint) cell.title = column.hint(row);
    });
  }
}

// Writes only what changed, so that a selection survives.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function isMissing(value) {
  return value === null || value === undefined || value === "";
}

function compare(a, b) {
  if (isMissing(a) || isMissing(b)) return isMissing(b) - isMissing(a);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
