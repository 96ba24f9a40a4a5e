//! The names of values.

/// The name of `value` in the configuration file.
pub(super) fn name_in<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    let found = all.iter().find(|(_, choice)| choice == value);
    found.map_or("", |(name, _)| name)
}
