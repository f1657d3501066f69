// Filters the table. Without it everything is there, only unfiltered.
(() => {
  const all = (s, at = document) => [...at.querySelectorAll(s)];
  const rows = all('.matrix tbody tr');
  const texts = rows.map((r) => r.textContent.toLowerCase());

  function apply(form, on, words) {
    const group = form.group.value;
    let n = 0;
    rows.forEach((r, i) => {
      const show = on.has(r.dataset.across) && (!group || r.dataset.group === group) && words.every((w) => texts[i].includes(w));
      r.hidden = !show;
      n += show;
    });
    form.querySelector('.shown').textContent = n === rows.length ? `${n} check${n === 1 ? '' : 's'}` : `${n} of ${rows.length} checks`;
    document.querySelector('.none').hidden = n > 0;
  }

  filtered('across', apply);
})();
