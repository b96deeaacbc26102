// Guesses of an earlier visit: put back the number that the reader typed; the answer waits for the button.
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.w2s-guess")) {
    try {
      form.querySelector("input").value = localStorage.getItem(form.dataset.key) ?? "";
    } catch (refused) { /* a browser that keeps nothing */ }
  }
});
