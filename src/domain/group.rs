//! MetaTrader's mask for symbols, as the `group` of MetaQuotes' Python package has it.

/// Whether `name` is in `group`: conditions separated by commas, taken from left to right, `*` at the ends of each, `!` takes out again.
/// A condition without `*` is a whole name; an empty mask is everything.
#[must_use]
pub fn in_group(name: &str, group: &str) -> bool {
    let fits = |mask: &str| match (mask.strip_prefix('*'), mask.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(_), Some(_)) => name.contains(mask.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == mask,
    };
    group.is_empty()
        || group.split(',').map(str::trim).fold(false, |inside, mask| match mask.strip_prefix('!') {
            Some(mask) => inside && !fits(mask),
            None => inside || fits(mask),
        })
}

#[cfg(test)]
mod tests {
    use super::in_group;

    #[test]
    fn conditions_count_from_left_to_right() {
        let group = "*, !*USD*, !*EUR*";
        assert!(in_group("GBPJPY", group));
        assert!(!in_group("EURGBP", group) && !in_group("USDJPY", group));
        assert!(in_group("EURUSD", "!EURUSD,EUR*") && !in_group("EURUSD", "EUR*,!EURUSD"));
    }

    #[test]
    fn stars_stand_at_the_ends_and_names_without_them_are_whole() {
        assert!(in_group("EURUSD.m", "*.m") && in_group("EURUSD.m", "EUR*") && in_group("EURUSD.m", "*USD*"));
        assert!(!in_group("EURUSD.m", "EURUSD") && in_group("EURUSD.m", "EURUSD.m"));
        assert!(in_group("anything", "") && in_group("anything", "*"));
    }
}
