//! The tables of what the terminal gives to programs, one for each language and one for both.

use crate::{ast::Item, lex, parse, preprocess::Dialect};
use std::collections::HashSet;

const COMMON: &str = include_str!("../builtins/common.decl");
const MQL5: &str = include_str!("../builtins/mql5.decl");
const MQL4: &str = include_str!("../builtins/mql4.decl");

/// All declarations of a language.
///
/// # Panics
/// A table is wrong; a test reads them all.
#[must_use]
#[allow(clippy::expect_used, reason = "the tables are part of this crate")]
pub(crate) fn items(dialect: Dialect) -> Vec<Item> {
    let own = if dialect == Dialect::Mql5 { MQL5 } else { MQL4 };
    let mut tokens = lex::tokens(COMMON, u32::MAX).expect("common.decl");
    tokens.extend(lex::tokens(own, u32::MAX - 1).expect("mql5.decl and mql4.decl"));
    match parse::declarations(&tokens, &HashSet::new()) {
        Ok(items) => items,
        Err(wrong) => panic!("the tables of {dialect:?}: {wrong:?}"),
    }
}

/// The names of the types among them.
#[must_use]
pub(crate) fn types(items: &[Item]) -> HashSet<String> {
    let name = |item: &Item| match item {
        Item::Aggregate(found) => Some(found.name.clone()),
        Item::Enum(_, name, _) => Some(name.clone()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}
