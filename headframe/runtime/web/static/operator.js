// What changes something: asked for in a dialog, with the operator's token, which stays in this tab.

import { makeDialog, openDialog } from "./dialogs.js";
import { setText } from "./table.js";

const KEY = "headframe-token";
const TOAST_SECONDS = 8;

const at = (id) => document.getElementById(id);

export class Operator {
  constructor() {
    this.names = new Set();
    this.learned = () => {}; // called when it is known what can be done
    this.dialog = makeDialog(at("ask"));
    this.wanted = null;
    at("ask-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    at("forget").addEventListener("click", () => {
      sessionStorage.removeItem(KEY);
      this.mark();
      this.say("This tab has forgotten the token.");
    });
    at("reload").addEventListener("click", () =>
      this.ask("reload", {
        title: "Read the settings again?",
        text: "What has changed in the settings file comes into force. Rigs stay connected, except where a change needs otherwise.",
        verb: "Reload the settings",
      }));
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
    this.names = new Set(told.usable ? told.actions : []);
    at("reload").hidden = !this.can("reload");
    at("changes-how").hidden = told.usable || told.actions.length === 0;
    at("changes").hidden = told.actions.length === 0;
    this.mark();
    this.learned();
  }

  mark() {
    at("forget").hidden = !sessionStorage.getItem(KEY);
  }

  // name: of the action; title, text, verb: for the dialog; body: what to send, or a function
  // of the form's fields; fields: elements to be filled in; done: (what was told) => words.
  ask(name, { title, text, verb, body = {}, fields = [], done = null, danger = false }) {
    this.wanted = { name, verb, body, done };
    setText(at("ask-title"), title);
    setText(at("ask-text"), text);
    setText(at("ask-yes"), verb);
    at("ask-yes").classList.toggle("danger", danger);
    at("ask-fields").replaceChildren(...fields);
    this.complain("");
    this.wantToken(!sessionStorage.getItem(KEY));
    const first = fields[0]?.querySelector("input, select");
    openDialog(this.dialog, first ?? (at("ask-token-row").hidden ? at("ask-no") : at("ask-token")));
  }

  wantToken(wanted) {
    at("ask-token-row").hidden = !wanted;
    at("ask-token").required = wanted;
    at("ask-token").value = "";
  }

  complain(problem) {
    at("ask-problem").hidden = !problem;
    setText(at("ask-problem"), problem);
  }

  say(words) {
    setText(at("toast"), words);
    at("toast").hidden = false;
    clearTimeout(this.fading);
    this.fading = setTimeout(() => (at("toast").hidden = true), TOAST_SECONDS * 1000);
  }

  async send() {
    const { name, verb, body, done } = this.wanted;
    const token = at("ask-token-row").hidden ? sessionStorage.getItem(KEY) : at("ask-token").value;
    at("ask-yes").disabled = true;
    this.complain("");
    try {
      const given = typeof body === "function" ? body(new FormData(at("ask-form"))) : body;
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const answer = await fetch(`/api/v1/${name}`, { method: "POST", headers, body: JSON.stringify(given) });
      const told = await answer.json();
      if (answer.status === 401) this.refused();
      else sessionStorage.setItem(KEY, token);
      if (!answer.ok) throw new Error([told.error, told.what_to_do].filter(Boolean).join(": "));
      this.dialog.close();
      this.say(`${verb}: done. ${done ? done(told) : summary(told)}`.trim());
    } catch (error) {
      this.complain(`Not done. ${error.message}`);
    } finally {
      at("ask-yes").disabled = false;
      this.mark();
    }
  }

  refused() {
    sessionStorage.removeItem(KEY);
    this.wantToken(true);
    at("ask-token").focus();
  }
}

function summary(told) {
  if (told.closed !== undefined) return `Connections closed: ${told.closed}.`;
  if (told.changed === undefined) return "";
  const later = told.needs_a_restart?.length ? ` Needs a restart: ${told.needs_a_restart.join(", ")}.` : "";
  return `Changed: ${told.changed.join(", ") || "nothing"}.${later}`;
}
