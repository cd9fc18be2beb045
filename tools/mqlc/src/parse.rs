//! A recursive-descent parser of the plain subset. What is not in the subset is refused by not being here: lambdas, `auto`, `->`,
//! templates, `std::`, range-for, `try`, `goto`, `unsigned`, braces as expressions, multiple inheritance…

mod expr;
mod item;
mod stmt;

use crate::{
    ast::{Item, TypeName},
    diagnostic::{Diagnostic, Place},
    lex::{Kind, Token},
};
use std::collections::HashSet;

/// Words that cannot be names.
pub const KEYWORDS: &[&str] = &[
    "break",
    "case",
    "class",
    "const",
    "continue",
    "default",
    "delete",
    "do",
    "dynamic_cast",
    "else",
    "enum",
    "extern",
    "false",
    "for",
    "if",
    "input",
    "interface",
    "new",
    "operator",
    "private",
    "protected",
    "public",
    "return",
    "sinput",
    "sizeof",
    "static",
    "struct",
    "switch",
    "template",
    "this",
    "true",
    "typedef",
    "typename",
    "union",
    "virtual",
    "while",
    "goto",
    "try",
    "catch",
    "auto",
    "namespace",
    "using",
    "unsigned",
    "signed",
    "friend",
    "NULL",
    "override",
    "final",
];
/// The types of the language itself.
pub const SCALARS: &[&str] = &[
    "void", "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "color", "datetime",
    "string",
];

/// Parses a program. `types`: the names of the builtin types.
///
/// # Errors
/// The first thing that is not of the subset.
pub fn program(tokens: &[Token], types: &HashSet<String>) -> Result<Vec<Item>, Diagnostic> {
    Parser::new(tokens, types, false).items()
}

/// Parses a table of builtins: prototypes without bodies, `...`, and the type `any`.
///
/// # Errors
/// The first thing that is wrong.
pub fn declarations(tokens: &[Token], types: &HashSet<String>) -> Result<Vec<Item>, Diagnostic> {
    Parser::new(tokens, types, true).items()
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    types: HashSet<String>,
    /// A table of builtins is being read.
    builtin: bool,
}

type Parsed<T> = Result<T, Diagnostic>;

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], types: &HashSet<String>, builtin: bool) -> Self {
        let mut types = types.clone();
        let opens = |token: &Token| ["class", "struct", "union", "interface", "enum"].iter().any(|word| token.is_word(word));
        let named = tokens.windows(2).filter(|pair| opens(&pair[0]) && pair[1].kind == Kind::Word);
        types.extend(named.map(|pair| pair[1].text.clone()));
        if builtin {
            types.insert("any".to_owned());
        }
        Self { tokens, at: 0, types, builtin }
    }

    fn look(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    fn place(&self) -> Place {
        let last = || self.tokens.last().map_or(Place { file: 0, line: 1, col: 1 }, |token| token.place);
        self.look(0).map_or_else(last, |token| token.place)
    }

    fn is(&self, punct: &str) -> bool {
        self.is_at(0, punct)
    }

    fn is_at(&self, ahead: usize, punct: &str) -> bool {
        self.look(ahead).is_some_and(|token| token.is(punct))
    }

    fn is_word(&self, word: &str) -> bool {
        self.look(0).is_some_and(|token| token.is_word(word))
    }

    /// A name, and no keyword, stands so far ahead.
    fn is_name(&self, ahead: usize) -> bool {
        self.look(ahead).is_some_and(|token| token.kind == Kind::Word && !KEYWORDS.contains(&token.text.as_str()))
    }

    /// A known type stands so far ahead.
    fn is_type(&self, ahead: usize) -> bool {
        let known = |name: &str| SCALARS.contains(&name) || self.types.contains(name);
        self.look(ahead).is_some_and(|token| token.kind == Kind::Word && known(&token.text))
    }

    fn take(&mut self, punct: &str) -> bool {
        let there = self.is(punct);
        self.at += usize::from(there);
        there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = self.is_word(word);
        self.at += usize::from(there);
        there
    }

    /// The operator or bracket must stand here.
    fn expect(&mut self, punct: &str) -> Parsed<()> {
        if self.take(punct) {
            return Ok(());
        }
        let number = match punct {
            ";" => 154,
            "," => 155,
            "(" => 132,
            ")" | "]" => 145,
            "{" => 141,
            "}" => 133,
            ":" => 123,
            _ => 149,
        };
        Err(self.unexpected(number, &format!("'{punct}' is expected")))
    }

    /// An error at the token that stands here.
    fn unexpected(&self, number: u16, text: &str) -> Diagnostic {
        let found = self.look(0).map_or("the end of the program".to_owned(), |token| format!("'{}'", token.text));
        let number = if self.at >= self.tokens.len() { 161 } else { number };
        Diagnostic::error(self.place(), number, format!("{text}, {found} found"))
    }

    fn name(&mut self) -> Parsed<(Place, String)> {
        if !self.is_name(0) {
            return Err(self.unexpected(149, "a name is expected"));
        }
        let token = &self.tokens[self.at];
        self.at += 1;
        Ok((token.place, token.text.clone()))
    }

    /// `const`, a name and a star. Whether there is such a type is the checker's matter.
    fn type_name(&mut self) -> Parsed<TypeName> {
        let constant = self.take_word("const");
        if !self.is_name(0) {
            return Err(self.unexpected(116, "a type is expected"));
        }
        let (place, name) = self.name()?;
        let constant = self.take_word("const") || constant;
        let pointer = self.take("*");
        if pointer && self.is("*") {
            return Err(self.unexpected(250, "a pointer to a pointer is not allowed"));
        }
        if pointer && self.is("&") && self.is_at(1, "&") {
            return Err(self.unexpected(249, "a reference to a reference is not allowed"));
        }
        Ok(TypeName { place, name, pointer, constant })
    }
}
