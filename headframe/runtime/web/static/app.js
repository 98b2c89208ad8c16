// Draws whatever the program tells, once a second. Everything that comes from outside is set
// as text, never as markup.

import { Bans } from "./bans.js";
import { Events } from "./events.js";
import { Keys } from "./keys.js";
import { Operator } from "./operator.js";
import { Overview, showProblem } from "./overview.js";
import { Pools } from "./pools.js";
import { RigDetail } from "./rig.js";
import { Rigs } from "./rigs.js";
import { Shares } from "./shares.js";
import { Stream } from "./stream.js";
import { Tables } from "./tables.js";
import { setText } from "./table.js";

const at = (id) => document.getElementById(id);

const operator = new Operator();
const events = new Events();
const bans = new Bans(operator);
const shares = new Shares();
const overview = new Overview((told, span, program) => shares.drawHistory(told, span, program));
const pools = new Pools(operator);
const tables = new Tables();
const rigs = new Rigs();
const rig = new RigDetail(operator, bans, events);
new Keys();

function draw(status) {
  overview.draw(status);
  shares.draw(status);
  pools.draw(status.pools);
  tables.draw(status);
  rigs.hear(status.rigs_total);
  rig.hear();
  bans.hear();
  at("join").hidden = !status.stratum_url;
  setText(at("join-line"), status.stratum_url ?? "");
  showProblem("history", status.lifetime?.problem);
  for (const link of document.querySelectorAll("nav a[href^='#']")) {
    link.hidden = at(link.hash.slice(1))?.hidden ?? true;
  }
}

new Stream(draw, (event) => events.hear(event), () => operator.learn());
