document.addEventListener("DOMContentLoaded", () => {
  // Guesses of an earlier visit: put back the number that was typed; the answer waits for the button.
  for (const form of document.querySelectorAll("form.w2s-guess")) {
    try {
      form.querySelector("input").value = localStorage.getItem(form.dataset.key) ?? "";
    } catch (refused) { /* a browser that keeps nothing */ }
  }
  // A button that opens a hint is named by the hint and its exercise, when the theme has made it.
  const words = box => box.querySelector(".admonition-title").innerText.trim();
  setTimeout(() => {
    let exercise = "";
    for (const box of document.querySelectorAll(".admonition")) {
      if (box.classList.contains("exercise")) exercise = words(box);
      const button = box.querySelector(":scope > .admonition-title > .toggle-button");
      if (!button) continue;
      const of = exercise && !box.classList.contains("solution") ? `, ${exercise}` : "";
      button.setAttribute("aria-label", words(box) + of);
    }
  });
  // A figure wider than the screen scrolls: by keyboard too.
  const reach = () => {
    for (const box of document.querySelectorAll(".w2s-figure")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", reach);
  addEventListener("resize", reach);
  // The theme leaves the book's name and contents outside of every landmark.
  const sidebar = document.querySelector(".bd-sidebar-primary");
  sidebar?.setAttribute("role", "region");
  sidebar?.setAttribute("aria-label", "The book");
});
