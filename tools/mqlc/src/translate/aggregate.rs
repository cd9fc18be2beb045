//! Classes, structures, unions, enumerations.

use super::{
    Around, Item, Translator,
    emit::Defaults,
    item::{PRIMITIVES, Variables},
};
use crate::lex::Kind;

/// Structures of the runtime without texts.
const SIMPLE: &[&str] = &["MqlTick", "MqlRates", "MqlDateTime", "MqlBookInfo"];

impl Translator<'_> {
    /// The C++ keyword and the name.
    pub(super) fn aggregate_name(&self, begin: usize) -> (&'static str, String) {
        let keyword = match self.token(begin).text.as_str() {
            "struct" => "struct",
            "union" => "union",
            _ => "class",
        };
        (keyword, self.renamed(self.token(self.name_at(begin))))
    }

    /// `struct Name` or `struct pack(4) Name`.
    fn name_at(&self, begin: usize) -> usize {
        if self.scan.is_word(begin + 1, "pack") && self.scan.is(begin + 2, "(") {
            self.scan.mate[begin + 2] + 1
        } else {
            begin + 1
        }
    }

    pub(super) fn enumeration(&mut self, begin: usize, end: usize) {
        self.put_at(begin, "enum");
        let named = self.scan.kind(begin + 1) == Some(Kind::Word);
        if named {
            self.put_at(begin + 1, &self.renamed(self.token(begin + 1)));
        }
        // MQL's enumerations have four bytes.
        self.out.put(": int");
        self.expression(begin + 1 + usize::from(named)..end);
    }

    /// `class X : public Y {…};`, or nothing for `class X;`, which stands at the top already.
    pub(super) fn aggregate(&mut self, begin: usize, end: usize) {
        let Some(open) = (begin..end).find(|at| self.scan.is(*at, "{")) else { return };
        let close = self.scan.mate[open];
        let (keyword, name) = self.aggregate_name(begin);
        let packed = keyword != "class" && self.is_simple(begin, open, close);
        let pack = self.packing(begin, open);
        if packed {
            self.simple.insert(name.clone());
            self.put_at(begin, &format!("_Pragma(\"pack(push, {pack})\")"));
        }
        self.put_at(begin, keyword);
        self.put_at(self.name_at(begin), &name);
        if let Some(colon) = (begin..open).find(|at| self.scan.is(*at, ":")) {
            self.expression(colon..open);
        }
        self.put_at(open, "{");
        self.out.put(&format!("MQL_AGGREGATE({name})"));
        let own = (open..close).any(|at| {
            self.scan.is(at, "~") && self.scan.is(at + 2, "(") && self.token(at + 1).text == self.token(begin + 1).text
        });
        if keyword == "class" {
            let interface = self.token(begin).is_word("interface");
            if !own {
                // MQL's destructors are always virtual.
                self.out.put(&format!("virtual ~{name}() = default;"));
            }
            self.out.put(if interface { "public:" } else { "private:" });
        }
        self.members(open + 1, close, &name, self.token(begin).is_word("interface"));
        self.put_at(close, "}");
        self.put_at(end - 1, ";");
        if packed {
            self.out.put("_Pragma(\"pack(pop)\")");
        }
    }

    fn members(&mut self, mut at: usize, close: usize, name: &str, interface: bool) {
        while at < close {
            let token = self.token(at);
            if token.is(";") {
                at += 1;
            } else if self.scan.is(at + 1, ":") {
                self.put_at(at, &token.text);
                self.put_at(at + 1, ":");
                at += 2;
            } else if token.is_word("enum") || ["class", "struct", "union"].iter().any(|word| token.is_word(word)) {
                let Some(end) = self.aggregate_end(at) else { return self.wrong(at, 104, "this declaration has no end") };
                if token.is_word("enum") {
                    self.enumeration(at, end);
                } else {
                    self.aggregate(at, end);
                }
                at = end;
            } else {
                match self.scan.item(at, Around::Aggregate(name)) {
                    Some(Item::Variables(variables)) => {
                        self.variables(&variables);
                        at = variables.end;
                    }
                    Some(Item::Function(mut function)) => {
                        at = function.end;
                        let destructor = self.scan.is(function.name.start, "~") && self.is_class(name);
                        function.specs.virtual_ |= interface || destructor;
                        if interface {
                            self.head(&function, Defaults::Keep, Some(name));
                            self.out.put(if function.tail.is_empty() { "= 0;" } else { ";" });
                        } else {
                            self.function(&function, Some(name));
                        }
                    }
                    None => return self.wrong(at, 104, "no member of the plain subset"),
                }
            }
        }
    }

    fn is_class(&self, name: &str) -> bool {
        let class = |pair: &[crate::lex::Token]| pair[0].is_word("class") && pair[1].text == name;
        self.scan.tokens.windows(2).any(class)
    }

    /// `pack(4)` in a structure's head; 1 without.
    fn packing(&self, begin: usize, open: usize) -> String {
        let at = (begin..open).find(|at| self.scan.is_word(*at, "pack"));
        at.map_or_else(|| "1".to_owned(), |at| self.token(at + 2).text.clone())
    }

    /// No text, no dynamic array, no handle and no object inside: MQL lays it out without gaps, and it may be copied as bytes.
    fn is_simple(&self, begin: usize, open: usize, close: usize) -> bool {
        let bases = (self.name_at(begin) + 1..open).filter(|at| self.scan.kind(*at) == Some(Kind::Word));
        let base_is_simple = bases
            .map(|at| self.token(at).text.as_str())
            .all(|word| word == "public" || word == "pack" || self.simple.contains(word));
        let mut at = open + 1;
        while at < close {
            if self.scan.is(at, ";") || self.scan.is(at + 1, ":") {
                at += if self.scan.is(at, ";") { 1 } else { 2 };
                continue;
            }
            match self.scan.item(at, Around::Aggregate("")) {
                Some(Item::Function(function)) => at = function.end,
                Some(Item::Variables(variables)) if self.members_are_simple(&variables) => at = variables.end,
                _ => return false,
            }
        }
        base_is_simple
    }

    fn members_are_simple(&self, variables: &Variables) -> bool {
        let name = self.token(variables.base.start).text.as_str();
        let is_enum = self.scan.tokens.windows(2).any(|pair| pair[0].is_word("enum") && pair[1].text == name);
        let simple = (PRIMITIVES.contains(&name) && name != "string") || name.starts_with("ENUM_") || SIMPLE.contains(&name);
        (simple || is_enum || self.simple.contains(name))
            && variables.declarators.iter().all(|one| one.stars == 0 && !one.dims.iter().any(std::ops::Range::is_empty))
    }
}
