// What changes something: asked for with the operator's token, which stays in this tab.

import { setText } from "./table.js";

const KEY = "headframe-token";

const at = (id) => document.getElementById(id);

export class Operator {
  constructor() {
    this.names = new Set();
    at("operator-form").addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, at("operator-token").value);
      at("operator-token").value = "";
      this.say("The token is used from now on; this tab forgets it when it is closed.");
    });
    at("operator-reload").addEventListener("click", () => this.act("reload", {}));
    this.learn();
  }

  // Whether there is such an action, and a token was set for it in the settings.
  can(name) {
    return this.names.has(name);
  }

  async learn() {
    const answer = await fetch("/api/v1/actions").catch(() => null);
    if (!answer?.ok) return; // none here
    const told = await answer.json();
    if (told.usable) this.names = new Set(told.actions);
    at("operator").hidden = this.names.size === 0;
    at("operator-reload").hidden = !this.can("reload");
  }

  say(words) {
    at("operator").open = true;
    setText(at("operator-said"), words);
  }

  async act(name, body) {
    const token = sessionStorage.getItem(KEY);
    if (!token) {
      this.say("Type the token first: it is in the file that web.token_file names.");
      at("operator-token").focus();
      return;
    }
    this.say(`${name} …`);
    try {
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const answer = await fetch(`/api/v1/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.status === 401) sessionStorage.removeItem(KEY);
      this.say(answer.ok ? `${name}: done. ${summary(told)}` : `${name}: ${told.error}`);
    } catch (error) {
      this.say(`${name}: ${error.message}`);
    }
  }
}

function summary(told) {
  if (told.closed !== undefined) return `Connections closed: ${told.closed}.`;
  if (told.changed !== undefined) return `Changed: ${told.changed.join(", ") || "nothing"}.`;
  return "";
}
