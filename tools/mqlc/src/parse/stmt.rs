//! Statements.

use super::{Parsed, Parser};
use crate::{
    ast::{Stmt, StmtKind, TypeName, Variable},
    diagnostic::Diagnostic,
};

impl Parser<'_> {
    /// `{…}`; the closing brace is taken.
    pub(super) fn block(&mut self) -> Parsed<Vec<Stmt>> {
        self.expect("{")?;
        let mut found = Vec::new();
        while !self.take("}") {
            if self.look(0).is_none() {
                return Err(self.unexpected(133, "'}' is expected"));
            }
            found.push(self.stmt()?);
        }
        Ok(found)
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        let place = self.place();
        let word = self.look(0).map_or("", |token| token.text.as_str());
        let kind = match word {
            "{" => StmtKind::Block(self.block()?),
            ";" => {
                self.at += 1;
                StmtKind::Empty
            }
            "if" | "while" | "do" | "for" | "switch" => return self.compound_stmt(word),
            "case" => {
                self.at += 1;
                let value = self.expr()?;
                self.expect(":")?;
                StmtKind::Case(value)
            }
            "default" => {
                self.at += 1;
                self.expect(":")?;
                StmtKind::Default
            }
            "return" => {
                self.at += 1;
                let value = if self.is(";") { None } else { Some(self.expr()?) };
                self.expect(";")?;
                StmtKind::Return(value)
            }
            "break" | "continue" => {
                self.at += 1;
                self.expect(";")?;
                if word == "break" { StmtKind::Break } else { StmtKind::Continue }
            }
            "else" => return Err(self.unexpected(183, "'else' needs an 'if'")),
            "enum" | "struct" | "class" | "union" | "interface" => {
                return Err(self.unexpected(149, "a type is declared at the top level"));
            }
            _ if self.is_declaration() => StmtKind::Declare(self.local()?),
            _ => {
                let value = self.expr()?;
                self.expect(";")?;
                StmtKind::Expr(value)
            }
        };
        Ok(Stmt { place, kind })
    }

    fn compound_stmt(&mut self, word: &str) -> Parsed<Stmt> {
        let place = self.place();
        self.at += 1;
        let kind = match word {
            "if" => {
                let condition = self.condition()?;
                let yes = Box::new(self.stmt()?);
                let no = if self.take_word("else") { Some(Box::new(self.stmt()?)) } else { None };
                StmtKind::If(condition, yes, no)
            }
            "while" => StmtKind::While(self.condition()?, Box::new(self.stmt()?)),
            "do" => {
                let body = Box::new(self.stmt()?);
                if !self.take_word("while") {
                    return Err(self.unexpected(236, "'while' is expected"));
                }
                let condition = self.condition()?;
                self.expect(";")?;
                StmtKind::DoWhile(body, condition)
            }
            "switch" => StmtKind::Switch(self.condition()?, self.block()?),
            _ => self.for_stmt()?,
        };
        Ok(Stmt { place, kind })
    }

    fn condition(&mut self) -> Parsed<crate::ast::Expr> {
        self.expect("(")?;
        let value = self.expr()?;
        self.expect(")")?;
        Ok(value)
    }

    fn for_stmt(&mut self) -> Parsed<StmtKind> {
        self.expect("(")?;
        let place = self.place();
        let first = if self.take(";") {
            StmtKind::Empty
        } else if self.is_declaration() {
            StmtKind::Declare(self.local()?)
        } else {
            let mut parts = Vec::new();
            while parts.is_empty() || self.take(",") {
                let place = self.place();
                parts.push(Stmt { place, kind: StmtKind::Expr(self.expr()?) });
            }
            self.expect(";")?;
            if parts.len() == 1 { parts.remove(0).kind } else { StmtKind::Block(parts) }
        };
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        let mut steps = Vec::new();
        while !self.is(")") && (steps.is_empty() || self.take(",")) {
            steps.push(self.expr()?);
        }
        self.expect(")")?;
        Ok(StmtKind::For(Box::new(Stmt { place, kind: first }), condition, steps, Box::new(self.stmt()?)))
    }

    /// Whether a declaration begins here: a known type, or at least two names in a row.
    fn is_declaration(&self) -> bool {
        if self.is_word("const") || self.is_word("static") {
            return true;
        }
        if self.is_type(0) {
            return self.is_name(1) || ((self.is_at(1, "*") || self.is_at(1, "&")) && self.is_name(2));
        }
        self.is_name(0) && self.is_name(1)
    }

    fn local(&mut self) -> Parsed<Vec<Variable>> {
        let before = self.take_word("static");
        let mut ty = self.type_name()?;
        let is_static = self.take_word("static") || before;
        if self.is("&") {
            return Err(self.unexpected(229, "a reference can only be a parameter"));
        }
        let mut found = Vec::new();
        loop {
            found.push(self.variable(&ty, is_static)?);
            if self.take(";") {
                return Ok(found);
            }
            if !self.take(",") {
                return Err(self.unexpected(154, "';' is expected"));
            }
            ty.pointer = self.take("*");
        }
    }

    /// A name, its brackets and its value.
    pub(super) fn variable(&mut self, ty: &TypeName, is_static: bool) -> Parsed<Variable> {
        let (place, name) = self.name()?;
        let mut found = Variable {
            place,
            name,
            ty: ty.clone(),
            reference: false,
            dims: self.dims()?,
            init: None,
            construct: None,
            is_static,
        };
        if self.take("=") {
            found.init = Some(self.initializer()?);
        } else if self.is("(") {
            found.construct = Some(self.arguments()?);
        } else if self.is("{") {
            return Err(Diagnostic::error(self.place(), 149, "a value in braces needs '='"));
        }
        Ok(found)
    }

    pub(super) fn dims(&mut self) -> Parsed<Vec<Option<crate::ast::Expr>>> {
        let mut found = Vec::new();
        while self.take("[") {
            if self.take("]") {
                found.push(None);
                continue;
            }
            found.push(Some(self.expr()?));
            self.expect("]")?;
        }
        Ok(found)
    }
}
