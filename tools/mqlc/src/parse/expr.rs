//! Expressions.

use super::{Parsed, Parser};
use crate::{
    ast::{Expr, ExprKind, TypeName},
    diagnostic::Place,
    lex::Kind,
};

/// Binary operators, the loosest first.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", ">", "<=", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];
const ASSIGNMENTS: &[&str] = &["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="];

fn boxed(place: Place, kind: ExprKind) -> Box<Expr> {
    Box::new(Expr { place, kind })
}

impl Parser<'_> {
    /// An expression without a comma.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        let left = self.ternary()?;
        let Some(operator) = ASSIGNMENTS.iter().find(|operator| self.is(operator)) else { return Ok(left) };
        let place = self.place();
        self.at += 1;
        let right = self.expr()?;
        Ok(Expr { place, kind: ExprKind::Assign((*operator).to_owned(), Box::new(left), Box::new(right)) })
    }

    fn ternary(&mut self) -> Parsed<Expr> {
        let condition = self.binary(0)?;
        let place = self.place();
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.expr()?;
        self.expect(":")?;
        let no = self.expr()?;
        Ok(Expr { place, kind: ExprKind::Ternary(Box::new(condition), Box::new(yes), Box::new(no)) })
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.is(operator)) {
            let place = self.place();
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr { place, kind: ExprKind::Binary((*operator).to_owned(), Box::new(left), Box::new(right)) };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let place = self.place();
        if let Some(operator) = ["++", "--", "!", "~", "-", "+"].iter().find(|operator| self.is(operator)) {
            self.at += 1;
            return Ok(Expr { place, kind: ExprKind::Unary((*operator).to_owned(), Box::new(self.unary()?)) });
        }
        if self.take_word("delete") {
            return Ok(Expr { place, kind: ExprKind::Delete(Box::new(self.unary()?)) });
        }
        if self.is_cast() {
            self.at += 1;
            let ty = self.type_name()?;
            self.expect(")")?;
            return Ok(Expr { place, kind: ExprKind::Cast(ty, Box::new(self.unary()?)) });
        }
        self.postfix()
    }

    /// `(T)` or `(T *)`
    fn is_cast(&self) -> bool {
        self.is("(") && self.is_type(1) && (self.is_at(2, ")") || (self.is_at(2, "*") && self.is_at(3, ")")))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut left = self.primary()?;
        loop {
            let place = self.place();
            let kind = if self.take(".") {
                let (place, name) = self.name()?;
                left = Expr { place, kind: ExprKind::Member(Box::new(left), name) };
                continue;
            } else if self.take("[") {
                let index = self.expr()?;
                self.expect("]")?;
                ExprKind::Index(Box::new(left), Box::new(index))
            } else if self.is("(") && matches!(left.kind, ExprKind::Name(_) | ExprKind::Member(..) | ExprKind::Scoped(..)) {
                let place = left.place;
                let arguments = self.arguments()?;
                left = Expr { place, kind: ExprKind::Call(Box::new(left), arguments) };
                continue;
            } else if let Some(operator) = ["++", "--"].iter().find(|operator| self.is(operator)) {
                self.at += 1;
                ExprKind::Postfix((*operator).to_owned(), Box::new(left))
            } else {
                return Ok(left);
            };
            left = Expr { place, kind };
        }
    }

    /// `(a, b)`
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect("(")?;
        let mut found = Vec::new();
        if self.take(")") {
            return Ok(found);
        }
        loop {
            if self.is(",") || self.is(")") {
                return Err(self.unexpected(291, "an argument is expected"));
            }
            found.push(self.expr()?);
            if self.take(")") {
                return Ok(found);
            }
            self.expect(",")?;
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let place = self.place();
        let Some(token) = self.look(0) else { return Err(self.unexpected(157, "an expression is expected")) };
        let simple = match (token.kind, token.text.as_str()) {
            (Kind::Number, text) => ExprKind::Number(text.to_owned()),
            (Kind::Text, _) => {
                while self.look(1).is_some_and(|next| next.kind == Kind::Text) {
                    self.at += 1;
                }
                ExprKind::Text
            }
            (Kind::Char, _) => ExprKind::Char,
            (Kind::Date, _) => ExprKind::Date,
            (Kind::Color, _) => ExprKind::Color,
            (Kind::Word, "true") => ExprKind::Bool(true),
            (Kind::Word, "false") => ExprKind::Bool(false),
            (Kind::Word, "NULL") => ExprKind::Null,
            (Kind::Word, "this") => ExprKind::This,
            _ => return self.compound(place),
        };
        self.at += 1;
        Ok(Expr { place, kind: simple })
    }

    fn compound(&mut self, place: Place) -> Parsed<Expr> {
        if self.take("(") {
            let inner = self.expr()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("::") {
            let (_, name) = self.name()?;
            return Ok(Expr { place, kind: ExprKind::Scoped(String::new(), name) });
        }
        let kind = if self.take_word("new") {
            let (_, name) = self.name()?;
            ExprKind::New(name, if self.is("(") { self.arguments()? } else { Vec::new() })
        } else if self.take_word("dynamic_cast") {
            self.expect("<")?;
            let ty = self.type_name()?;
            self.expect(">")?;
            self.expect("(")?;
            let inner = self.expr()?;
            self.expect(")")?;
            ExprKind::DynamicCast(ty, Box::new(inner))
        } else if self.take_word("sizeof") {
            self.expect("(")?;
            let ty = if self.is_type(0) && self.is_at(1, ")") { Some(self.name()?.1) } else { None };
            let value = if ty.is_none() { Some(Box::new(self.expr()?)) } else { None };
            self.expect(")")?;
            ExprKind::SizeOf(ty, value)
        } else if self.is_type(0) && self.is_at(1, "(") {
            let (place, name) = self.name()?;
            self.expect("(")?;
            let inner = self.expr()?;
            self.expect(")")?;
            ExprKind::Cast(TypeName { place, name, pointer: false, constant: false }, Box::new(inner))
        } else if self.is_name(0) && self.is_at(1, "::") {
            let (_, left) = self.name()?;
            self.at += 1;
            ExprKind::Scoped(left, self.name()?.1)
        } else if self.is_name(0) {
            ExprKind::Name(self.name()?.1)
        } else {
            return Err(self.unexpected(157, "an expression is expected"));
        };
        Ok(*boxed(place, kind))
    }

    /// What stands behind the `=` of a declaration: an expression or a list in braces.
    pub(super) fn initializer(&mut self) -> Parsed<Expr> {
        let place = self.place();
        if !self.take("{") {
            return self.expr();
        }
        let mut found = Vec::new();
        while !self.take("}") {
            found.push(self.initializer()?);
            if !self.is("}") {
                self.expect(",")?;
            }
        }
        Ok(Expr { place, kind: ExprKind::List(found) })
    }
}
