(function () {
  'use strict';
  var form = document.getElementById('filter');
  var text = document.getElementById('filter-text');
  var type = document.getElementById('filter-type');
  var failed = document.getElementById('filter-failed');
  var count = document.getElementById('filter-count');
  var rows = Array.prototype.slice.call(document.querySelectorAll('#events tbody tr'));
  var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
  form.hidden = false;

  function apply() {
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row, at) {
      var fits = (!failed.checked || row.classList.contains('failed')) &&
        (!type.value || row.cells[2].textContent === type.value) &&
        words.every(function (word) { return texts[at].indexOf(word) >= 0; });
      row.hidden = !fits;
      if (fits) { shown += 1; }
    });
    count.textContent = shown + ' of ' + rows.length + ' shown';
  }

  function remember() {
    var state = new URLSearchParams();
    if (text.value) { state.set('q', text.value); }
    if (type.value) { state.set('type', type.value); }
    if (failed.checked) { state.set('failed', '1'); }
    try { history.replaceState(null, '', '#' + state); } catch (ignored) { /* an embedded page */ }
  }

  function recall() {
    var state = new URLSearchParams(location.hash.slice(1));
    text.value = state.get('q') || '';
    type.value = state.get('type') || '';
    if (type.selectedIndex < 0) { type.value = ''; }
    failed.checked = state.get('failed') === '1';
    apply();
  }

  [text, type, failed].forEach(function (control) {
    control.addEventListener('input', function () { apply(); remember(); });
  });
  window.addEventListener('hashchange', recall);
  recall();
})();
