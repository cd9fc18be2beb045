//! Finds declarations in a stream of tokens, without changing anything: ranges of tokens for each of their parts.

use crate::{
    diagnostic::Diagnostic,
    lex::{Kind, Token},
};
use std::{collections::HashSet, ops::Range};

/// What may stand before a type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Specs {
    pub constant: bool,
    pub fixed: bool,
    pub virtual_: bool,
    pub input: bool,
    pub extern_: bool,
}

/// `*name[3]=…`
#[derive(Debug, Clone)]
pub(super) struct Declarator {
    pub stars: usize,
    pub by_ref: bool,
    /// Tokens of the name, qualified or not; empty in a prototype without names.
    pub name: Range<usize>,
    /// Tokens inside of each pair of brackets.
    pub dims: Vec<Range<usize>>,
    pub init: Init,
}

#[derive(Debug, Clone)]
pub(super) enum Init {
    None,
    /// Tokens behind the `=`.
    Value(Range<usize>),
    /// Tokens between the brackets.
    Arguments(Range<usize>),
}

/// A parameter: one declarator with its own type.
#[derive(Debug, Clone)]
pub(super) struct Param {
    pub constant: bool,
    pub base: Range<usize>,
    pub declarator: Declarator,
}

#[derive(Debug, Clone)]
pub(super) struct Variables {
    pub begin: usize,
    pub specs: Specs,
    pub base: Range<usize>,
    pub declarators: Vec<Declarator>,
    /// Behind the semicolon.
    pub end: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Function {
    pub begin: usize,
    pub specs: Specs,
    /// Empty for constructors and destructors.
    pub base: Range<usize>,
    pub stars: usize,
    pub by_ref: bool,
    pub name: Range<usize>,
    pub params: Vec<Param>,
    /// The closing bracket of the parameters.
    pub close: usize,
    /// Between it and the body or the semicolon: `const`, `override`, `=0`.
    pub tail: Range<usize>,
    /// Members and bases behind the colon.
    pub inits: Range<usize>,
    /// The braces.
    pub body: Option<(usize, usize)>,
    pub end: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Variables(Variables),
    Function(Function),
}

/// Where a declaration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around<'n> {
    Program,
    /// Inside of the aggregate of this name.
    Aggregate(&'n str),
    Block,
}

pub(super) struct Scan<'a> {
    pub tokens: &'a [Token],
    /// For each bracket the other one.
    pub mate: Vec<usize>,
    /// Names of types that the program makes.
    pub types: HashSet<String>,
}

pub(super) const PRIMITIVES: &[&str] = &[
    "void", "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "float", "double", "string", "datetime",
    "color",
];
/// Words that begin a statement and are never a type.
const STATEMENTS: &[&str] =
    &["return", "delete", "new", "if", "else", "for", "while", "do", "switch", "case", "default", "break", "continue", "this"];

impl<'a> Scan<'a> {
    pub(super) fn new(tokens: &'a [Token]) -> Result<Self, Diagnostic> {
        let (mut mate, mut open) = (vec![0; tokens.len()], Vec::new());
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Punct) {
            let partner = match token.text.as_str() {
                "(" | "[" | "{" => {
                    open.push(at);
                    continue;
                }
                ")" => "(",
                "]" => "[",
                "}" => "{",
                _ => continue,
            };
            match open.pop().filter(|before| tokens[*before].is(partner)) {
                Some(before) => (mate[before], mate[at]) = (at, before),
                None => return Err(Diagnostic::error(token.place, 154, format!("'{}' without '{partner}'", token.text))),
            }
        }
        if let Some(at) = open.pop() {
            return Err(Diagnostic::error(tokens[at].place, 154, format!("'{}' is never closed", tokens[at].text)));
        }
        let mut scan = Self { tokens, mate, types: HashSet::new() };
        for at in 0..tokens.len() {
            if ["class", "struct", "union", "enum", "interface"].iter().any(|keyword| tokens[at].is_word(keyword)) {
                let name = if scan.is_word(at + 1, "pack") && scan.is(at + 2, "(") { scan.mate[at + 2] + 1 } else { at + 1 };
                scan.types.extend(tokens.get(name).filter(|name| name.kind == Kind::Word).map(|name| name.text.clone()));
            }
        }
        Ok(scan)
    }

    pub(super) fn is(&self, at: usize, punct: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(punct))
    }

    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_word(word))
    }

    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(super) fn is_type(&self, at: usize) -> bool {
        let known = |name: &str| {
            PRIMITIVES.contains(&name) || self.types.contains(name) || name.starts_with("ENUM_") || name.starts_with("Mql")
        };
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word && known(&token.text))
    }

    /// Does a declaration begin here, in a block?
    pub(super) fn begins_declaration(&self, at: usize) -> bool {
        if self.is_word(at, "const") || self.is_word(at, "static") {
            return true;
        }
        if self.kind(at) != Some(Kind::Word) || STATEMENTS.contains(&self.tokens[at].text.as_str()) {
            return false;
        }
        let mut end = self.qualified(at);
        if self.kind(end) == Some(Kind::Word) {
            return true;
        }
        let known = self.is_type(end - 1);
        while self.is(end, "*") || self.is(end, "&") {
            end += 1;
        }
        known && end > at + 1 && self.kind(end) == Some(Kind::Word)
    }

    /// Behind `A`, `A::B`, `A::~A`.
    fn qualified(&self, at: usize) -> usize {
        let mut end = at + 1;
        while self.is(end, "::") {
            end += if self.is(end + 1, "~") { 3 } else { 2 };
        }
        end
    }

    fn specs(&self, mut at: usize) -> (Specs, usize) {
        let mut specs = Specs::default();
        while let Some(token) = self.tokens.get(at).filter(|token| token.kind == Kind::Word) {
            match token.text.as_str() {
                "const" => specs.constant = true,
                "static" => specs.fixed = true,
                "virtual" => specs.virtual_ = true,
                "input" | "sinput" => specs.input = true,
                "extern" => specs.extern_ = true,
                "inline" => {}
                _ => break,
            }
            at += 1;
        }
        (specs, at)
    }

    /// The declaration that begins here, if one does.
    pub(super) fn item(&self, begin: usize, around: Around<'_>) -> Option<Item> {
        let (specs, at) = self.specs(begin);
        let ends_name = |end: usize| self.is(end, "(") && around != Around::Block;
        // Constructors and destructors have no type.
        let nameless = if self.is(at, "~") { at + 2 } else { self.qualified(at) };
        if ends_name(nameless) && !(self.is_word(at, "operator")) {
            return self.function(begin, specs, at..at, (0, false), at..nameless).map(Item::Function);
        }
        if self.kind(at) != Some(Kind::Word) {
            return None;
        }
        let base = at..self.qualified(at);
        let (stars, by_ref, name_at) = self.marks(base.end);
        let name_end = self.name(name_at)?;
        if self.is(name_end, "(") && self.is_function(name_end, around) {
            return self.function(begin, specs, base, (stars, by_ref), name_at..name_end).map(Item::Function);
        }
        let mut declarators = Vec::new();
        let mut at = base.end;
        loop {
            let (declarator, end) = self.declarator(at)?;
            declarators.push(declarator);
            at = end + 1;
            if self.is(end, ";") {
                return Some(Item::Variables(Variables { begin, specs, base, declarators, end: at }));
            }
            if !self.is(end, ",") {
                return None;
            }
        }
    }

    fn marks(&self, mut at: usize) -> (usize, bool, usize) {
        let begin = at;
        while self.is(at, "*") {
            at += 1;
        }
        let stars = at - begin;
        let by_ref = self.is(at, "&");
        (stars, by_ref, at + usize::from(by_ref))
    }

    fn name(&self, at: usize) -> Option<usize> {
        if self.kind(at) != Some(Kind::Word) {
            return None;
        }
        let mut end = self.qualified(at);
        if self.is_word(end - 1, "operator") {
            while self.kind(end) == Some(Kind::Punct) && !self.is(end, "(") {
                end += 1;
            }
        }
        Some(end)
    }

    fn is_function(&self, open: usize, around: Around<'_>) -> bool {
        let close = self.mate[open];
        match around {
            Around::Block => false,
            Around::Aggregate(_) => true,
            Around::Program => {
                !self.is(close + 1, ";")
                    || close == open + 1
                    || self.is_word(open + 1, "const")
                    || (self.is_type(open + 1) && !self.is(open + 2, "("))
            }
        }
    }

    fn declarator(&self, at: usize) -> Option<(Declarator, usize)> {
        let (stars, by_ref, name_at) = self.marks(at);
        let mut end = if self.kind(name_at) == Some(Kind::Word) { self.qualified(name_at) } else { name_at };
        let name = name_at..end;
        let mut dims = Vec::new();
        while self.is(end, "[") {
            dims.push(end + 1..self.mate[end]);
            end = self.mate[end] + 1;
        }
        let init = if self.is(end, "=") {
            let begin = end + 1;
            end = self.expression_end(begin);
            Init::Value(begin..end)
        } else if self.is(end, "(") {
            let begin = end + 1;
            end = self.mate[end] + 1;
            Init::Arguments(begin..end - 1)
        } else {
            Init::None
        };
        Some((Declarator { stars, by_ref, name, dims, init }, end))
    }

    /// The `,`, `;` or closing bracket that ends an expression.
    pub(super) fn expression_end(&self, mut at: usize) -> usize {
        while let Some(token) = self.tokens.get(at) {
            match token.text.as_str() {
                "(" | "[" | "{" if token.kind == Kind::Punct => at = self.mate[at],
                ")" | "]" | "}" | "," | ";" if token.kind == Kind::Punct => break,
                _ => {}
            }
            at += 1;
        }
        at
    }

    fn function(
        &self,
        begin: usize,
        specs: Specs,
        base: Range<usize>,
        marks: (usize, bool),
        name: Range<usize>,
    ) -> Option<Function> {
        let close = self.mate[name.end];
        let params = self.params(name.end + 1, close)?;
        let mut at = close + 1;
        while !(self.is(at, ";") || self.is(at, "{") || self.is(at, ":")) {
            at += 1;
            self.tokens.get(at)?;
        }
        let tail = close + 1..at;
        let inits_at = at;
        if self.is(at, ":") {
            while !self.is(at, "{") {
                at += 1;
                self.tokens.get(at)?;
            }
        }
        let inits = inits_at..at;
        let body = self.is(at, "{").then(|| (at, self.mate[at]));
        let end = body.map_or(at, |(_, last)| last) + 1;
        Some(Function { begin, specs, base, stars: marks.0, by_ref: marks.1, name, params, close, tail, inits, body, end })
    }

    fn params(&self, mut at: usize, close: usize) -> Option<Vec<Param>> {
        let mut params = Vec::new();
        if at == close || (self.is_word(at, "void") && at + 1 == close) {
            return Some(params);
        }
        loop {
            let (specs, base_at) = self.specs(at);
            if self.kind(base_at) != Some(Kind::Word) {
                return None;
            }
            let base = base_at..self.qualified(base_at);
            let (declarator, end) = self.declarator(base.end)?;
            params.push(Param { constant: specs.constant, base, declarator });
            if end == close {
                return Some(params);
            }
            if !self.is(end, ",") {
                return None;
            }
            at = end + 1;
        }
    }
}
