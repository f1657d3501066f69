// Filters the statements. Without it everything is there, only unfiltered.
(() => {
  const all = (s, at = document) => [...at.querySelectorAll(s)];
  const form = document.querySelector('.filter');
  const sections = all('.clause').map((at) => ({at, items: all(':scope > ul > li', at), name: at.querySelector('h3').textContent.toLowerCase()}));
  const total = sections.reduce((n, s) => n + s.items.length, 0);
  const texts = new Map(sections.flatMap((s) => s.items.map((i) => [i, `${s.name} ${i.textContent.toLowerCase()}`])));
  const chips = all('.chip', form);

  function apply() {
    const on = new Set(chips.filter((c) => c.getAttribute('aria-pressed') === 'true').map((c) => c.dataset.standing));
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const level = form.level.value;
    const binds = form.binds.value;
    let n = 0;
    sections.forEach((s) => {
      let shown = 0;
      s.items.forEach((i) => {
        const show = on.has(i.dataset.standing) && (!level || i.dataset.level === level) &&
          (!binds || i.dataset.binds === binds || i.dataset.binds === 'both') && words.every((w) => texts.get(i).includes(w));
        i.hidden = !show;
        shown += show;
      });
      s.at.hidden = shown === 0;
      n += shown;
    });
    form.querySelector('.shown').textContent = n === total ? `${n} statements` : `${n} of ${total} statements`;
    document.querySelector('.none').hidden = n > 0;
  }

  // A chip that is pressed while all are on shows its standing alone: whoever presses "fail" wants to see failures.
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
