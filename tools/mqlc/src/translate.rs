//! From MQL to C++20, token by token: what C++ says the same way stays as it is, on its line.
//!
//! The names that the result uses (`Ptr`, `DynArr`, `Fix`, `ArrRef`, `CArr`, `mql_new`…) are those of `tools/mqlrt`.

mod aggregate;
mod body;
mod emit;
mod item;
mod literal;
mod out;
mod program;
#[cfg(test)]
mod tests;

use crate::{
    diagnostic::{Diagnostic, Place},
    lex::{Kind, Token},
    preprocess::Program,
};
use item::{Around, Function, Item, Scan, Variables};
use out::Out;
use std::collections::HashSet;

/// The C++ text of a program.
///
/// # Errors
/// What is outside of the plain subset, or no MQL at all.
pub fn cpp(program: &Program) -> Result<String, Vec<Diagnostic>> {
    let scan = Scan::new(&program.tokens).map_err(|finding| vec![finding])?;
    let mut translator = Translator {
        program,
        scan: &scan,
        out: Out::new(&program.files),
        errors: Vec::new(),
        simple: HashSet::new(),
        function: String::new(),
        early_defaults: HashSet::new(),
    };
    let tops = translator.tops();
    if translator.errors.is_empty() {
        translator.whole(&tops);
    }
    if translator.errors.is_empty() { Ok(translator.out.finish()) } else { Err(translator.errors) }
}

/// What stands at the top level.
enum Top {
    Function(Function),
    Variables(Variables),
    /// `class`, `struct`, `union` or `interface`; behind its semicolon.
    Aggregate {
        begin: usize,
        end: usize,
    },
    Enum {
        begin: usize,
        end: usize,
    },
    /// The prototypes of a library.
    Import {
        begin: usize,
        end: usize,
    },
}

struct Translator<'a> {
    program: &'a Program,
    scan: &'a Scan<'a>,
    out: Out<'a>,
    errors: Vec<Diagnostic>,
    /// Structures that may be packed: no text, no dynamic array, no object in them.
    simple: HashSet<String>,
    /// What `__FUNCTION__` stands for.
    function: String,
    /// Functions, by the index of their first token, whose default values stand in the prototype at the top.
    early_defaults: HashSet<usize>,
}

impl<'a> Translator<'a> {
    fn token(&self, at: usize) -> &'a Token {
        &self.scan.tokens[at.min(self.scan.tokens.len() - 1)]
    }

    fn place(&self, at: usize) -> Place {
        if self.scan.tokens.is_empty() { Place { file: 0, line: 1, col: 1 } } else { self.token(at).place }
    }

    fn wrong(&mut self, at: usize, number: u16, text: &str) {
        let finding = Diagnostic::error(self.place(at), number, text);
        self.errors.push(finding);
    }

    /// Goes to a token's place and writes a piece there.
    fn put_at(&mut self, at: usize, piece: &str) {
        self.out.go(self.place(at));
        self.out.put(piece);
    }

    /// Everything at the top level, in its order.
    fn tops(&mut self) -> Vec<Top> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < self.scan.tokens.len() {
            let token = self.token(at);
            let begin = at;
            let aggregate = ["class", "struct", "union", "interface"].iter().any(|word| token.is_word(word));
            let ends_imports = token.kind == Kind::Import && token.text.is_empty();
            if token.is(";") || ends_imports {
                at += 1;
            } else if token.kind == Kind::Import {
                at = (at + 1..self.scan.tokens.len())
                    .find(|i| self.token(*i).kind == Kind::Import)
                    .unwrap_or(self.scan.tokens.len());
                found.push(Top::Import { begin, end: at });
            } else if (token.is_word("input") || token.is_word("sinput")) && self.scan.is_word(at + 1, "group") {
                at += 3;
            } else if aggregate || token.is_word("enum") {
                let Some(end) = self.aggregate_end(at) else {
                    self.wrong(at, 104, "this declaration has no end");
                    return found;
                };
                at = end;
                found.push(if aggregate { Top::Aggregate { begin, end } } else { Top::Enum { begin, end } });
            } else {
                match self.scan.item(at, Around::Program) {
                    Some(Item::Function(function)) => {
                        at = function.end;
                        found.push(Top::Function(function));
                    }
                    Some(Item::Variables(variables)) => {
                        at = variables.end;
                        found.push(Top::Variables(variables));
                    }
                    None => {
                        self.wrong(at, 104, "no declaration of the plain subset");
                        return found;
                    }
                }
            }
        }
        found
    }

    /// Behind the semicolon of a `class …;` or `class … {…};`.
    fn aggregate_end(&self, begin: usize) -> Option<usize> {
        let mut at = begin;
        while at < self.scan.tokens.len() {
            if self.scan.is(at, "{") {
                at = self.scan.mate[at];
            } else if self.scan.is(at, ";") {
                return Some(at + 1);
            }
            at += 1;
        }
        None
    }
}
