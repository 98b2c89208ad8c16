// The program's words, as they come: its status each second, and events. Comes back by itself.

import * as format from "./format.js";

const STALE_SECONDS = 5;
const DEAD_SECONDS = 20; // a connection that is open, and silent for so long, is a corpse
const RETRY_SECONDS = 3;

const at = (id) => document.getElementById(id);

export class Stream {
  // onStatus: status => ...; onEvent: event => ...; onBack: called when it is back, perhaps another.
  constructor(onStatus, onEvent, onBack) {
    Object.assign(this, { onStatus, onEvent, onBack });
    this.newest = 0;
    this.lastHeard = performance.now();
    this.lastTime = null;
    this.opened = performance.now();
    this.listen();
    setInterval(() => this.look(), 1000);
  }

  listen() {
    clearTimeout(this.again);
    this.source?.close();
    this.opened = performance.now();
    const source = new EventSource(`/api/v1/events?after=${this.newest}`);
    this.source = source;
    source.onmessage = (message) => {
      if (performance.now() - this.lastHeard >= STALE_SECONDS * 1000) this.onBack();
      this.lastHeard = performance.now();
      this.lastTime = new Date();
      this.onStatus(JSON.parse(message.data));
      this.look();
    };
    source.addEventListener("log", (message) => this.hearEvent(JSON.parse(message.data)));
    source.onerror = () => {
      // A browser tries again by itself, except after an answer that is not an event stream.
      if (source.readyState === EventSource.CLOSED) this.retry();
    };
  }

  hearEvent(event) {
    if (event.serial <= this.newest) return; // a new connection may repeat some
    this.newest = event.serial;
    this.onEvent(event);
  }

  retry() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.listen(), RETRY_SECONDS * 1000);
  }

  // Says that nothing is heard, and how old the figures are.
  look() {
    const now = performance.now();
    const silent = (now - this.lastHeard) / 1000;
    const stale = silent >= STALE_SECONDS;
    at("stale").hidden = !stale;
    document.body.classList.toggle("stale", stale);
    if (!stale) return;
    const shown = this.lastTime ? `The figures are those of ${format.clock(this.lastTime)}, ${format.duration(silent)} ago.` : "There are no figures yet.";
    at("stale").textContent = `No connection to the program. ${shown} Trying again …`;
    if (silent > DEAD_SECONDS && now - this.opened > DEAD_SECONDS * 1000) this.listen();
  }
}
