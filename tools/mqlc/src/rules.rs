//! Rules that need no types: the shape of event handlers, what the preprocessor leaves, our own conventions.

use crate::{
    ast::{Function, Item},
    diagnostic::Diagnostic,
    lex::{Kind, Token},
    preprocess::Dialect,
};

/// A handler: its name, its result, whether `int` is allowed as well, and its parameters.
struct Handler {
    name: &'static str,
    results: &'static [&'static str],
    /// Types, `&` and `[]`; `const` does not matter for values.
    parameters: &'static [&'static str],
    mql5_only: bool,
}

const HANDLERS: &[Handler] = &[
    Handler { name: "OnInit", results: &["int", "void"], parameters: &[], mql5_only: false },
    Handler { name: "OnDeinit", results: &["void"], parameters: &["int"], mql5_only: false },
    Handler { name: "OnTick", results: &["void"], parameters: &[], mql5_only: false },
    Handler { name: "OnTimer", results: &["void"], parameters: &[], mql5_only: false },
    Handler { name: "OnTrade", results: &["void"], parameters: &[], mql5_only: true },
    Handler { name: "OnBookEvent", results: &["void"], parameters: &["string&"], mql5_only: true },
    Handler { name: "OnChartEvent", results: &["void"], parameters: &["int", "long&", "double&", "string&"], mql5_only: false },
    Handler {
        name: "OnTradeTransaction",
        results: &["void"],
        parameters: &["MqlTradeTransaction&", "MqlTradeRequest&", "MqlTradeResult&"],
        mql5_only: true,
    },
];

/// What is wrong in the declarations of a program.
#[must_use]
pub fn check(items: &[Item], dialect: Dialect) -> Vec<Diagnostic> {
    let functions = items.iter().filter_map(|item| match item {
        Item::Function(function) if function.class.is_none() => Some(function),
        _ => None,
    });
    functions.filter_map(|function| handler(function, dialect)).collect()
}

/// 25: what stands behind a back-slash in a text is one of few letters.
#[must_use]
pub fn escapes(tokens: &[Token]) -> Vec<Diagnostic> {
    let wrong = |token: &&Token| {
        let (mut letters, mut found) = (token.text.chars(), false);
        while let Some(letter) = letters.next() {
            found |= letter == '\\' && letters.next().is_none_or(|next| !"nrt\\\"'xX".contains(next));
        }
        found
    };
    let texts = tokens.iter().filter(|token| matches!(token.kind, Kind::Text | Kind::Char));
    texts.filter(wrong).map(|token| Diagnostic::warning(token.place, 25, "unknown letter behind a back-slash")).collect()
}

/// MetaTrader calls a handler only if it has exactly its shape; otherwise it is a function that nobody calls.
fn handler(function: &Function, dialect: Dialect) -> Option<Diagnostic> {
    let handler = HANDLERS.iter().find(|handler| handler.name == function.name)?;
    if handler.mql5_only && dialect == Dialect::Mql4 {
        return Some(Diagnostic::error(function.place, 0, format!("MetaTrader 4 never calls {}", handler.name)));
    }
    let result = function.result.as_ref().map_or("", |result| result.name.as_str());
    let shape = |variable: &crate::ast::Variable| format!("{}{}", variable.ty.name, if variable.reference { "&" } else { "" });
    let given: Vec<String> = function.parameters.iter().map(shape).collect();
    if handler.results.contains(&result) && given == handler.parameters {
        return None;
    }
    let text = format!("{} must be {} {}({})", handler.name, handler.results[0], handler.name, handler.parameters.join(", "));
    let number = match handler.name {
        "OnInit" => 54,
        "OnDeinit" => 56,
        _ => 70,
    };
    Some(Diagnostic::warning(function.place, number, text))
}
