//! Statements and expressions.

use super::{Around, Item, Translator, literal};
use crate::lex::Kind;
use std::ops::Range;

impl Translator<'_> {
    /// The braces and all between them.
    pub(super) fn block(&mut self, open: usize, close: usize) {
        self.put_at(open, "{");
        let mut at = open + 1;
        // A statement may begin here, so a declaration may.
        let mut start = true;
        // For each bracket that is open: does a statement follow when it closes?
        let mut heads: Vec<bool> = Vec::new();
        let mut in_label = false;
        while at < close {
            if start && self.scan.begins_declaration(at) {
                let Some(Item::Variables(variables)) = self.scan.item(at, Around::Block) else {
                    return self.wrong(at, 104, "no statement of the plain subset");
                };
                self.variables(&variables);
                at = variables.end;
                continue;
            }
            let token = self.token(at);
            if start && ["struct", "class", "enum", "union", "template", "typedef"].iter().any(|word| token.is_word(word)) {
                return self.wrong(at, 104, "types are declared outside of functions");
            }
            let header = |at: usize| ["if", "for", "while", "switch"].iter().any(|word| self.scan.is_word(at, word));
            let mut next_start = false;
            match token.text.as_str() {
                "(" if token.kind == Kind::Punct && !self.is_handle_cast(at) => {
                    let head = header(at - 1);
                    next_start = head && self.scan.is_word(at - 1, "for");
                    heads.push(head);
                }
                ")" if token.kind == Kind::Punct => next_start = heads.pop().unwrap_or(false),
                ";" | "{" | "}" if token.kind == Kind::Punct => next_start = heads.is_empty(),
                "else" | "do" if token.kind == Kind::Word => next_start = true,
                "case" | "default" if token.kind == Kind::Word => in_label = true,
                ":" if token.kind == Kind::Punct && in_label => (in_label, next_start) = (false, true),
                _ => {}
            }
            at = self.piece(at);
            start = next_start;
        }
        self.put_at(close, "}");
    }

    pub(super) fn expression(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            at = self.piece(at);
        }
    }

    /// One token, or the few that are translated together; where it goes on.
    fn piece(&mut self, at: usize) -> usize {
        let token = self.token(at);
        let text = token.text.as_str();
        let literal = match token.kind {
            Kind::Text => literal::text(text),
            Kind::Char => literal::character(text),
            Kind::Color => literal::color(text),
            Kind::Date => literal::date(text),
            Kind::Number => Some(literal::number(text)),
            Kind::Path | Kind::Import => None,
            Kind::Word => return self.word(at),
            Kind::Punct => return self.punct(at),
        };
        match literal {
            Some(literal) => self.put_at(at, &literal),
            None => self.wrong(at, 110, &format!("{text} is no constant")),
        }
        at + 1
    }

    /// `(C *)`
    fn is_handle_cast(&self, at: usize) -> bool {
        self.scan.is(at, "(")
            && self.scan.kind(at + 1) == Some(Kind::Word)
            && self.scan.is(at + 2, "*")
            && self.scan.is(at + 3, ")")
    }

    fn punct(&mut self, at: usize) -> usize {
        if self.is_handle_cast(at) {
            self.put_at(at, &format!("(Ptr<{}>)", self.words(&(at + 1..at + 2))));
            return at + 4;
        }
        let token = self.token(at);
        self.put_at(at, if token.text == "." { "->" } else { &token.text });
        at + 1
    }

    fn word(&mut self, at: usize) -> usize {
        let token = self.token(at);
        match token.text.as_str() {
            "new" => {
                let called = self.scan.is(at + 2, "(");
                self.put_at(at, &format!("mql_new<{}>{}", self.words(&(at + 1..at + 2)), if called { "" } else { "()" }));
                at + 2
            }
            "delete" => {
                self.put_at(at, "mql_delete(");
                let end = self.scan.expression_end(at + 1);
                self.expression(at + 1..end);
                self.out.put(")");
                end
            }
            "dynamic_cast" if self.scan.is(at + 1, "<") => {
                let close = (at..self.scan.tokens.len()).find(|i| self.scan.is(*i, ">")).unwrap_or(at + 1);
                let mut name = at + 2..close;
                if self.scan.is_word(name.start, "const") {
                    name.start += 1;
                }
                while self.scan.is(name.end - 1, "*") {
                    name.end -= 1;
                }
                self.put_at(at, &format!("mql_cast<{}>", self.words(&name)));
                close + 1
            }
            "__FUNCTION__" | "__FUNCSIG__" => {
                self.put_at(at, &format!("\"{}\"_s", self.function));
                at + 1
            }
            _ => {
                self.put_at(at, &self.renamed(token));
                at + 1
            }
        }
    }
}
