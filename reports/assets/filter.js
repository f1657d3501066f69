// filtered lets a page be filtered: by chips, of which at least one is on, and by what else its form holds. apply shows what is wanted, given the chips
// that are on as the values of their data attribute, and the words that are looked for.
function filtered(attribute, apply) {
  const form = document.querySelector('.filter');
  const chips = [...form.querySelectorAll('.chip')];
  const pressed = (c) => c.getAttribute('aria-pressed') === 'true';
  const update = () => apply(form, new Set(chips.filter(pressed).map((c) => c.dataset[attribute])),
    form.text.value.toLowerCase().split(/\s+/).filter(Boolean));

  // A chip that is pressed while all are on shows its own alone: whoever presses "fail" wants to see failures.
  chips.forEach((c) => c.addEventListener('click', () => {
    if (chips.length > 1 && chips.every(pressed)) {
      chips.forEach((o) => o.setAttribute('aria-pressed', o === c));
    } else {
      c.setAttribute('aria-pressed', !pressed(c));
      if (!chips.some(pressed)) chips.forEach((o) => o.setAttribute('aria-pressed', true));
    }
    update();
  }));
  form.addEventListener('input', update);
  form.addEventListener('submit', (e) => e.preventDefault());
  document.addEventListener('keydown', (e) => {
    if (e.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      e.preventDefault();
      form.text.focus();
    }
  });
  form.hidden = false;
  update();
}
