// Filters the table. Without it everything is there, only unfiltered.
(() => {
  const all = (s, at = document) => [...at.querySelectorAll(s)];
  const form = document.querySelector('.filter');
  const rows = all('.matrix tbody tr');
  const chips = all('.chip', form);
  const texts = rows.map((r) => r.textContent.toLowerCase());

  function apply() {
    const on = new Set(chips.filter((c) => c.getAttribute('aria-pressed') === 'true').map((c) => c.dataset.across));
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
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

  // A chip that is pressed while all are on shows its rows alone: whoever presses "differ" wants to see what differs.
  chips.forEach((c) => c.addEventListener('click', () => {
    if (chips.length > 1 && chips.every((o) => o.getAttribute('aria-pressed') === 'true')) {
      chips.forEach((o) => o.setAttribute('aria-pressed', o === c));
    } else {
      c.setAttribute('aria-pressed', c.getAttribute('aria-pressed') !== 'true');
      if (chips.every((o) => o.getAttribute('aria-pressed') === 'false')) chips.forEach((o) => o.setAttribute('aria-pressed', true));
    }
    apply();
  }));
  form.addEventListener('input', apply);
  form.addEventListener('submit', (e) => e.preventDefault());
  document.addEventListener('keydown', (e) => {
    if (e.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      form.text.focus();
    }
  });
  form.hidden = false;
  apply();
})();
