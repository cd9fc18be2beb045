//! Calls.

use super::{
    Checker,
    convert::{Fit, Wrong},
    expr::Value,
    table::Signature,
};
use crate::{
    ast::{Access, Expr, ExprKind},
    diagnostic::Place,
    types::{Base, Scalar, Type},
};
use std::rc::Rc;

impl Checker {
    pub(super) fn call(&mut self, place: Place, callee: &Expr, arguments: &[Expr]) -> Value {
        let mut object = None;
        let (name, candidates) = match &callee.kind {
            ExprKind::Name(name) => {
                // A method, unless it is called of this.
                (name, self.functions(name))
            }
            ExprKind::Scoped(left, name) => (name, self.scoped(left, name)),
            ExprKind::Member(left, name) => {
                let left = self.value(left);
                if left.ty.is_any() {
                    arguments.iter().for_each(|argument| _ = self.value(argument));
                    return Value::any();
                }
                let Some(class) = left.ty.class().map(str::to_owned) else {
                    self.wrong(place, 280, format!("{} has no methods", left.ty));
                    return Value::any();
                };
                let found = self.table.methods(&class, name);
                object = Some(left);
                (name, found)
            }
            _ => {
                self.wrong(place, 239, "this cannot be called");
                return Value::any();
            }
        };
        let given: Vec<_> = arguments.iter().map(|argument| (argument.place, self.value(argument))).collect();
        if candidates.is_empty() {
            self.unknown_function(place, name, object.as_ref());
            return Value::any();
        }
        let Some(chosen) = self.choose(place, name, &candidates, &given) else { return Value::any() };
        self.may_call(place, &chosen, object.as_ref());
        result(&chosen, &given)
    }

    fn unknown_function(&mut self, place: Place, name: &str, object: Option<&Value>) {
        match object {
            Some(object) => self.wrong(place, 256, format!("undeclared identifier '{name}': {} has no such method", object.ty)),
            None if self.variable_type(name).is_some() => self.wrong(place, 239, format!("'{name}' is no function")),
            None => self.wrong(place, 256, format!("undeclared identifier '{name}'")),
        }
    }

    /// `library::f`, `Class::f` and `::f`.
    fn scoped(&mut self, left: &str, name: &str) -> Vec<Rc<Signature>> {
        if left.is_empty() {
            return self.table.functions.get(name).cloned().unwrap_or_default();
        }
        match self.table.imports.get(left) {
            Some(library) => library.get(name).cloned().unwrap_or_default(),
            None => self.table.methods(left, name),
        }
    }

    /// The overload that fits best; what is wrong if none does.
    pub(super) fn choose(
        &mut self,
        place: Place,
        name: &str,
        candidates: &[Rc<Signature>],
        given: &[(Place, Value)],
    ) -> Option<Rc<Signature>> {
        if let [only] = candidates {
            self.only(place, only, given);
            return Some(only.clone());
        }
        let fits = |one: &Rc<Signature>| {
            if !takes(one, given.len()) {
                return None;
            }
            let costs = one.parameters.iter().zip(given).map(|(to, (_, from))| self.table.fit(from, to).map(|fit| fit.cost));
            costs.sum::<Result<u32, Wrong>>().ok()
        };
        let best = candidates.iter().filter_map(|one| Some((fits(one)?, one.clone()))).min_by_key(|(cost, _)| *cost);
        if let Some((_, best)) = best {
            self.only(place, &best, given);
            return Some(best);
        }
        // One of the right length tells more than "none fits".
        let right: Vec<_> = candidates.iter().filter(|one| takes(one, given.len())).cloned().collect();
        match right.as_slice() {
            [one] => self.only(place, one, given),
            [] => self.wrong(place, 199, format!("no {name} takes {} arguments", given.len())),
            _ => self.wrong(place, 166, format!("none of the functions {name} can be applied to this call")),
        }
        right.first().cloned()
    }

    fn only(&mut self, place: Place, one: &Signature, given: &[(Place, Value)]) {
        if !takes(one, given.len()) {
            let text = format!("wrong number of arguments: {} takes {}, {} given", one.name, one.parameters.len(), given.len());
            self.wrong(place, 199, text);
            return;
        }
        for (to, (place, from)) in one.parameters.iter().zip(given) {
            match self.table.fit(from, to) {
                Ok(Fit { warning: Some((number, text)), .. }) => self.warn(*place, number, text),
                Ok(_) => {}
                Err((number, text)) => self.wrong(*place, number, text),
            }
        }
        for (place, from) in given.iter().skip(one.parameters.len()) {
            if from.ty.is_array() || from.ty.class().is_some() {
                self.wrong(*place, 246, format!("{} cannot be printed", from.ty));
            }
        }
        if one.builtin {
            self.builtin_call(one, given);
        }
    }

    /// What particular functions of the terminal refuse.
    fn builtin_call(&mut self, one: &Signature, given: &[(Place, Value)]) {
        match one.name.as_str() {
            "ZeroMemory" => self.zero_memory(given),
            "ArrayResize" | "ArrayFree" => {
                let fixed = given.first().filter(|(_, value)| matches!(value.ty.dims.first(), Some(Some(_))));
                if let Some((place, _)) = fixed {
                    self.warn(*place, 63, format!("{} cannot be used for an array of a fixed size", one.name));
                }
            }
            "ArrayCopy" | "ArraySort" | "ArrayCompare" | "StructToCharArray" | "CharArrayToStruct" | "FileWriteStruct"
            | "FileReadStruct" | "FileWriteArray" | "FileReadArray" => self.simple_only(one, given),
            _ => {}
        }
    }

    /// Bytes are copied: neither texts nor dynamic arrays nor objects of classes may be in them.
    fn simple_only(&mut self, one: &Signature, given: &[(Place, Value)]) {
        let closed = |(_, value): &&(Place, Value)| matches!(&value.ty.base, Base::Aggregate(name) if !value.ty.pointer && !self.table.is_simple(name));
        if let Some((place, value)) = given.iter().find(closed) {
            let (place, ty) = (*place, value.ty.clone());
            self.wrong(place, 368, format!("{} takes no structures with texts, dynamic arrays or objects: {ty}", one.name));
        }
    }

    /// Refused for objects with protected or private members and for those that inherit, and of no use for those with methods.
    fn zero_memory(&mut self, given: &[(Place, Value)]) {
        let Some((place, value)) = given.first() else { return };
        let Some(class) = value.ty.object().and_then(|name| self.table.classes.get(name)) else { return };
        if class.base.is_some() || class.fields.iter().any(|(_, field)| field.access != Access::Public) {
            self.wrong(*place, 226, "ZeroMemory is not allowed for objects with protected members or inheritance");
        }
    }

    pub(super) fn may_call(&mut self, place: Place, chosen: &Signature, object: Option<&Value>) {
        let Some(class) = &chosen.class else { return };
        let inside = self.inside.class.clone();
        let own = inside.as_deref() == Some(class.as_str());
        let derived = inside.as_deref().is_some_and(|inside| self.table.derives(inside, class));
        match chosen.access {
            Access::Private if !own => self.wrong(place, 214, format!("{} is a private method of {class}", chosen.name)),
            Access::Protected if !derived => self.wrong(place, 264, format!("{} is a protected method of {class}", chosen.name)),
            _ => {}
        }
        let frozen = match object {
            Some(object) if object.ty.pointer => object.frozen,
            Some(object) => object.constant,
            None => derived && self.inside.constant,
        };
        if frozen && !chosen.constant && !chosen.is_static {
            self.wrong(place, 279, format!("{} is not const, and its object is", chosen.name));
        }
        if object.is_none() && !chosen.is_static && (!derived || self.inside.is_static) {
            self.wrong(place, 280, format!("{} needs an object of {class}", chosen.name));
        }
    }

    /// The arguments of `C a(…)`, `C a;` and `new C(…)`.
    pub(super) fn construct(&mut self, place: Place, class: &str, arguments: &[Expr]) {
        let given: Vec<_> = arguments.iter().map(|argument| (argument.place, self.value(argument))).collect();
        let constructors = self.table.classes.get(class).and_then(|found| found.methods.get(class)).cloned().unwrap_or_default();
        if constructors.is_empty() {
            if !given.is_empty() {
                self.wrong(place, 199, format!("{class} has no constructor with parameters"));
            }
            return;
        }
        let Some(chosen) = self.choose(place, class, &constructors, &given) else { return };
        if chosen.access != Access::Public && self.inside.class.as_deref() != Some(class) {
            self.wrong(place, 214, format!("the constructor of {class} is not public"));
        }
    }
}

fn takes(one: &Signature, count: usize) -> bool {
    let least = one.parameters.iter().take_while(|parameter| parameter.default.is_none()).count();
    count >= least && (one.variadic || count <= one.parameters.len())
}

/// Some builtins have results of the types of their arguments.
fn result(chosen: &Signature, given: &[(Place, Value)]) -> Value {
    if !chosen.builtin || !chosen.result.is_any() {
        return Value::of(chosen.result.clone());
    }
    let number = |at: usize| given.get(at).and_then(|(_, value)| value.ty.number());
    match chosen.name.as_str() {
        "GetPointer" => match given.first().and_then(|(_, value)| value.ty.class().map(|class| (class, value))) {
            Some((class, value)) => {
                let frozen = if value.ty.pointer { value.frozen } else { value.constant };
                Value { frozen, ..Value::of(Type::pointer_to(class.to_owned())) }
            }
            None => Value::any(),
        },
        "MathAbs" => Value::of(number(0).map_or(Type::any(), |number| Type::scalar(number.common(Scalar::Int)))),
        _ => match (number(0), number(1)) {
            (Some(a), Some(b)) if a == b => Value::of(Type::of(Base::Scalar(a))),
            (Some(a), Some(b)) => Value::of(Type::scalar(a.common(b))),
            _ => Value::any(),
        },
    }
}
