//! Expressions: what type they have, and whether they make sense.

use super::{
    Checker,
    table::{self, number},
};
use crate::{
    ast::{Access, Expr, ExprKind, Shape, TypeName},
    diagnostic::Place,
    types::{Base, Scalar, Type},
};

/// What is known of an expression.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) ty: Type,
    /// It has a place in memory.
    pub(super) lvalue: bool,
    /// That place may not be changed.
    pub(super) constant: bool,
    /// A pointer to what may not be changed: `this` in a const method.
    pub(super) frozen: bool,
    /// Its value, for an integer that is known now.
    pub(super) number: Option<i128>,
    /// It is known when the program is compiled.
    pub(super) fixed: bool,
}

impl Value {
    pub(super) const fn of(ty: Type) -> Self {
        Self { ty, lvalue: false, constant: false, frozen: false, number: None, fixed: false }
    }

    pub(super) fn any() -> Self {
        Self::fixed(Type::any())
    }

    fn fixed(ty: Type) -> Self {
        Self { fixed: true, ..Self::of(ty) }
    }
}

impl Checker {
    pub(super) fn value(&mut self, expr: &Expr) -> Value {
        let place = expr.place;
        match &expr.kind {
            ExprKind::Number(text) => {
                let (scalar, number) = number(text);
                Value { number, ..Value::fixed(Type::scalar(scalar)) }
            }
            ExprKind::Text => Value::fixed(Type::scalar(Scalar::String)),
            ExprKind::Char => Value::fixed(Type::scalar(Scalar::UShort)),
            ExprKind::Date => Value::fixed(Type::scalar(Scalar::DateTime)),
            ExprKind::Color => Value::fixed(Type::scalar(Scalar::Color)),
            ExprKind::Bool(value) => Value { number: Some(i128::from(*value)), ..Value::fixed(Type::scalar(Scalar::Bool)) },
            ExprKind::Null => Value::fixed(Type::of(Base::Null)),
            ExprKind::This => self.this(place),
            ExprKind::Name(name) => self.name(place, name),
            ExprKind::Scoped(left, name) => self.scoped_value(place, left, name),
            ExprKind::Member(object, name) => self.member(place, object, name),
            ExprKind::Index(array, index) => self.index(place, array, index),
            ExprKind::Call(callee, arguments) => self.call(place, callee, arguments),
            ExprKind::Unary(operator, inner) => self.unary(place, operator, inner),
            ExprKind::Postfix(operator, inner) => self.unary(place, operator, inner),
            ExprKind::Binary(operator, left, right) => self.binary(place, operator, left, right),
            ExprKind::Assign(operator, left, right) => self.assignment(place, operator, left, right),
            ExprKind::Ternary(condition, yes, no) => self.ternary(place, condition, yes, no),
            ExprKind::Cast(ty, inner) => self.cast(place, ty, inner),
            ExprKind::New(class, arguments) => self.new_object(place, class, arguments),
            ExprKind::Delete(inner) => self.delete(place, inner),
            ExprKind::DynamicCast(ty, inner) => {
                let (to, from) = (self.resolve(ty), self.value(inner));
                if !to.pointer || !(from.ty.pointer || from.ty.is_any()) {
                    self.wrong(place, 252, "dynamic_cast is from a pointer to a pointer");
                }
                Value { frozen: from.frozen, ..Value::of(to) }
            }
            ExprKind::SizeOf(name, inner) => {
                if let Some(inner) = inner {
                    self.value(inner);
                }
                let known = name.as_ref().and_then(|name| self.table.base(name)).map(|base| self.table.size(&Type::of(base)));
                Value { number: known.map(i128::from), ..Value::fixed(Type::scalar(Scalar::UInt)) }
            }
            ExprKind::List(_) => {
                self.wrong(place, 276, "a list in braces can only follow the '=' of a declaration");
                Value::any()
            }
        }
    }

    fn this(&mut self, place: Place) -> Value {
        match &self.inside.class {
            Some(class) if !self.inside.is_static => {
                Value { frozen: self.inside.constant, ..Value::of(Type::pointer_to(class.clone())) }
            }
            _ => {
                self.wrong(place, 256, "undeclared identifier 'this': there is no object here");
                Value::any()
            }
        }
    }

    /// The type of a variable that can be seen from here.
    pub(super) fn variable_type(&self, name: &str) -> Option<Type> {
        let local = self.scopes.iter().rev().find_map(|scope| scope.get(name)).map(|local| local.ty.clone());
        let field = || self.inside.class.as_ref().and_then(|class| self.table.field(class, name)).map(|field| field.ty.clone());
        local.or_else(field).or_else(|| self.table.variables.get(name).map(|global| global.ty.clone()))
    }

    fn name(&mut self, place: Place, name: &str) -> Value {
        if let Some(local) = self.scopes.iter_mut().rev().find_map(|scope| scope.get_mut(name)) {
            local.used = true;
            let fixed = local.number.is_some();
            return Value { lvalue: true, constant: local.constant, number: local.number, fixed, ..Value::of(local.ty.clone()) };
        }
        if let Some(class) = self.inside.class.clone()
            && let Some(field) = self.table.field(&class, name)
        {
            if field.access == Access::Private && field.class != class {
                self.wrong(place, 211, format!("'{name}' is a private member of {}", field.class));
            }
            if self.inside.is_static && !field.is_static {
                self.wrong(place, 351, format!("'{name}' needs an object, and a static method has none"));
            }
            let constant = field.constant || (self.inside.constant && !field.is_static);
            return Value { lvalue: true, constant, ..Value::of(field.ty.clone()) };
        }
        self.global_value(place, name)
    }

    fn global_value(&mut self, place: Place, name: &str) -> Value {
        let Some(global) = self.table.variables.get(name) else {
            let what = if self.table.functions.contains_key(name) { "a function is no value" } else { "undeclared identifier" };
            self.wrong(place, 256, format!("{what}: '{name}'"));
            return Value::any();
        };
        // Inputs are constant, but not known when the program is compiled.
        let fixed = global.constant && !global.input && !name.starts_with('_') || global.number.is_some();
        let lvalue = !matches!(global.ty.base, Base::Enum(_)) || !global.builtin;
        Value { lvalue, constant: global.constant, number: global.number, fixed, ..Value::of(global.ty.clone()) }
    }

    fn scoped_value(&mut self, place: Place, left: &str, name: &str) -> Value {
        if left.is_empty() {
            return self.global_value(place, name);
        }
        match self.table.field(left, name) {
            Some(field) if field.is_static => Value { lvalue: true, constant: field.constant, ..Value::of(field.ty.clone()) },
            // An enumeration's own constants.
            None if self.table.enums.contains(left) => self.global_value(place, name),
            _ => {
                self.wrong(place, 256, format!("undeclared identifier '{left}::{name}'"));
                Value::any()
            }
        }
    }

    fn member(&mut self, place: Place, object: &Expr, name: &str) -> Value {
        let object = self.value(object);
        if object.ty.is_any() {
            return Value::any();
        }
        let Some(class) = object.ty.class().map(str::to_owned) else {
            self.wrong(place, 280, format!("{} has no members", object.ty));
            return Value::any();
        };
        let Some(field) = self.table.field(&class, name) else {
            self.wrong(place, 130, format!("{class} has no member '{name}'"));
            return Value::any();
        };
        let own = self.inside.class.as_deref() == Some(field.class.as_str());
        let derived = self.inside.class.as_deref().is_some_and(|inside| self.table.derives(inside, &field.class));
        match field.access {
            Access::Private if !own => self.wrong(place, 211, format!("'{name}' is a private member of {}", field.class)),
            Access::Protected if !derived => self.wrong(place, 204, format!("'{name}' is a protected member of {}", field.class)),
            _ => {}
        }
        let constant = field.constant || if object.ty.pointer { object.frozen } else { object.constant };
        Value { lvalue: true, constant, ..Value::of(field.ty.clone()) }
    }

    fn index(&mut self, place: Place, array: &Expr, index: &Expr) -> Value {
        let (array, at) = (self.value(array), self.value(index));
        match at.ty.number() {
            Some(scalar) if !scalar.is_real() => {}
            _ if at.ty.is_any() => {}
            _ => self.wrong(index.place, 173, format!("an index is an integer, not {}", at.ty)),
        }
        if array.ty.is_any() && array.ty.dims.is_empty() {
            return Value::any();
        }
        let Some((first, rest)) = array.ty.dims.split_first() else {
            self.wrong(place, 241, format!("{} is no array", array.ty));
            return Value::any();
        };
        if let (Some(size), Some(at)) = (first, at.number)
            && (at < 0 || at >= i128::from(*size))
        {
            self.wrong(index.place, 218, format!("{at} is outside of an array of {size}"));
        }
        let ty = Type { base: array.ty.base.clone(), pointer: array.ty.pointer, dims: rest.to_vec() };
        Value { lvalue: true, constant: array.constant, frozen: false, ..Value::of(ty) }
    }

    fn unary(&mut self, place: Place, operator: &str, inner: &Expr) -> Value {
        let value = self.value(inner);
        if value.ty.is_any() {
            return Value::any();
        }
        if operator == "++" || operator == "--" {
            self.may_change(place, &value);
        }
        let number = value.number.and_then(|number| table::unary(operator, number));
        if operator == "-" && value.number.is_none() && matches!(value.ty.number(), Some(Scalar::ULong | Scalar::Bool)) {
            let number = if value.ty.number() == Some(Scalar::ULong) { 67 } else { 66 };
            self.warn(place, number, format!("'-' of {} is undefined or unsafe", value.ty));
        }
        let Some(scalar) = value.ty.number() else {
            if operator == "!" && value.ty.pointer {
                return Value::of(Type::scalar(Scalar::Bool));
            }
            self.wrong(
                place,
                if value.ty.is_string() { 180 } else { 150 },
                format!("'{operator}' cannot be applied to {}", value.ty),
            );
            return Value::any();
        };
        let ty = match operator {
            "!" => Scalar::Bool,
            "++" | "--" => return Value { lvalue: false, number: None, ..value },
            "~" if scalar.is_real() => {
                self.wrong(place, 173, "'~' needs an integer");
                Scalar::Int
            }
            _ => scalar.common(Scalar::Int),
        };
        Value { number, fixed: value.fixed, ..Value::of(Type::scalar(ty)) }
    }

    fn binary(&mut self, place: Place, operator: &str, left: &Expr, right: &Expr) -> Value {
        let (a, b) = (self.value(left), self.value(right));
        if a.ty.is_any() || b.ty.is_any() {
            return Value::any();
        }
        let fixed = a.fixed && b.fixed;
        let truth = Value { fixed, ..Value::of(Type::scalar(Scalar::Bool)) };
        if operator == "&&" || operator == "||" {
            self.truth(left.place, &a);
            self.truth(right.place, &b);
            return truth;
        }
        let compares = matches!(operator, "==" | "!=" | "<" | ">" | "<=" | ">=");
        if let (Some(x), Some(y)) = (a.ty.number(), b.ty.number()) {
            return if compares {
                self.sign(place, operator, &a, &b);
                truth
            } else {
                self.arithmetic(place, operator, &a, &b, x, y)
            };
        }
        let null = |value: &Value| value.ty.base == Base::Null;
        let equality = operator == "==" || operator == "!=";
        let may_compare = (a.ty.is_string() && b.ty.is_string())
            || (equality && (a.ty.is_string() || a.ty.pointer) && null(&b))
            || (equality && null(&a) && (b.ty.is_string() || b.ty.pointer))
            || (equality && a.ty.pointer && b.ty.pointer && self.related(&a.ty, &b.ty))
            || (null(&a) && b.ty.number().is_some())
            || (null(&b) && a.ty.number().is_some());
        if compares && may_compare {
            return truth;
        }
        if operator == "+" && a.ty.is_string() && b.ty.is_string() {
            return Value { fixed, ..Value::of(Type::scalar(Scalar::String)) };
        }
        let (number, text) = match (a.ty.is_string(), b.ty.is_string()) {
            (true, false) | (false, true) if a.ty.number().or(b.ty.number()).is_some() => {
                let other = if a.ty.is_string() { &b.ty } else { &a.ty };
                if compares || operator != "+" {
                    (180, format!("implicit conversion between string and {other}"))
                } else {
                    (181, format!("implicit conversion of {other} to string: say which form it shall have"))
                }
            }
            _ => (150, format!("'{operator}' cannot be applied to {} and {}", a.ty, b.ty)),
        };
        self.wrong(place, number, text);
        Value::any()
    }

    fn related(&self, a: &Type, b: &Type) -> bool {
        match (a.class(), b.class()) {
            (Some(a), Some(b)) => self.table.derives(a, b) || self.table.derives(b, a),
            _ => false,
        }
    }

    /// 45: one side may be below zero, and is compared as if it could not.
    fn sign(&mut self, place: Place, operator: &str, a: &Value, b: &Value) {
        let (Some(x), Some(y)) = (a.ty.number(), b.ty.number()) else { return };
        let unsigned = |value: &Value, scalar: Scalar| value.number.is_none() && !scalar.is_signed() && scalar != Scalar::Bool;
        let never = (unsigned(a, x) && b.number == Some(0) && matches!(operator, "<" | ">="))
            || (unsigned(b, y) && a.number == Some(0) && matches!(operator, ">" | "<="));
        if never {
            self.warn(place, 65, "this is always true or always false: the number is never below zero");
        }
        // Same size or an unsigned common type: one of them is read as what it is not.
        let mixed = x.size() == y.size() || !x.common(y).is_signed() || x == Scalar::ULong || y == Scalar::ULong;
        if !mixed || x.is_real() || y.is_real() {
            return;
        }
        let differs =
            |value: &Value, scalar: Scalar| scalar.is_signed() && value.number.map_or(!value.fixed, |number| number < 0);
        if (x.is_signed() != y.is_signed()) && (differs(a, x) || differs(b, y)) {
            self.warn(place, 45, format!("sign mismatch: {} and {}", a.ty, b.ty));
        }
    }

    fn arithmetic(&mut self, place: Place, operator: &str, a: &Value, b: &Value, x: Scalar, y: Scalar) -> Value {
        let integers = matches!(operator, "%" | "&" | "|" | "^" | "<<" | ">>");
        if integers && (x.is_real() || y.is_real()) {
            self.wrong(place, 173, format!("'{operator}' needs integers, {} and {} given", a.ty, b.ty));
        }
        if matches!(operator, "/" | "%") && b.number == Some(0) {
            self.wrong(place, 198, "division by zero");
        }
        let ty = if matches!(operator, "<<" | ">>") { x.common(Scalar::Int) } else { x.common(y) };
        let number = a.number.zip(b.number).and_then(|(a, b)| table::binary(operator, a, b));
        if !integers && (x == Scalar::Bool || y == Scalar::Bool) {
            self.warn(place, 66, "a bool in a calculation is unsafe");
        }
        if matches!(operator, "+" | "-" | "*") && number.is_some_and(|number| ty.overflows(number)) {
            self.warn(place, 59, format!("this constant is too large for {}", Type::scalar(ty)));
        }
        if matches!(operator, "<<" | ">>") && b.number.is_some_and(|by| by < 0 || by >= i128::from(8 * ty.size())) {
            self.warn(place, 75, format!("a {} is not shifted so far", Type::scalar(ty)));
        }
        Value { number, fixed: a.fixed && b.fixed, ..Value::of(Type::scalar(ty)) }
    }

    /// A condition.
    pub(super) fn truth(&mut self, place: Place, value: &Value) {
        self.assigned(place, value, &Type::scalar(Scalar::Bool));
    }

    /// The place of a value is about to be written.
    fn may_change(&mut self, place: Place, value: &Value) {
        if !value.lvalue {
            self.wrong(place, 177, "a variable is expected here");
        } else if value.constant {
            let number = if self.inside.constant { 274 } else { 189 };
            self.wrong(place, number, "a constant cannot be changed");
        }
    }

    fn assignment(&mut self, place: Place, operator: &str, left: &Expr, right: &Expr) -> Value {
        let (to, from) = (self.value(left), self.value(right));
        if to.ty.is_any() {
            return Value::any();
        }
        self.may_change(place, &to);
        let result = Value { number: None, fixed: false, ..to.clone() };
        if operator == "=" || (operator == "+=" && to.ty.is_string()) {
            self.assigned(place, &from, &to.ty);
            return result;
        }
        if from.ty.is_any() {
            return result;
        }
        let (Some(x), Some(y)) = (to.ty.number(), from.ty.number()) else {
            let number = if from.ty.is_string() { 180 } else { 150 };
            self.wrong(place, number, format!("'{operator}' cannot be applied to {} and {}", to.ty, from.ty));
            return result;
        };
        let plain = operator.trim_end_matches('=');
        self.arithmetic(place, plain, &Value { number: None, ..to.clone() }, &from, x, y);
        if matches!(to.ty.base, Base::Enum(_)) {
            self.wrong(place, 262, format!("cannot convert a number to {} without a cast", to.ty));
        } else if !matches!(plain, "<<" | ">>" | "&") {
            self.assigned(place, &from, &to.ty);
        }
        result
    }

    fn ternary(&mut self, place: Place, condition: &Expr, yes: &Expr, no: &Expr) -> Value {
        let first = self.value(condition);
        self.truth(condition.place, &first);
        let (a, b) = (self.value(yes), self.value(no));
        if a.ty.is_any() || b.ty.is_any() {
            return Value::any();
        }
        let fixed = first.fixed && a.fixed && b.fixed;
        if a.ty == b.ty && !a.ty.is_array() {
            return Value { fixed, frozen: a.frozen || b.frozen, ..Value::of(a.ty) };
        }
        let ty = match (a.ty.number(), b.ty.number()) {
            (Some(x), Some(y)) => Some(Type::scalar(x.common(y))),
            _ if b.ty.base == Base::Null => Some(a.ty.clone()),
            _ if a.ty.base == Base::Null => Some(b.ty.clone()),
            _ if a.ty.pointer && b.ty.pointer && self.table.assign(&a, &b.ty).is_ok() => Some(b.ty.clone()),
            _ if a.ty.pointer && b.ty.pointer && self.table.assign(&b, &a.ty).is_ok() => Some(a.ty.clone()),
            _ => None,
        };
        let Some(ty) = ty else {
            let number = if a.ty.is_string() || b.ty.is_string() { 181 } else { 302 };
            self.wrong(place, number, format!("{} or {}: the two results have no common type", a.ty, b.ty));
            return Value::any();
        };
        // A literal that fits does not lose anything afterwards.
        let number = a.number.zip(b.number).map(|(a, b)| a.abs().max(b.abs()));
        Value { fixed, number, ..Value::of(ty) }
    }

    fn cast(&mut self, place: Place, ty: &TypeName, inner: &Expr) -> Value {
        let (to, from) = (self.resolve(ty), self.value(inner));
        if from.ty.is_any() || to.is_any() {
            return Value { number: from.number, ..Value::fixed(to) };
        }
        let simple = |ty: &Type| ty.number().is_some() || ty.is_string();
        let pointers = to.pointer && (from.ty.base == Base::Null || (from.ty.pointer && self.related(&to, &from.ty)));
        let objects = to.object().is_some() && from.ty.class().is_some() && self.table.assign(&from, &to).is_ok();
        let null = from.ty.base == Base::Null && simple(&to);
        if !((simple(&to) && simple(&from.ty)) || pointers || objects || null) {
            self.wrong(place, 252, format!("{} cannot be cast to {to}", from.ty));
        }
        let number = if to.number().is_some_and(|scalar| !scalar.is_real()) { from.number } else { None };
        Value { number, fixed: from.fixed, frozen: from.frozen, ..Value::of(to) }
    }

    fn new_object(&mut self, place: Place, class: &str, arguments: &[Expr]) -> Value {
        if !self.declared.contains(class) || self.table.base(class).is_none() {
            self.wrong(place, 256, format!("undeclared identifier '{class}'"));
            return Value::any();
        }
        if !self.table.is_class(class) {
            self.wrong(place, 156, format!("'new' makes objects of classes, and {class} is none"));
            return Value::any();
        }
        self.concrete(place, class);
        self.construct(place, class, arguments);
        Value::of(Type::pointer_to(class.to_owned()))
    }

    /// An object of it can be made.
    pub(super) fn concrete(&mut self, place: Place, class: &str) {
        if self.table.classes.get(class).is_some_and(|found| found.shape == Shape::Interface) {
            self.wrong(place, 399, format!("an object of the interface {class} cannot be made"));
        } else if let Some(method) = self.table.abstract_method(class) {
            self.wrong(place, 383, format!("cannot make an object of {class}: {method} is abstract"));
        }
    }

    fn delete(&mut self, place: Place, inner: &Expr) -> Value {
        let value = self.value(inner);
        if value.ty.is_array() {
            self.wrong(place, 235, "an array cannot be deleted");
        } else if !value.ty.pointer && !value.ty.is_any() {
            self.wrong(place, 237, format!("'delete' needs a pointer, not {}", value.ty));
        }
        Value::of(Type::of(Base::Void))
    }

    /// An expression whose value must be known when the program is compiled.
    pub(super) fn constant_expr(&mut self, expr: &Expr) -> Value {
        let value = self.value(expr);
        if !value.fixed {
            self.wrong(expr.place, 188, "a constant expression is required");
        }
        value
    }
}
