//! Classes, structures, unions and interfaces.

use super::Checker;
use crate::{
    ast::{Aggregate, Function, Member, Shape, Variable},
    types::Type,
};

impl Checker {
    pub(super) fn aggregate(&mut self, found: &Aggregate) {
        let Some(members) = &found.members else {
            self.declared.insert(found.name.clone());
            return;
        };
        self.base(found);
        // Its name is known inside of it.
        self.declared.insert(found.name.clone());
        for member in members {
            match member {
                Member::Fields(_, fields) => fields.iter().for_each(|field| self.field(found, field)),
                Member::Method(_, method) => self.method_mark(found, method),
            }
        }
        for member in members {
            if let Member::Method(_, method) = member {
                self.body(method, Some(found.name.clone()));
            }
        }
    }

    fn base(&mut self, found: &Aggregate) {
        let Some((place, base)) = &found.base else { return };
        if !self.declared.contains(base) {
            self.wrong(*place, 256, format!("undeclared identifier '{base}'"));
            return;
        }
        let Some(shape) = self.table.classes.get(base).map(|class| class.shape) else {
            self.wrong(*place, 232, format!("{base} is no class"));
            return;
        };
        let is_class = |shape: Shape| matches!(shape, Shape::Class | Shape::Interface);
        match (is_class(found.shape), is_class(shape)) {
            _ if found.shape == Shape::Interface && shape == Shape::Class => {
                self.wrong(*place, 395, "an interface inherits from interfaces only");
            }
            (true, false) => self.wrong(*place, 266, "a class cannot inherit from a structure"),
            (false, true) => self.wrong(*place, 267, "a structure cannot inherit from a class"),
            _ if found.shape == Shape::Union || shape == Shape::Union => self.wrong(*place, 232, "a union cannot be inherited"),
            _ => {}
        }
    }

    fn field(&mut self, found: &Aggregate, field: &Variable) {
        let ty = self.declared_type(field);
        if found.shape == Shape::Interface {
            self.wrong(field.place, 398, "an interface has methods only");
        }
        if field.is_static && !self.statics.contains(&format!("{}::{}", found.name, field.name)) {
            self.wrong(field.place, 370, format!("the static member {} must be defined outside of {}", field.name, found.name));
        }
        let inside = Type { dims: Vec::new(), ..ty };
        let Some(class) = inside.object().map(str::to_owned) else {
            if found.shape == Shape::Union && inside.is_string() {
                self.wrong(field.place, 216, "a union cannot hold a text");
            }
            return;
        };
        if class == found.name {
            self.wrong(field.place, 128, format!("{class} cannot hold itself"));
            return;
        }
        self.concrete(field.place, &class);
        // A constructor's list may give the arguments.
        let listed = found.members.iter().flatten().any(|member| match member {
            Member::Method(_, method) => method.members.iter().any(|(_, name, _)| *name == field.name),
            Member::Fields(..) => false,
        });
        if !listed && field.dims.is_empty() {
            self.construct(field.place, &class, &[]);
        } else if !listed {
            self.default_constructor(field.place, &class);
        }
    }

    fn method_mark(&mut self, found: &Aggregate, method: &Function) {
        if method.is_virtual && method.is_static {
            self.wrong(method.place, 348, "a virtual method cannot be static");
        }
        if self.table.classes.get(&found.name).is_some_and(|class| class.fields.iter().any(|(name, _)| *name == method.name)) {
            self.wrong(method.place, 346, format!("there is a member {} already", method.name));
        }
        let simple = matches!(found.shape, Shape::Struct | Shape::Union);
        if simple && (method.is_virtual || method.pure) {
            self.wrong(method.place, 269, format!("the method {} of a structure cannot be virtual", method.name));
        }
        let is_constructor = method.result.is_none();
        if is_constructor && method.constant {
            self.wrong(method.place, 286, "a constructor or destructor cannot be const");
        }
        if is_constructor && method.is_virtual && !method.name.starts_with('~') {
            self.wrong(method.place, 268, "a constructor cannot be virtual");
        }
        if method.name.starts_with('~') {
            if method.name[1..] != found.name {
                self.wrong(method.place, 122, format!("the destructor of {} is ~{}", found.name, found.name));
            }
            if !method.parameters.is_empty() {
                self.wrong(method.place, 221, "a destructor has no parameters");
            }
        }
        if method.pure && !method.is_virtual && found.shape != Shape::Interface {
            self.wrong(method.place, 382, format!("{} is = 0 and not virtual", method.name));
        }
        self.overrides(found, method);
    }

    /// A virtual method below another must have the same type of result.
    fn overrides(&mut self, found: &Aggregate, method: &Function) {
        let Some((_, base)) = &found.base else { return };
        let own = self.table.signature(method, crate::ast::Access::Public, Some(&found.name));
        for above in self.table.methods(base, &method.name) {
            if above.is_virtual && above.is_like(&own) {
                if above.result != own.result {
                    self.wrong(method.place, 265, format!("{} has another type of result in {base}", method.name));
                } else if above.constant != own.constant {
                    self.warn(
                        method.place,
                        74,
                        format!("{} differs from that of {base} by const: it is another method", method.name),
                    );
                }
            }
        }
    }
}
