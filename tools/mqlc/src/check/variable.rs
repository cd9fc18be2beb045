//! Declarations of variables.

use super::{Checker, Local, expr::Value, table::Global};
use crate::{
    ast::{Access, Expr, ExprKind, Shape, Variable},
    diagnostic::Place,
    types::{Base, Type},
};
use std::collections::HashMap;

/// MetaEditor's limit for the local variables of one function.
const LOCALS: u64 = 512 * 1024;

impl Checker {
    pub(super) fn global(&mut self, variable: &Variable, input: bool) {
        let ty = self.declared_type(variable);
        if input && (ty.is_array() || ty.class().is_some()) {
            self.wrong(variable.place, 285, "structures and arrays cannot be inputs");
        }
        let there = self.table.variables.get(&variable.name);
        if there.is_some_and(|other| !other.builtin || matches!(other.ty.base, Base::Enum(_))) {
            self.wrong(variable.place, 125, format!("'{}' is declared already", variable.name));
        } else if self.table.functions.contains_key(&variable.name) && there.is_none() {
            self.wrong(variable.place, 164, format!("there is a function '{}'", variable.name));
        }
        let number = self.value_of(variable, &ty, true);
        // What MQL4 calls `extern` may be changed; `input` may not.
        let new = Global { constant: variable.ty.constant || input, ty, number, builtin: false, input };
        self.table.variables.insert(variable.name.clone(), new);
    }

    pub(super) fn static_member(&mut self, variable: &Variable) {
        let ty = self.declared_type(variable);
        let (class, name) = variable.name.split_once("::").unwrap_or_default();
        match self.table.field(class, name) {
            Some(field) if field.is_static => {}
            _ => self.wrong(variable.place, 213, format!("{class} has no static member {name}")),
        }
        self.value_of(variable, &ty, true);
    }

    /// The type with its brackets, which are checked.
    pub(super) fn declared_type(&mut self, variable: &Variable) -> Type {
        let mut ty = self.resolve(&variable.ty);
        if ty.base == Base::Void {
            self.wrong(variable.ty.place, 143, format!("'{}' cannot be of type void", variable.name));
            return Type::any();
        }
        if variable.dims.len() > 4 {
            self.wrong(variable.place, 146, "an array has four dimensions at most");
        }
        for (at, dim) in variable.dims.iter().enumerate() {
            let Some(dim) = dim else {
                if at > 0 {
                    self.wrong(variable.place, 146, "only the first dimension may be without a size");
                }
                ty.dims.push(None);
                continue;
            };
            let size = self.constant_expr(dim);
            if size.number.is_some_and(|size| size <= 0) || size.ty.number().is_some_and(crate::types::Scalar::is_real) {
                self.wrong(dim.place, 146, "an array has a size above zero");
            }
            ty.dims.push(Some(size.number.and_then(|size| u64::try_from(size).ok()).unwrap_or(1)));
        }
        ty
    }

    /// What it is made with. The number of a constant, if it is known.
    fn value_of(&mut self, variable: &Variable, ty: &Type, constant: bool) -> Option<i128> {
        if let Some(class) = ty.object().map(str::to_owned) {
            self.concrete(variable.place, &class);
            if variable.init.is_none() {
                self.construct(variable.place, &class, variable.construct.as_deref().unwrap_or_default());
            }
        } else if let Some(class) = element_class(ty) {
            self.concrete(variable.place, &class);
            self.default_constructor(variable.place, &class);
        } else if variable.construct.is_some() {
            self.wrong(variable.place, 140, format!("{ty} has no constructor"));
        }
        let Some(init) = &variable.init else {
            if variable.ty.constant && ty.class().is_none() {
                self.wrong(variable.place, 389, "a constant needs a value");
            }
            return None;
        };
        if let ExprKind::List(list) = &init.kind {
            self.list(init.place, list, ty, constant);
            return None;
        }
        let value = if constant { self.constant_expr(init) } else { self.value(init) };
        if ty.is_array() && !value.ty.is_any() {
            self.wrong(init.place, 120, "an array is filled by a list in braces, or by ArrayCopy");
        } else {
            self.assigned(init.place, &value, ty);
        }
        if variable.ty.constant { value.number } else { None }
    }

    /// 328: the objects of an array are made without arguments.
    pub(super) fn default_constructor(&mut self, place: Place, class: &str) {
        let constructors = self.table.classes.get(class).and_then(|found| found.methods.get(class));
        let bare =
            |one: &std::rc::Rc<super::table::Signature>| one.parameters.iter().all(|parameter| parameter.default.is_some());
        if constructors.is_some_and(|all| !all.iter().any(bare)) {
            self.wrong(place, 328, format!("an array of {class} needs a constructor without parameters"));
        }
    }

    fn list(&mut self, place: Place, list: &[Expr], ty: &Type, constant: bool) {
        if let Some((first, rest)) = ty.dims.split_first() {
            let inner = Type { base: ty.base.clone(), pointer: ty.pointer, dims: rest.to_vec() };
            if first.is_some_and(|size| list.len() as u64 > size) {
                self.wrong(place, 186, "there are more values than elements");
            }
            return list.iter().for_each(|value| self.element(value, &inner, constant));
        }
        let Some(class) = ty.object().and_then(|name| self.table.classes.get(name)) else {
            if !ty.is_any() {
                self.wrong(place, 242, format!("{ty} cannot be filled by a list"));
            }
            return;
        };
        let closed = class.fields.iter().any(|(_, field)| field.access != Access::Public);
        let built = ty.object().is_some_and(|name| class.methods.contains_key(name));
        let fields: Vec<Type> = class.fields.iter().map(|(_, field)| field.ty.clone()).collect();
        if closed || built || matches!(class.shape, Shape::Class | Shape::Interface) {
            self.wrong(place, 242, format!("{ty} cannot be filled by a list"));
        }
        if list.len() > fields.len() {
            self.wrong(place, 186, "there are more values than members");
        }
        list.iter().zip(&fields).for_each(|(value, field)| self.element(value, field, constant));
    }

    fn element(&mut self, value: &Expr, ty: &Type, constant: bool) {
        if let ExprKind::List(list) = &value.kind {
            return self.list(value.place, list, ty, constant);
        }
        // MetaEditor takes {0} and {1,2,3,4} for arrays of arrays, too.
        let plain = Type { base: ty.base.clone(), pointer: ty.pointer, dims: Vec::new() };
        let found = if constant { self.constant_expr(value) } else { self.value(value) };
        self.assigned(value.place, &found, &plain);
    }

    pub(super) fn local(&mut self, variable: &Variable) {
        let ty = self.declared_type(variable);
        self.inside.size += if variable.is_static { 0 } else { self.table.size(&ty) };
        if self.inside.size > LOCALS && self.inside.size - self.table.size(&ty) <= LOCALS {
            self.warn(variable.place, 26, "the local variables of this function take more than 512 KB");
        }
        let number = self.value_of(variable, &ty, variable.is_static);
        let local = Local {
            place: variable.place,
            constant: variable.ty.constant && !ty.pointer,
            // An object is there for what its constructor and destructor do.
            used: ty.is_any() || ty.object().is_some_and(|class| self.table.is_class(class)),
            ty,
            parameter: false,
            number,
        };
        self.add_local(&variable.name, local);
    }

    /// Refuses a second one of the same scope and warns of one that hides another.
    pub(super) fn add_local(&mut self, name: &str, local: Local) {
        let place = local.place;
        let Some((inner, outer)) = self.scopes.split_last() else { return };
        if let Some(other) = inner.get(name) {
            self.wrong(
                place,
                if other.parameter && local.parameter { 376 } else { 125 },
                format!("'{name}' is declared already"),
            );
        } else if outer.iter().any(|scope| scope.contains_key(name)) {
            self.warn(place, 61, format!("'{name}' hides a local variable"));
        } else if self.inside.class.as_ref().is_some_and(|class| self.table.field(class, name).is_some()) {
            self.warn(place, 72, format!("'{name}' hides a member"));
        } else if self.table.variables.get(name).is_some_and(|global| !global.builtin) {
            self.warn(place, 62, format!("'{name}' hides a global variable"));
        } else if name.starts_with('_') && self.table.variables.contains_key(name) {
            self.warn(place, 64, format!("'{name}' hides a variable of the terminal"));
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), local);
        }
    }

    pub(super) fn open(&mut self) {
        self.scopes.push(HashMap::new());
    }

    /// Warns of what nobody has used.
    pub(super) fn close(&mut self) {
        for (name, local) in self.scopes.pop().unwrap_or_default() {
            if !local.used && !local.parameter {
                self.warn(local.place, 31, format!("variable '{name}' is not used"));
            }
        }
    }

    /// A parameter's default value.
    pub(super) fn default_value(&mut self, variable: &Variable, ty: &Type) {
        let Some(init) = &variable.init else { return };
        if variable.reference || !variable.dims.is_empty() {
            self.wrong(init.place, 138, "a parameter by reference cannot have a default value");
        }
        let value: Value = self.constant_expr(init);
        if !ty.is_array() {
            self.assigned(init.place, &value, ty);
        }
    }
}

/// What an array holds, if these are objects.
fn element_class(ty: &Type) -> Option<String> {
    match &ty.base {
        Base::Aggregate(name) if ty.is_array() && !ty.pointer => Some(name.clone()),
        _ => None,
    }
}
