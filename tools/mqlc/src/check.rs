//! Names, types and MetaEditor's rules. What MetaEditor refuses and g++ would let through is found here, and most of what both refuse.
//! Findings have MetaEditor's numbers as far as its documentation lists them, and 0 where it has none.

mod aggregate;
mod call;
mod convert;
mod expr;
mod flow;
mod function;
mod stmt;
mod table;
mod variable;

use crate::{
    ast::{Item, Storage, TypeName},
    builtins,
    diagnostic::{Diagnostic, Place, Severity},
    parse,
    preprocess::Program,
    rules,
    types::{Base, Type},
};
use std::collections::{HashMap, HashSet};
use table::{Signature, Table};

/// All findings in a program. None: MetaEditor should take it without a word.
#[must_use]
pub fn check(program: &Program) -> Vec<Diagnostic> {
    let builtins = builtins::items(program.dialect);
    let items = match parse::program(&program.tokens, &builtins::types(&builtins)) {
        Ok(items) => items,
        Err(finding) => return vec![finding],
    };
    let mut checker = Checker::new();
    checker.builtin(&builtins);
    checker.findings.extend(rules::check(&items, program.dialect));
    checker.findings.extend(rules::escapes(&program.tokens));
    checker.program(&items);
    let mut findings = checker.findings;
    findings.sort_by_key(|finding| (finding.place, finding.number));
    findings.dedup_by_key(|finding| (finding.place, finding.number));
    findings
}

/// A local variable or a parameter.
struct Local {
    place: Place,
    ty: Type,
    /// May not be changed.
    constant: bool,
    used: bool,
    parameter: bool,
    /// Of a constant that is known now.
    number: Option<i128>,
}

/// The function whose body is being read.
#[derive(Default)]
struct Inside {
    /// Its class.
    class: Option<String>,
    /// A method behind which stands `const`.
    constant: bool,
    is_static: bool,
    /// `None` for constructors and destructors.
    result: Option<Type>,
    loops: u32,
    switches: u32,
    /// Of all local variables, in bytes.
    size: u64,
}

struct Checker {
    findings: Vec<Diagnostic>,
    table: Table,
    /// Types that have been declared up to here.
    declared: HashSet<String>,
    scopes: Vec<HashMap<String, Local>>,
    inside: Inside,
    /// Static members that are defined: `C::m`.
    statics: HashSet<String>,
}

impl Checker {
    fn new() -> Self {
        Self {
            findings: Vec::new(),
            table: Table::default(),
            declared: HashSet::new(),
            scopes: Vec::new(),
            inside: Inside::default(),
            statics: HashSet::new(),
        }
    }

    fn wrong(&mut self, place: Place, number: u16, text: impl Into<String>) {
        self.findings.push(Diagnostic::error(place, number, text));
    }

    fn warn(&mut self, place: Place, number: u16, text: impl Into<String>) {
        self.findings.push(Diagnostic { place, severity: Severity::Warning, number, text: text.into() });
    }

    fn builtin(&mut self, items: &[Item]) {
        self.table.builtin = true;
        self.table.names(items, &mut self.findings);
        self.table.contents(items, &mut self.findings);
        for item in items {
            match item {
                Item::Variables(_, variables) => variables.iter().for_each(|variable| self.table.builtin_variable(variable)),
                Item::Aggregate(found) => _ = self.declared.insert(found.name.clone()),
                Item::Enum(_, name, _) => _ = self.declared.insert(name.clone()),
                _ => {}
            }
        }
        self.table.builtin = false;
    }

    fn program(&mut self, items: &[Item]) {
        self.table.names(items, &mut self.findings);
        self.table.contents(items, &mut self.findings);
        self.table.bodies(items, &mut self.findings);
        let statics = items.iter().filter_map(|item| match item {
            Item::StaticMember(variable) => Some(variable.name.clone()),
            _ => None,
        });
        self.statics = statics.collect();
        for item in items {
            match item {
                Item::Function(function) => self.function(function),
                Item::Variables(storage, variables) => {
                    variables.iter().for_each(|variable| self.global(variable, *storage == Storage::Input));
                }
                Item::StaticMember(variable) => self.static_member(variable),
                Item::Aggregate(found) => self.aggregate(found),
                Item::Enum(_, name, members) => {
                    self.declared.insert(name.clone());
                    for value in members.iter().filter_map(|(.., value)| value.as_ref()) {
                        self.constant_expr(value);
                    }
                }
                Item::Import(_, _, functions) => functions.iter().for_each(|function| self.imported(function)),
            }
        }
        for place in self.table.unwritten() {
            self.wrong(place, 270, "this function has no body");
        }
    }

    /// The type of a name that must have been declared before.
    fn resolve(&mut self, name: &TypeName) -> Type {
        let Some(base) = self.table.base(&name.name) else {
            self.wrong(name.place, 256, format!("undeclared identifier '{}'", name.name));
            return Type::any();
        };
        if matches!(base, Base::Aggregate(_) | Base::Enum(_)) && !self.declared.contains(&name.name) {
            self.wrong(name.place, 256, format!("'{}' is declared further down", name.name));
        }
        if name.pointer {
            let is_class = matches!(&base, Base::Aggregate(class) if self.table.is_class(class));
            if !is_class {
                self.wrong(name.place, 253, format!("a pointer can only be to a class, not to {}", name.name));
                return Type::any();
            }
            if name.constant {
                self.wrong(name.place, 0, "a pointer to a constant object is outside of the plain subset: use a const reference");
            }
        }
        Type { base, pointer: name.pointer, dims: Vec::new() }
    }

    /// What functions a class calls its own, then those of the program, then builtins.
    fn functions(&self, name: &str) -> Vec<std::rc::Rc<Signature>> {
        let own = self.inside.class.as_ref().map(|class| self.table.methods(class, name)).unwrap_or_default();
        if own.is_empty() { self.table.functions.get(name).cloned().unwrap_or_default() } else { own }
    }
}
