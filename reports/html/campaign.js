// Hides rows of the list that the filter does not want; without a script all rows stay.

(() => {
  const form = document.getElementById("filter");
  const rows = [...document.querySelectorAll("#list tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const apply = () => {
    const query = document.getElementById("text").value.trim().toLowerCase();
    const states = new Set([...form.querySelectorAll("[name=state]:checked")].map((box) => box.value));
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !states.has(row.dataset.state) || !text.includes(query);
      if (!row.hidden) shown++;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
  document.documentElement.dataset.ready = "yes";
})();
