// Dialogs. The focus stays inside of an open one, and goes back afterwards to where it was.

const STOPS = "a[href], button:enabled, input:enabled, select:enabled, [tabindex='0']";

// Opens a dialog; whoever had the focus gets it again. Browsers see to that themselves, unless
// what had it has gone; and who has moved on since must not be called back.
export function openDialog(dialog, first = null) {
  if (dialog.open) return;
  const before = document.activeElement;
  dialog.showModal();
  (first ?? dialog.querySelector("[autofocus]"))?.focus();
  dialog.addEventListener(
    "close",
    () => {
      if (document.activeElement !== document.body) return;
      const home = before?.isConnected && before !== document.body ? before : document.getElementById("main");
      home.focus({ preventScroll: true });
    },
    { once: true },
  );
}

// A click beside a dialog closes it, as do its buttons of the class "shut".
export function makeDialog(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => turn(dialog, event));
  for (const button of dialog.querySelectorAll(".shut")) {
    button.addEventListener("click", () => dialog.close());
  }
  return dialog;
}

// Beyond the last stop comes the first, and not the browser's own parts.
function turn(dialog, event) {
  if (event.key !== "Tab") return;
  const stops = [...dialog.querySelectorAll(STOPS)].filter((each) => each.checkVisibility());
  const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement !== from) return;
  event.preventDefault();
  to.focus();
}
