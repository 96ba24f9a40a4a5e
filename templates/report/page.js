(function () {
  'use strict';
  var form = document.getElementById('filter');
  var text = document.getElementById('filter-text');
  var type = document.getElementById('filter-type');
  var result = document.getElementById('filter-result');
  var count = document.getElementById('filter-count');
  var rows = Array.prototype.slice.call(document.querySelectorAll('#events tbody tr'));
  // Ids in full are in the titles.
  var texts = rows.map(function (row) {
    return Array.prototype.map.call(row.cells, function (cell) {
      return cell.textContent + ' ' + cell.title;
    }).join(' ').toLowerCase();
  });
  form.hidden = false;

  function apply() {
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row, at) {
      var fits = (!result.value || row.classList.contains(result.value)) &&
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
    if (result.value) { state.set('result', result.value); }
    try { history.replaceState(null, '', '#' + state); } catch (ignored) { /* an embedded page */ }
  }

  function choose(select, value) {
    select.value = value || '';
    if (select.selectedIndex < 0) { select.value = ''; }
  }

  function recall() {
    var state = new URLSearchParams(location.hash.slice(1));
    text.value = state.get('q') || '';
    choose(type, state.get('type'));
    choose(result, state.get('result'));
    apply();
  }

  [text, type, result].forEach(function (control) {
    control.addEventListener('input', function () { apply(); remember(); });
  });
  window.addEventListener('hashchange', recall);
  recall();
})();
