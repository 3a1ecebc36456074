// A theme that was chosen by hand holds from the first paint on.
{
  const chosen = localStorage.getItem("polargen.theme");
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
}
