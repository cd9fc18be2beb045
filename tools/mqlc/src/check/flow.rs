//! Whether a function can come to its end.

use crate::ast::{Expr, ExprKind, Stmt, StmtKind};

/// Every way through these statements ends with `return`, or never ends.
pub(super) fn always_leaves(body: &[Stmt]) -> bool {
    body.iter().any(leaves)
}

fn leaves(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Return(_) => true,
        StmtKind::Block(inner) => always_leaves(inner),
        StmtKind::If(_, yes, Some(no)) => leaves(yes) && leaves(no),
        StmtKind::While(condition, body) => is_true(condition) && !breaks(body),
        StmtKind::For(_, None, _, body) => !breaks(body),
        StmtKind::DoWhile(body, condition) => (leaves(body) || is_true(condition)) && !breaks(body),
        StmtKind::Switch(_, body) => {
            let last = body.last().is_some_and(leaves);
            let default = body.iter().any(|stmt| matches!(stmt.kind, StmtKind::Default));
            last && default && !body.iter().any(breaks)
        }
        _ => false,
    }
}

fn is_true(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::Bool(value) => *value,
        ExprKind::Number(text) => text == "1",
        _ => false,
    }
}

/// A `break` that ends what is around this statement.
fn breaks(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Break => true,
        StmtKind::Block(inner) => inner.iter().any(breaks),
        StmtKind::If(_, yes, no) => breaks(yes) || no.as_ref().is_some_and(|no| breaks(no)),
        _ => false,
    }
}
