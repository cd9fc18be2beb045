//! Statements.

use super::Checker;
use crate::{
    ast::{Expr, ExprKind, Stmt, StmtKind},
    diagnostic::Place,
    types::Base,
};
use std::collections::HashSet;

/// Functions of the terminal whose result MetaEditor wants to be looked at.
const MUST_CHECK: &[&str] =
    &["OrderSend", "OrderSendAsync", "OrderSelect", "OrderClose", "OrderCloseBy", "OrderDelete", "OrderModify"];

impl Checker {
    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Block(inner) => {
                self.open();
                inner.iter().for_each(|stmt| self.stmt(stmt));
                self.close();
            }
            StmtKind::Empty => {}
            StmtKind::Expr(expr) => self.effect(expr),
            StmtKind::Declare(variables) => variables.iter().for_each(|variable| self.local(variable)),
            StmtKind::If(condition, yes, no) => {
                self.condition(condition);
                self.inner(yes, "if");
                if let Some(no) = no {
                    self.inner(no, "else");
                }
            }
            StmtKind::While(condition, body) => {
                self.condition(condition);
                self.looped(body);
            }
            StmtKind::DoWhile(body, condition) => {
                self.looped(body);
                self.condition(condition);
            }
            StmtKind::For(first, condition, steps, body) => self.for_loop(first, condition.as_ref(), steps, body),
            StmtKind::Switch(value, body) => self.switch(value, body),
            StmtKind::Case(_) | StmtKind::Default => self.wrong(stmt.place, 184, "'case' and 'default' stand in a 'switch'"),
            StmtKind::Return(value) => self.returned(stmt.place, value.as_ref()),
            StmtKind::Break if self.inside.loops + self.inside.switches == 0 => {
                self.wrong(stmt.place, 153, "'break' stands in a loop or a 'switch'");
            }
            StmtKind::Continue if self.inside.loops == 0 => self.wrong(stmt.place, 210, "'continue' stands in a loop"),
            StmtKind::Break | StmtKind::Continue => {}
        }
    }

    fn condition(&mut self, condition: &Expr) {
        let value = self.value(condition);
        self.truth(condition.place, &value);
    }

    /// What is governed by an `if` or a loop has a scope of its own.
    fn inner(&mut self, stmt: &Stmt, of: &str) {
        if matches!(stmt.kind, StmtKind::Empty) {
            self.warn(stmt.place, 69, format!("the body of this '{of}' is empty"));
        }
        if matches!(stmt.kind, StmtKind::Declare(_)) {
            self.wrong(stmt.place, 326, format!("a variable cannot be declared in a '{of}' without braces"));
        }
        self.open();
        self.stmt(stmt);
        self.close();
    }

    fn looped(&mut self, body: &Stmt) {
        self.inside.loops += 1;
        self.inner(body, "loop");
        self.inside.loops -= 1;
    }

    fn for_loop(&mut self, first: &Stmt, condition: Option<&Expr>, steps: &[Expr], body: &Stmt) {
        self.open();
        match &first.kind {
            // Several expressions, with commas.
            StmtKind::Block(parts) => parts.iter().for_each(|part| self.stmt(part)),
            _ => self.stmt(first),
        }
        if let Some(condition) = condition {
            self.condition(condition);
        }
        steps.iter().for_each(|step| self.effect(step));
        self.looped(body);
        self.close();
    }

    /// An expression for what it does.
    fn effect(&mut self, expr: &Expr) {
        self.value(expr);
        let acts = match &expr.kind {
            ExprKind::Assign(..) | ExprKind::Call(..) | ExprKind::Postfix(..) | ExprKind::New(..) | ExprKind::Delete(_) => true,
            ExprKind::Unary(operator, _) => operator == "++" || operator == "--",
            _ => false,
        };
        if let ExprKind::Call(callee, _) = &expr.kind
            && let ExprKind::Name(name) = &callee.kind
            && MUST_CHECK.contains(&name.as_str())
            && self.functions(name).iter().any(|one| one.builtin)
        {
            self.warn(expr.place, 83, format!("the result of {name} should be checked"));
        }
        if !acts {
            self.warn(expr.place, 178, "the result of this expression is not used");
        }
    }

    fn switch(&mut self, value: &Expr, body: &[Stmt]) {
        let found = self.value(value);
        if !found.ty.is_any() && found.ty.number().is_none_or(crate::types::Scalar::is_real) {
            self.wrong(value.place, 260, format!("'switch' is over integers, not {}", found.ty));
        }
        self.open();
        self.inside.switches += 1;
        let (mut seen, mut default) = (HashSet::new(), false);
        for stmt in body {
            match &stmt.kind {
                StmtKind::Case(value) => self.case(value, &mut seen),
                StmtKind::Default if default => self.wrong(stmt.place, 238, "there is a 'default' already"),
                StmtKind::Default => default = true,
                StmtKind::Declare(_) => {
                    self.wrong(stmt.place, 179, "a variable cannot be declared in a 'case' without braces");
                    self.stmt(stmt);
                }
                _ => self.stmt(stmt),
            }
        }
        self.inside.switches -= 1;
        self.close();
    }

    fn case(&mut self, value: &Expr, seen: &mut HashSet<String>) {
        let found = self.value(value);
        if found.ty.is_any() {
            return;
        }
        if found.ty.number().is_none_or(crate::types::Scalar::is_real) {
            self.wrong(value.place, 171, "the value of a 'case' is an integer constant");
        } else if !found.fixed {
            self.wrong(value.place, 187, "the value of a 'case' is a constant");
        }
        let key = found.number.map_or_else(|| super::table::spelled(value), |number| number.to_string());
        if !seen.insert(key) {
            self.wrong(value.place, 172, "this value has a 'case' already");
        }
    }

    fn returned(&mut self, place: Place, value: Option<&Expr>) {
        let found = value.map(|value| (value.place, self.value(value)));
        let result = self.inside.result.clone().filter(|result| result.base != Base::Void);
        match (found, result) {
            (Some((place, found)), Some(result)) => self.assigned(place, &found, &result),
            (Some(_), None) => self.wrong(place, 167, "a function of type void returns no value"),
            (None, Some(_)) => self.wrong(place, 121, "this function must return a value"),
            (None, None) => {}
        }
    }
}
