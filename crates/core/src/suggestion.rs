//! What somebody may have meant.

/// The name in `names` that is most similar to `word`; `None` if none is similar enough to be
/// suggested. The threshold is the one that the command line's parser uses.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.7;
    names
        .map(|name| (strsim::jaro(word, name), name))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
