"use strict";
{
  const form = document.getElementById("filters");
  const models = [...document.querySelectorAll("details.model")];
  const rows = [...document.querySelectorAll("#overview tbody tr")];
  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();
  if (form) {
    form.hidden = false;
    const checked = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
    const show = () => {
      const wanted = new Set(checked("verdict"));
      const axes = checked("axis");
      const every = axes.length === form.querySelectorAll("[name=axis]").length;
      const name = form.elements.name.value.toLowerCase();
      let count = 0;
      models.forEach((model, number) => {
        const title = rows[number].querySelector("a").textContent.toLowerCase();
        const has = model.dataset.axes.split(" ");
        const shown = wanted.has(model.dataset.state) && (every || axes.some((verdict) => has.includes(verdict))) && title.includes(name);
        model.hidden = rows[number].hidden = !shown;
        count += shown;
      });
      document.getElementById("shown").textContent = `${count} of ${models.length} shown`;
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    show();
  }
  if (navigator.clipboard) {
    document.querySelectorAll(".copy button").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
    });
  }
}
