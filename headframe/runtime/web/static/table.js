// A table that is filled again each second without losing what the reader selected, has the
// focus on, sorted by, or looks for. Cells are text only.

const MORE_ROWS = 50;
const FILTER_FROM = 12;

export function number(name, key, show) {
  return { title: name, kind: "number", of: (row) => row[key], show: (row) => show(row[key] ?? NaN) };
}

// columns: [{ title, of: row => value to sort by, show: row => text, kind }]
// `optional` columns are left out while no row has anything in them.
// `link: row => address` makes its text a link, `press: row => ...` a button; no text, no button.
// With `order: (column, falling) => ...` somebody else sorts and finds, and is told what is wanted.
// kind: "number" is set to the right, "state" is coloured by its text, "code" is monospaced.
// first: rows shown before somebody asks for more; key: row => what it is known by; label: of all.
export class Table {
  constructor(holder, columns, { sortBy = null, empty = "nothing yet", order = null, first = 200, key = null, find = true } = {}) {
    Object.assign(this, { columns, sortBy, empty, order, key, find });
    this.falling = true;
    this.most = first;
    this.rows = [];
    const title = holder.closest("section, dialog")?.querySelector("h2")?.id;
    this.filter = this.makeFilter();
    this.note = document.createElement("p");
    this.note.className = "quiet";
    this.more = document.createElement("button");
    this.more.type = "button";
    this.more.className = "more";
    this.more.addEventListener("click", () => {
      this.most += MORE_ROWS;
      this.draw();
    });
    this.table = document.createElement("table");
    if (title) this.table.setAttribute("aria-labelledby", title);
    this.heads = columns.map((column, index) => this.makeHead(column, index));
    const head = this.table.createTHead().insertRow();
    head.append(...this.heads);
    this.body = this.table.createTBody();
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(this.table);
    holder.replaceChildren(this.filter, scroll, this.note, this.more);
  }

  makeFilter() {
    const filter = document.createElement("input");
    filter.type = "search";
    filter.placeholder = "find …";
    filter.ariaLabel = "find in this table";
    filter.hidden = true;
    filter.addEventListener("input", () => this.draw());
    return filter;
  }

  makeHead(column, index) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = column.kind ?? "";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    if (column.press || column.plain) {
      cell.textContent = column.title;
      return cell;
    }
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
    this.filter.hidden = this.order !== null || !this.find || this.rows.length < FILTER_FROM;
    const found = this.sorted(this.filtered());
    const shown = found.slice(0, this.most);
    const focus = this.focused();
    while (this.body.rows.length > shown.length) this.body.deleteRow(-1);
    shown.forEach((row, index) => this.drawRow(this.body.rows[index] ?? this.addRow(), row));
    this.follow(focus, shown);
    this.heads.forEach((head, index) => {
      const order = this.falling ? "descending" : "ascending";
      head.hidden = this.hidden[index];
      head.ariaSort = index === this.sortBy ? order : null;
    });
    this.table.hidden = this.rows.length === 0;
    this.more.hidden = shown.length >= found.length;
    setText(this.more, `Show more (${found.length - shown.length})`);
    setText(this.note, this.noteFor(found.length));
  }

  noteFor(found) {
    if (this.rows.length === 0) return this.empty;
    return found === 0 ? "none found" : "";
  }

  // What has the focus goes with its row, wherever that is sorted to.
  focused() {
    const cell = this.body.contains(document.activeElement) && document.activeElement.closest("td");
    if (!cell || !this.key) return null;
    return { key: this.key(cell.parentElement.told), column: cell.cellIndex, index: cell.parentElement.sectionRowIndex };
  }

  follow(focus, shown) {
    if (!focus || shown.length === 0) return;
    const now = shown.findIndex((row) => this.key(row) === focus.key);
    const index = now < 0 ? Math.min(focus.index, shown.length - 1) : now;
    const target = this.body.rows[index].cells[focus.column]?.querySelector("a, button");
    if (target && target !== document.activeElement) target.focus({ preventScroll: true });
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
      if (column.press) cell.append(this.makeButton(column, row));
    }
    return row;
  }

  makeButton(column, row) {
    const button = document.createElement("button");
    button.type = "button";
    button.addEventListener("click", () => column.press(row.told));
    return button;
  }

  drawRow(element, row) {
    element.told = row;
    this.columns.forEach((column, index) => {
      const cell = element.cells[index];
      const text = column.show(row);
      const inner = column.link || column.press ? cell.firstChild : cell;
      cell.hidden = this.hidden[index];
      setText(inner, text);
      if (column.link) inner.href = column.link(row);
      if (column.press) inner.hidden = !text;
      if (column.press && column.name) inner.ariaLabel = column.name(row);
      if (column.kind === "state") cell.dataset.state = column.mark ? column.mark(row) : text;
      if (column.hint) cell.title = column.hint(row);
    });
  }
}

// Writes only what changed, so that a selection survives.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Names and values, one below the other.
export function fillFacts(list, facts) {
  while (list.children.length > facts.length * 2) list.lastChild.remove();
  facts.forEach(([name, value], index) => {
    while (list.children.length <= index * 2 + 1) {
      list.append(document.createElement(list.children.length % 2 ? "dd" : "dt"));
    }
    setText(list.children[index * 2], name);
    setText(list.children[index * 2 + 1], String(value));
  });
}

function isMissing(value) {
  return value === null || value === undefined || value === "";
}

function compare(a, b) {
  if (isMissing(a) || isMissing(b)) return isMissing(b) - isMissing(a);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
