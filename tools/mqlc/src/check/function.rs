//! Functions and methods.

use super::{Checker, Inside, Local, flow};
use crate::{
    ast::{Function, Variable},
    types::{Base, Type},
};

/// MetaEditor's limit.
const PARAMETERS: usize = 64;

impl Checker {
    pub(super) fn function(&mut self, function: &Function) {
        let class = function.class.clone();
        if class.as_ref().is_some_and(|class| !self.declared.contains(class)) {
            return;
        }
        if class.is_none() && function.constant {
            self.wrong(function.place, 272, "only a method can be const");
        }
        self.body(function, class);
    }

    pub(super) fn imported(&mut self, function: &Function) {
        self.inside = Inside::default();
        self.open();
        self.parameters(function);
        self.scopes.clear();
    }

    pub(super) fn body(&mut self, function: &Function, class: Option<String>) {
        let result = function.result.as_ref().map(|result| self.resolve(result));
        if let Some(object) = result.as_ref().and_then(Type::object)
            && self.table.is_class(object)
        {
            self.wrong(function.place, 373, "an object of a class cannot be a result: give a pointer");
        }
        // A static method's mark stands in its class only.
        let declared = class.as_ref().map(|class| self.table.methods(class, &function.name)).unwrap_or_default();
        let is_static = function.is_static || declared.iter().any(|method| method.is_static);
        self.inside = Inside { class, constant: function.constant, is_static, result, ..Inside::default() };
        self.open();
        self.parameters(function);
        self.initializers(function);
        if let Some(body) = &function.body {
            body.iter().for_each(|stmt| self.stmt(stmt));
            let needs = self.inside.result.as_ref().is_some_and(|result| result.base != Base::Void);
            if needs && !flow::always_leaves(body) {
                self.wrong(function.end, 117, format!("not all ways through {} return a value", function.name));
            }
        }
        self.close();
        self.scopes.clear();
        self.inside = Inside::default();
    }

    fn initializers(&mut self, function: &Function) {
        let Some(class) = self.inside.class.clone() else { return };
        for (place, name, arguments) in &function.members {
            let field = self.table.field(&class, name).filter(|field| field.class == class);
            match field {
                Some(field) if field.ty.object().is_none() => {
                    let values: Vec<_> = arguments.iter().map(|argument| (argument.place, self.value(argument))).collect();
                    match values.as_slice() {
                        [(place, value)] => self.assigned(*place, value, &field.ty),
                        _ => self.wrong(*place, 199, format!("{name} takes one value")),
                    }
                }
                Some(field) => {
                    let object = field.ty.object().unwrap_or_default().to_owned();
                    self.construct(*place, &object, arguments);
                }
                None if self.table.line(&class).get(1) == Some(name) => self.construct(*place, name, arguments),
                None => self.wrong(*place, 130, format!("{class} has no member '{name}'")),
            }
        }
    }

    fn parameters(&mut self, function: &Function) {
        if function.parameters.len() > PARAMETERS {
            self.wrong(function.place, 147, format!("{} has more than {PARAMETERS} parameters", function.name));
        }
        let mut defaults = false;
        for variable in &function.parameters {
            let ty = self.parameter(variable);
            self.default_value(variable, &ty);
            if defaults && variable.init.is_none() {
                self.wrong(variable.place, 277, format!("'{}' needs a default value, too", variable.name));
            }
            defaults |= variable.init.is_some();
            if variable.name.is_empty() {
                continue;
            }
            let constant = variable.ty.constant && !ty.pointer;
            let local = Local { place: variable.place, ty, constant, used: false, parameter: true, number: None };
            self.add_local(&variable.name, local);
        }
    }

    fn parameter(&mut self, variable: &Variable) -> Type {
        let ty = self.declared_type(variable);
        if !variable.dims.is_empty() && !variable.reference {
            self.wrong(variable.place, 294, format!("the array '{}' must be passed by reference", variable.name));
        } else if ty.object().is_some() && !variable.reference {
            self.wrong(variable.place, 293, format!("the object '{}' must be passed by reference", variable.name));
        }
        ty
    }
}
