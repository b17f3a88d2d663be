// Before the first paint: the theme that was chosen, or the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    document.documentElement.classList.toggle("dark", chosen ? chosen === "dark" : system.matches);
  };
  system.addEventListener("change", apply);
  apply();
})();
