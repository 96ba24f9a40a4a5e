//! What somebody may have meant.

/// The most similar of `names`.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The threshold that the command line uses too.
    const ALIKE: f64 = 0.7;
    names
        .map(|name| (strsim::jaro(word, name), name))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
