// Dialogs. The browser keeps the focus inside of an open one; we give it back afterwards.

// Opens a dialog; whoever had the focus gets it again.
export function openDialog(dialog, first = null) {
  if (dialog.open) return;
  const before = document.activeElement;
  dialog.showModal();
  (first ?? dialog.querySelector("[autofocus]"))?.focus();
  dialog.addEventListener(
    "close",
    () => {
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
  for (const button of dialog.querySelectorAll(".shut")) {
    button.addEventListener("click", () => dialog.close());
  }
  return dialog;
}
