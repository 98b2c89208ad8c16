// What keys do, besides what browsers do by themselves.

import { makeDialog, openDialog } from "./dialogs.js";

const at = (id) => document.getElementById(id);
const TYPED = "input, select, textarea";

export class Keys {
  constructor() {
    this.help = makeDialog(at("keys"));
    at("keys-open").addEventListener("click", () => openDialog(this.help));
    addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = event.target.closest?.(TYPED);
    if (event.key === "Escape" && typing?.type === "search") {
      this.leaveSearch(event, typing);
      return;
    }
    if (typing) {
      if (event.key === "ArrowDown" && typing.id === "rigs-search") this.move(event, "first");
      return;
    }
    const steps = { ArrowDown: "next", j: "next", ArrowUp: "before", k: "before", Home: "first", End: "last" };
    const inTable = event.target.closest?.("tbody");
    if (event.key in steps && (inTable || event.key === "j" || event.key === "k")) {
      this.move(event, steps[event.key]);
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    this.command(event);
  }

  // An Escape empties the field first, and leaves it then.
  leaveSearch(event, field) {
    if (field.value) {
      field.value = "";
      field.dispatchEvent(new Event("input", { bubbles: true }));
    } else {
      field.blur();
    }
    if (!field.closest("dialog")) event.preventDefault();
  }

  command(event) {
    const does = {
      "/": () => this.search(),
      "?": () => openDialog(this.help),
      n: () => at("rigs-after").click(),
      p: () => at("rigs-before").click(),
      t: () => at("theme").click(),
      e: () => this.goTo("events"),
      b: () => this.goTo("blocks"),
      u: () => this.goTo("pools"),
      r: () => this.goTo("rigs"),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  search() {
    const field = at("rigs").hidden ? at("events-find") : at("rigs-search");
    field.focus();
    field.select();
  }

  goTo(id) {
    if (at(id).hidden) return;
    at(id).focus({ preventScroll: true });
    at(id).scrollIntoView({ block: "start" });
  }

  // From row to row: of the table that has the focus, else of the rigs.
  move(event, where) {
    const open = document.querySelector("dialog[open]");
    const own = event.target.closest?.("tbody");
    const body = own ?? (open ?? at("rigs")).querySelector("tbody");
    const stops = [...body.querySelectorAll("td a, td button")].filter((each) => each.checkVisibility());
    if (stops.length === 0) return;
    event.preventDefault();
    const here = stops.indexOf(event.target);
    const to = { next: here + 1, before: here < 0 ? 0 : here - 1, first: 0, last: stops.length - 1 }[where];
    const stop = stops[Math.min(Math.max(to, 0), stops.length - 1)];
    stop.focus();
    stop.scrollIntoView({ block: "nearest" });
  }
}
