// Buttons that choose the time that a line shows.

const SPANS = [["1h", "1 hour"], ["6h", "6 hours"], ["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"]];
const REFRESH_SECONDS = 60;

export const spanTitle = (span) => SPANS.find(([each]) => each === span)?.[1] ?? span;

export class Spans {
  // fetch: span => promise of what is told; draw: (told or null, span) => ...
  constructor(holder, { fetch, draw, first = "1h", longest = "30d" }) {
    this.holder = holder;
    this.fetch = fetch;
    this.drawTold = draw;
    this.span = first;
    this.told = null;
    this.turn = 0;
    this.asked = -Infinity;
    this.offer(longest);
  }

  // longest: of the spans that there is anything of.
  offer(longest) {
    const most = SPANS.findIndex(([span]) => span === longest);
    this.buttons = SPANS.slice(0, most + 1).map(([span, title]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => this.choose(span));
      return [span, button];
    });
    this.holder.replaceChildren(...this.buttons.map(([, button]) => button));
    this.mark();
  }

  mark() {
    for (const [span, button] of this.buttons) button.ariaPressed = String(span === this.span);
  }

  choose(span) {
    this.span = span;
    this.told = null;
    this.asked = -Infinity;
    this.mark();
    this.drawTold(null, span);
    this.hear();
  }

  // Called once a second.
  hear() {
    if (performance.now() / 1000 - this.asked > REFRESH_SECONDS) this.ask();
  }

  async ask() {
    this.asked = performance.now() / 1000;
    const turn = ++this.turn;
    const span = this.span;
    const told = await this.fetch(span).catch(() => null);
    if (turn !== this.turn || told === null) return; // what is there stays: it is asked for again
    this.told = told;
    this.drawTold(told, span);
  }
}
