// Light or dark: as the system says, or as somebody chose here. Runs before the first paint.
(() => {
  const KEY = "headframe-theme";
  const CHOICES = ["auto", "light", "dark"];
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const choice = () => {
    try {
      const kept = localStorage.getItem(KEY);
      return CHOICES.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // a browser may forbid storage
    }
  };

  const show = () => {
    const chosen = choice();
    const isDark = chosen === "auto" ? dark.matches : chosen === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    document.dispatchEvent(new Event("themechange"));
    const button = document.getElementById("theme");
    if (!button) return;
    button.textContent = `Theme: ${chosen}`;
  };

  const turn = () => {
    const next = CHOICES[(CHOICES.indexOf(choice()) + 1) % CHOICES.length];
    try {
      localStorage.setItem(KEY, next);
    } catch {
      return;
    }
    show();
  };

  show();
  dark.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", turn);
    show();
  });
})();
