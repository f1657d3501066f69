// Filters and folds the page. Without it everything is there, only unfiltered.
(() => {
  const all = (s, at = document) => [...at.querySelectorAll(s)];
  const rows = all('.checks tbody tr');
  const sections = all('details.check');
  const texts = rows.map((r) => r.textContent.toLowerCase());

  function apply(form, on, words) {
    const group = form.group.value;
    let n = 0;
    rows.forEach((r, i) => {
      const show = on.has(r.dataset.verdict) && (!group || r.dataset.group === group) && words.every((w) => texts[i].includes(w));
      r.hidden = sections[i].hidden = !show;
      n += show;
    });
    form.querySelector('.shown').textContent = n === rows.length ? `${n} check${n === 1 ? '' : 's'}` : `${n} of ${rows.length} checks`;
    document.querySelector('.none').hidden = n > 0;
  }

  function openTarget() {
    const d = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!d || d.tagName !== 'DETAILS') return;
    d.hidden = false;
    d.open = true;
    d.scrollIntoView();
    d.querySelector('summary').focus({preventScroll: true});
  }

  const toggle = document.querySelector('.all');
  toggle.hidden = false;
  toggle.addEventListener('click', () => {
    const shown = sections.filter((s) => !s.hidden);
    const open = shown.some((s) => !s.open);
    shown.forEach((s) => { s.open = open; });
    toggle.textContent = open ? 'close all shown' : 'open all shown';
  });

  if (navigator.clipboard) {
    all('.copy').forEach((b) => {
      b.hidden = false;
      b.addEventListener('click', () => navigator.clipboard.writeText(b.previousElementSibling.textContent).then(() => {
        b.textContent = 'copied';
        setTimeout(() => { b.textContent = 'copy'; }, 1500);
      }));
    });
  }

  window.addEventListener('hashchange', openTarget);
  filtered('verdict', apply);
  openTarget();
})();
