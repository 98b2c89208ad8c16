// Buttons that choose the time that a line shows: live, or so much of the history.

const SPANS = [["6h", "6 hours"], ["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"]];
const REFRESH_SECONDS = 60;

export class Spans {
  // fetch: span => promise of points; draw: points => ...; live: there are figures of now, too.
  constructor(holder, { live, fetch, draw }) {
    this.fetch = fetch;
    this.drawPoints = draw;
    this.turn = 0;
    this.asked = -Infinity;
    const all = live ? [["", "Live"], ...SPANS] : SPANS;
    this.buttons = all.map(([span, title]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => this.choose(span));
      return [span, button];
    });
    holder.append(...this.buttons.map(([, button]) => button));
    this.span = all[0][0];
    this.mark();
  }

  mark() {
    for (const [span, button] of this.buttons) button.ariaPressed = String(span === this.span);
  }

  choose(span) {
    this.span = span;
    this.asked = -Infinity;
    this.mark();
    this.drawPoints([]);
    this.hear(this.points ?? []);
  }

  // Called once a second, with the figures of now.
  hear(points) {
    this.points = points;
    if (this.span === "") this.drawPoints(points);
    else if (performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.ask();
  }

  async ask() {
    this.asked = performance.now() / 1000;
    const turn = ++this.turn;
    const span = this.span;
    const points = await this.fetch(span).catch(() => []);
    if (turn === this.turn && span === this.span) this.drawPoints(points);
  }
}
