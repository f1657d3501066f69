// Filters the statements. Without it everything is there, only unfiltered.
(() => {
  const all = (s, at = document) => [...at.querySelectorAll(s)];
  const sections = all('.clause').map((at) => ({at, items: all(':scope > ul > li', at), name: at.querySelector('h3').textContent.toLowerCase()}));
  const total = sections.reduce((n, s) => n + s.items.length, 0);
  const texts = new Map(sections.flatMap((s) => s.items.map((i) => [i, `${s.name} ${i.textContent.toLowerCase()}`])));

  function apply(form, on, words) {
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

  filtered('standing', apply);
})();
