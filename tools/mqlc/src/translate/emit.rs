//! Writes declarations: types, parameters, variables, heads of functions.

use super::{
    Translator,
    item::{Declarator, Function, Init, Param, Variables},
};
use crate::lex::{Kind, Token};
use std::ops::Range;

/// What happens to the default values of parameters: C++ takes them once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    Keep,
    Drop,
}

/// Words of C++ that are plain names in MQL.
const CPP_WORDS: &[&str] = &[
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "catch",
    "char16_t",
    "char32_t",
    "char8_t",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "consteval",
    "constexpr",
    "constinit",
    "decltype",
    "explicit",
    "export",
    "friend",
    "goto",
    "mutable",
    "namespace",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "or",
    "or_eq",
    "register",
    "reinterpret_cast",
    "requires",
    "signed",
    "static_assert",
    "static_cast",
    "thread_local",
    "throw",
    "try",
    "typeid",
    "typename",
    "unsigned",
    "using",
    "volatile",
    "wchar_t",
    "xor",
    "xor_eq",
];

impl Translator<'_> {
    /// A word as C++ may have it.
    pub(super) fn renamed(&self, token: &Token) -> String {
        if token.kind == Kind::Word && CPP_WORDS.contains(&token.text.as_str()) {
            token.text.clone() + "_mql"
        } else {
            token.text.clone()
        }
    }

    pub(super) fn words(&self, range: &Range<usize>) -> String {
        range.clone().map(|at| self.renamed(self.token(at))).collect::<String>()
    }

    fn pointed(&self, base: &Range<usize>, stars: usize) -> String {
        (0..stars).fold(self.words(base), |inner, _| format!("Ptr<{inner}>"))
    }

    pub(super) fn result_type(&self, function: &Function) -> String {
        self.pointed(&function.base, function.stars)
    }

    /// The text of a range that must stand inside of a type's angle brackets.
    fn constant(&self, range: &Range<usize>) -> String {
        let piece = |at| match self.token(at) {
            token if token.kind == Kind::Number => super::literal::number(&token.text),
            token => self.renamed(token),
        };
        range.clone().map(piece).collect::<Vec<_>>().join(" ")
    }

    /// `T a[2][3]`, `T a[]`, `T a[][3]` as types; the first dimension may be told by the number of values.
    fn array_type(&self, element: &str, dims: &[Range<usize>], values: Option<usize>) -> String {
        let numbers =
            |dims: &[Range<usize>]| dims.iter().map(|dim| format!("({})", self.constant(dim))).collect::<Vec<_>>().join(", ");
        match (dims.split_first(), values) {
            (Some((first, rest)), Some(values)) if first.is_empty() => {
                let rest = if rest.is_empty() { String::new() } else { format!(", {}", numbers(rest)) };
                format!("Fix<{element}, {values}{rest}>")
            }
            (Some((first, rest)), None) if first.is_empty() => {
                if rest.is_empty() {
                    format!("DynArr<{element}>")
                } else {
                    format!("DynArr<Fix<{element}, {}>>", numbers(rest))
                }
            }
            _ => format!("Fix<{element}, {}>", numbers(dims)),
        }
    }

    fn param(&mut self, param: &Param, defaults: Defaults) {
        let Declarator { stars, by_ref, name, dims, init } = &param.declarator;
        let element = self.pointed(&param.base, *stars);
        let constant = param.constant && *stars == 0;
        self.out.go(self.place(param.base.start));
        let text = match dims.as_slice() {
            [] => format!("{}{element}{}", if constant { "const " } else { "" }, if *by_ref { " &" } else { "" }),
            [_] => format!("{}<{element}>", if param.constant { "CArr" } else { "ArrRef" }),
            [_, rest @ ..] => {
                format!("{}<{}>", if param.constant { "CArr" } else { "ArrRef" }, self.array_type(&element, rest, None))
            }
        };
        self.out.put(&text);
        if !name.is_empty() {
            self.put_at(name.start, &self.words(name));
        }
        if let (Init::Value(value), Defaults::Keep) = (init, defaults) {
            self.out.put("=");
            self.expression(value.clone());
        }
    }

    /// A function up to its body: the result, the name, the parameters, `const`.
    pub(super) fn head(&mut self, function: &Function, defaults: Defaults, class: Option<&str>) {
        self.out.go(self.place(function.begin));
        for (wanted, word) in [(function.specs.fixed, "static"), (function.specs.virtual_, "virtual")] {
            if wanted && (class.is_some() || word == "static") {
                self.out.put(word);
            }
        }
        if !function.base.is_empty() {
            let constant = if function.specs.constant && function.stars == 0 { "const " } else { "" };
            self.out.put(&format!("{constant}{}{}", self.result_type(function), if function.by_ref { " &" } else { "" }));
        }
        self.put_at(function.name.start, &self.words(&function.name).replace("operator", "operator "));
        self.out.put("(");
        for (i, param) in function.params.iter().enumerate() {
            if i > 0 {
                self.out.put(",");
            }
            self.param(param, defaults);
        }
        self.put_at(function.close, ")");
        for at in function.tail.clone() {
            let word = self.token(at).text.clone();
            // `=NULL` makes a method abstract, too.
            self.put_at(at, if word == "NULL" { "0" } else { &word });
        }
    }

    /// A function with its body, or nothing where the prototype at the top has said it. Inside of a class: its declaration.
    pub(super) fn function(&mut self, function: &Function, class: Option<&str>) {
        if class.is_none() && function.body.is_none() {
            return;
        }
        let keep = class.is_some() || (!self.is_method(function) && !self.early_defaults.contains(&function.begin));
        self.head(function, if keep { Defaults::Keep } else { Defaults::Drop }, class);
        let name = self.words(&function.name);
        self.function = class.map_or(name.clone(), |class| format!("{class}::{name}"));
        if !function.inits.is_empty() {
            self.expression(function.inits.clone());
        }
        match function.body {
            Some((open, close)) => self.block(open, close),
            None => self.put_at(function.end - 1, ";"),
        }
        self.function.clear();
    }

    /// A declaration of variables, behind its semicolon. Arrays and handles get a declaration each.
    pub(super) fn variables(&mut self, variables: &Variables) {
        let plain = variables.declarators.iter().all(|one| one.stars == 0 && one.dims.is_empty());
        self.out.go(self.place(variables.begin));
        for (i, one) in variables.declarators.iter().enumerate() {
            if i == 0 || !plain {
                self.specs(variables, one);
            } else {
                self.out.put(",");
            }
            let values = self.values(&one.init);
            let dynamic = one.dims.first().is_some_and(Range::is_empty) && values.is_none_or(|values| values == 0);
            if !plain {
                let element = self.pointed(&variables.base, one.stars);
                let text = match one.dims.as_slice() {
                    [] => element,
                    dims => self.array_type(&element, dims, values.filter(|_| !dynamic)),
                };
                self.out.put(&text);
            } else if i == 0 {
                self.out.put(&self.words(&variables.base));
            }
            self.put_at(one.name.start, &self.words(&one.name));
            self.init(one, dynamic);
            if !plain && i + 1 < variables.declarators.len() {
                self.out.put(";");
            }
        }
        self.put_at(variables.end - 1, ";");
    }

    fn specs(&mut self, variables: &Variables, one: &Declarator) {
        if variables.specs.fixed {
            self.out.put("static");
        }
        if variables.specs.extern_ && self.program.dialect.digit() == 5 {
            self.out.put("extern");
        }
        if variables.specs.constant && one.stars == 0 {
            self.out.put("const");
        }
        if one.by_ref {
            self.wrong(one.name.start, 229, "references are for parameters only");
        }
    }

    /// How many values stand in the braces of an initialiser.
    fn values(&self, init: &Init) -> Option<usize> {
        let Init::Value(range) = init else { return None };
        if !self.scan.is(range.start, "{") {
            return None;
        }
        let close = self.scan.mate[range.start];
        let (mut at, mut count) = (range.start + 1, 0);
        while at < close {
            at = self.scan.expression_end(at) + 1;
            count += 1;
        }
        Some(count)
    }

    fn init(&mut self, one: &Declarator, dynamic: bool) {
        match &one.init {
            Init::None => {}
            Init::Value(_) if dynamic => {}
            Init::Value(range) if self.scan.is(range.start, "{") => {
                let zero = range.len() == 3 && self.token(range.start + 1).text == "0";
                self.out.put("=");
                if zero || range.len() == 2 {
                    // `={0}`: all of it is zero, whatever type stands first.
                    self.put_at(range.start, "{}");
                } else if one.dims.is_empty() {
                    self.expression(range.clone());
                } else {
                    // The braces of the array, and those of the C array inside of it.
                    self.put_at(range.start, "{");
                    self.expression(range.clone());
                    self.out.put("}");
                }
            }
            Init::Value(range) => {
                self.out.put("=");
                self.expression(range.clone());
            }
            Init::Arguments(range) if range.is_empty() => {}
            Init::Arguments(range) => {
                self.out.put("(");
                self.expression(range.clone());
                self.out.put(")");
            }
        }
    }
}
