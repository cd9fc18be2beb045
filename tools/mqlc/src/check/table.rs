//! What a program has: its types, functions, constants.

use crate::{
    ast::{Access, Aggregate, Expr, ExprKind, Function, Item, Member, Shape, TypeName, Variable},
    diagnostic::{Diagnostic, Place},
    types::{Base, Scalar, Type},
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// A parameter of a function.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) ty: Type,
    pub(super) reference: bool,
    pub(super) constant: bool,
    /// Its default value, spelled out.
    pub(super) default: Option<String>,
}

/// A function or a method.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) result: Type,
    pub(super) parameters: Vec<Parameter>,
    pub(super) variadic: bool,
    pub(super) constant: bool,
    pub(super) is_static: bool,
    pub(super) is_virtual: bool,
    pub(super) pure: bool,
    pub(super) written: bool,
    pub(super) access: Access,
    pub(super) class: Option<String>,
    pub(super) builtin: bool,
}

impl Signature {
    /// The same types of parameters.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = |(a, b): (&Parameter, &Parameter)| a.ty == b.ty && a.reference == b.reference;
        self.parameters.len() == other.parameters.len() && self.parameters.iter().zip(&other.parameters).all(same)
    }
}

/// A field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) ty: Type,
    pub(super) access: Access,
    pub(super) is_static: bool,
    pub(super) constant: bool,
    pub(super) class: String,
}

/// An aggregate.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) shape: Shape,
    pub(super) base: Option<String>,
    /// In their order.
    pub(super) fields: Vec<(String, Rc<Field>)>,
    pub(super) methods: HashMap<String, Vec<Rc<Signature>>>,
    builtin: bool,
    /// Not only declared ahead.
    whole: bool,
}

/// A global variable or a constant.
#[derive(Debug, Clone)]
pub(super) struct Global {
    pub(super) ty: Type,
    pub(super) constant: bool,
    pub(super) number: Option<i128>,
    pub(super) builtin: bool,
    pub(super) input: bool,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) classes: HashMap<String, Class>,
    pub(super) enums: HashSet<String>,
    pub(super) functions: HashMap<String, Vec<Rc<Signature>>>,
    /// By library without its ending.
    pub(super) imports: HashMap<String, HashMap<String, Vec<Rc<Signature>>>>,
    pub(super) variables: HashMap<String, Global>,
    /// Numbers of constants whose place in the program does not matter.
    numbers: HashMap<String, i128>,
    /// The tables of builtins are being taken in.
    pub(super) builtin: bool,
}

impl Table {
    pub(super) fn base(&self, name: &str) -> Option<Base> {
        if name == "void" {
            return Some(Base::Void);
        }
        if name == "any" && self.builtin {
            return Some(Base::Any);
        }
        if let Some(scalar) = Scalar::named(name) {
            return Some(Base::Scalar(scalar));
        }
        if self.enums.contains(name) {
            return Some(Base::Enum(name.to_owned()));
        }
        self.classes.contains_key(name).then(|| Base::Aggregate(name.to_owned()))
    }

    pub(super) fn is_class(&self, name: &str) -> bool {
        self.classes.get(name).is_some_and(|class| matches!(class.shape, Shape::Class | Shape::Interface))
    }

    /// The class itself and all that it inherits from.
    pub(super) fn line(&self, class: &str) -> Vec<String> {
        let mut found = vec![class.to_owned()];
        while let Some(base) = found.last().and_then(|name| self.classes.get(name)).and_then(|class| class.base.clone()) {
            if found.contains(&base) {
                break;
            }
            found.push(base);
        }
        found
    }

    pub(super) fn derives(&self, from: &str, to: &str) -> bool {
        self.line(from).iter().any(|name| name == to)
    }

    /// A structure of numbers only: its bytes are all there is.
    pub(super) fn is_simple(&self, name: &str) -> bool {
        self.holds_no(name, 0, &|table, field| {
            let dynamic = field.ty.dims.iter().any(Option::is_none);
            let object = matches!(&field.ty.base, Base::Aggregate(name) if table.is_class(name));
            dynamic || object || field.ty.pointer || field.ty.base == Base::Scalar(Scalar::String)
        }) && !self.is_class(name)
    }

    /// An object of a class is in it, which cannot be copied.
    pub(super) fn holds_objects(&self, name: &str) -> bool {
        !self.holds_no(name, 0, &|table, field| {
            !field.ty.pointer && matches!(&field.ty.base, Base::Aggregate(name) if table.is_class(name))
        })
    }

    /// No field of it, however deep, is such a one.
    fn holds_no(&self, name: &str, depth: u32, such: &dyn Fn(&Self, &Field) -> bool) -> bool {
        let line = self.line(name);
        let mut fields = line.iter().filter_map(|name| self.classes.get(name)).flat_map(|class| &class.fields);
        depth > 64
            || fields.all(|(_, field)| {
                !such(self, field)
                    && match &field.ty.base {
                        Base::Aggregate(inner) if !field.ty.pointer => self.holds_no(inner, depth + 1, such),
                        _ => true,
                    }
            })
    }

    pub(super) fn field(&self, class: &str, name: &str) -> Option<Rc<Field>> {
        let of = |class: &String| {
            self.classes.get(class)?.fields.iter().find(|(found, _)| found == name).map(|(_, field)| field.clone())
        };
        self.line(class).iter().find_map(of)
    }

    pub(super) fn methods(&self, class: &str, name: &str) -> Vec<Rc<Signature>> {
        let of = |class: &String| self.classes.get(class)?.methods.get(name).cloned();
        self.line(class).iter().find_map(of).unwrap_or_default()
    }

    /// A pure method that nothing in the line implements.
    pub(super) fn abstract_method(&self, class: &str) -> Option<String> {
        let line = self.line(class);
        for (depth, name) in line.iter().enumerate() {
            for method in self.classes.get(name)?.methods.values().flatten().filter(|method| method.pure) {
                let done = line[..depth].iter().filter_map(|below| self.classes.get(below)?.methods.get(&method.name));
                if !done.flatten().any(|below| below.is_like(method) && !below.pure) {
                    return Some(method.name.clone());
                }
            }
        }
        None
    }

    /// In bytes; good enough to see half a megabyte.
    pub(super) fn size(&self, ty: &Type) -> u64 {
        self.size_within(ty, 0)
    }

    /// `depth`: so many aggregates are around it. One that holds itself has no size; that is told elsewhere.
    fn size_within(&self, ty: &Type, depth: u32) -> u64 {
        if depth > 64 {
            return 0;
        }
        let size = |ty: &Type| self.size_within(ty, depth + 1);
        let one = match &ty.base {
            _ if ty.pointer => 8,
            Base::Scalar(scalar) => scalar.size(),
            Base::Enum(_) => 4,
            Base::Aggregate(name) => {
                let own = self.classes.get(name).map_or(0, |class| class.fields.iter().map(|(_, field)| size(&field.ty)).sum());
                let base = self.classes.get(name).and_then(|class| class.base.clone());
                own + base.map_or(0, |base| size(&Type::of(Base::Aggregate(base))))
            }
            _ => 0,
        };
        // A dynamic array is a descriptor.
        ty.dims.iter().try_fold(one, |size: u64, dim| dim.map(|dim| size.saturating_mul(dim))).unwrap_or(60)
    }

    /// The names of types, and enumerations.
    pub(super) fn names(&mut self, items: &[Item], findings: &mut Vec<Diagnostic>) {
        for item in items {
            match item {
                Item::Aggregate(Aggregate { place, name, shape, base, members, .. }) => {
                    let known = members.is_some() && self.classes.get(name).is_some_and(|class| class.whole);
                    if known || self.enums.contains(name) {
                        findings.push(Diagnostic::error(*place, 127, format!("there is a type {name} already")));
                    }
                    let base = base.as_ref().map(|(_, base)| base.clone());
                    let (fields, methods) = (Vec::new(), HashMap::new());
                    let new = Class { shape: *shape, base, fields, methods, builtin: self.builtin, whole: members.is_some() };
                    if members.is_some() || !self.classes.contains_key(name) {
                        self.classes.insert(name.clone(), new);
                    }
                }
                Item::Enum(place, name, members) => self.enumeration(*place, name, members, findings),
                Item::Variables(_, variables) => {
                    for variable in variables.iter().filter(|variable| variable.ty.constant) {
                        if let Some(number) = variable.init.as_ref().and_then(|init| self.fold(init)) {
                            self.numbers.insert(variable.name.clone(), number);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn enumeration(
        &mut self,
        place: Place,
        name: &str,
        members: &[(Place, String, Option<Expr>)],
        findings: &mut Vec<Diagnostic>,
    ) {
        if !name.is_empty() && (!self.enums.insert(name.to_owned()) || self.classes.contains_key(name)) {
            findings.push(Diagnostic::error(place, 191, format!("there is a type {name} already")));
        }
        let mut next = Some(0);
        for (place, member, value) in members {
            next = if self.builtin { None } else { value.as_ref().map_or(next, |value| self.fold(value)) };
            let ty = if name.is_empty() { Type::scalar(Scalar::Int) } else { Type::of(Base::Enum(name.to_owned())) };
            let new = Global { ty, constant: true, number: next, builtin: self.builtin, input: false };
            if self.variables.insert(member.clone(), new).is_some() {
                findings.push(Diagnostic::error(*place, 191, format!("'{member}' is declared already")));
            }
            next = next.map(|value| value + 1);
        }
    }

    /// Functions, and what is in aggregates. All types must be known.
    pub(super) fn contents(&mut self, items: &[Item], findings: &mut Vec<Diagnostic>) {
        for item in items {
            match item {
                Item::Function(function) if function.class.is_none() => {
                    let new = self.signature(function, Access::Public, None);
                    self.add_function(new, findings);
                }
                Item::Import(_, library, functions) => {
                    let library = library.rsplit_once('.').map_or(library.as_str(), |(stem, _)| stem).to_owned();
                    for function in functions {
                        let new = Rc::new(Signature { written: true, ..self.signature(function, Access::Public, None) });
                        let entry = self.imports.entry(library.clone()).or_default().entry(function.name.clone()).or_default();
                        entry.push(new.clone());
                        self.functions.entry(function.name.clone()).or_default().push(new);
                    }
                }
                Item::Aggregate(Aggregate { name, members: Some(members), .. }) => {
                    members.iter().for_each(|member| self.member(name, member, findings));
                }
                _ => {}
            }
        }
    }

    fn add_function(&mut self, new: Signature, findings: &mut Vec<Diagnostic>) {
        let there = self.functions.entry(new.name.clone()).or_default();
        if !self.builtin && there.iter().any(|other| other.builtin) {
            findings.push(Diagnostic::error(new.place, 271, format!("{} is a function of the terminal", new.name)));
            return;
        }
        if let Some(other) = there.iter_mut().find(|other| other.is_like(&new) && !other.builtin) {
            if other.result != new.result {
                findings.push(Diagnostic::error(new.place, 163, format!("{} has another type of result before", new.name)));
            } else if other.written && new.written {
                findings.push(Diagnostic::error(new.place, 165, format!("{} has a body already", new.name)));
            }
            differing_defaults(other, &new, findings);
            if new.written {
                let parameters = with_defaults(&new.parameters, &other.parameters);
                *other = Rc::new(Signature { parameters, ..new });
            }
            return;
        }
        there.push(Rc::new(new));
    }

    fn member(&mut self, class: &str, member: &Member, findings: &mut Vec<Diagnostic>) {
        match member {
            Member::Fields(access, fields) => {
                for field in fields {
                    let new = Field {
                        ty: self.ty(&field.ty, &field.dims),
                        access: *access,
                        is_static: field.is_static,
                        constant: field.ty.constant && !field.ty.pointer,
                        class: class.to_owned(),
                    };
                    let Some(into) = self.classes.get_mut(class) else { return };
                    if into.fields.iter().any(|(name, _)| *name == field.name) {
                        findings.push(Diagnostic::error(field.place, 129, format!("there is a member {} already", field.name)));
                    }
                    into.fields.push((field.name.clone(), Rc::new(new)));
                }
            }
            Member::Method(access, method) => {
                let new = self.signature(method, *access, Some(class));
                let Some(into) = self.classes.get_mut(class) else { return };
                let there = into.methods.entry(method.name.clone()).or_default();
                if there.iter().any(|other| other.is_like(&new)) {
                    findings.push(Diagnostic::error(
                        method.place,
                        222,
                        format!("there is a method {} like this already", method.name),
                    ));
                }
                there.push(Rc::new(new));
            }
        }
    }

    /// Bodies of methods outside of their classes.
    pub(super) fn bodies(&mut self, items: &[Item], findings: &mut Vec<Diagnostic>) {
        for item in items {
            let Item::Function(function) = item else { continue };
            let Some(class) = &function.class else { continue };
            let new = self.signature(function, Access::Public, Some(class));
            let Some(into) = self.classes.get_mut(class) else {
                findings.push(Diagnostic::error(function.place, 256, format!("undeclared identifier '{class}'")));
                continue;
            };
            let there = into.methods.get_mut(&function.name).map(Vec::as_mut_slice).unwrap_or_default();
            if there.is_empty() {
                findings.push(Diagnostic::error(function.place, 213, format!("{class} has no method {}", function.name)));
                continue;
            }
            let Some(declared) = there.iter_mut().find(|other| other.is_like(&new)) else {
                findings.push(Diagnostic::error(
                    function.place,
                    224,
                    format!("{} is declared with other parameters", function.name),
                ));
                continue;
            };
            differing_defaults(declared, &new, findings);
            let wrong = match () {
                () if declared.written => Some((165, "has a body already")),
                () if declared.result != new.result => Some((163, "has another type of result in its class")),
                () if declared.constant && !new.constant => Some((306, "was declared as const")),
                () if !declared.constant && new.constant => Some((307, "was not declared as const")),
                () => None,
            };
            if let Some((number, text)) = wrong {
                findings.push(Diagnostic::error(function.place, number, format!("{} {text}", function.name)));
            }
            *declared = Rc::new(Signature { written: true, ..(**declared).clone() });
        }
    }

    /// Functions that were declared and have no body.
    pub(super) fn unwritten(&self) -> Vec<Place> {
        let methods = self.classes.values().filter(|class| !class.builtin).flat_map(|class| class.methods.values());
        let all = self.functions.values().chain(methods).flatten();
        let mut found: Vec<_> = all.filter(|one| !one.builtin && !one.written && !one.pure).map(|one| one.place).collect();
        found.sort();
        found
    }

    pub(super) fn signature(&self, function: &Function, access: Access, class: Option<&str>) -> Signature {
        let parameter = |variable: &Variable| Parameter {
            ty: self.ty(&variable.ty, &variable.dims),
            reference: variable.reference || !variable.dims.is_empty(),
            constant: variable.ty.constant && !variable.ty.pointer,
            default: variable.init.as_ref().map(spelled),
        };
        let in_interface = class.and_then(|class| self.classes.get(class)).is_some_and(|class| class.shape == Shape::Interface);
        Signature {
            place: function.place,
            name: function.name.clone(),
            result: function.result.as_ref().map_or(Type::of(Base::Void), |result| self.ty(result, &[])),
            parameters: function.parameters.iter().map(parameter).collect(),
            variadic: function.variadic,
            constant: function.constant,
            is_static: function.is_static,
            is_virtual: function.is_virtual || in_interface,
            pure: function.pure || (in_interface && function.body.is_none()),
            written: function.body.is_some(),
            access,
            class: class.map(str::to_owned),
            builtin: self.builtin,
        }
    }

    /// The type of a declaration; what is wrong with it is told where it is checked.
    pub(super) fn ty(&self, name: &TypeName, dims: &[Option<Expr>]) -> Type {
        let base = self.base(&name.name).unwrap_or(Base::Any);
        let size =
            |dim: &Option<Expr>| dim.as_ref().map(|dim| self.fold(dim).and_then(|size| u64::try_from(size).ok()).unwrap_or(1));
        Type { base, pointer: name.pointer, dims: dims.iter().map(size).collect() }
    }

    pub(super) fn builtin_variable(&mut self, variable: &Variable) {
        let ty = self.ty(&variable.ty, &variable.dims);
        let new = Global { ty, constant: variable.ty.constant, number: None, builtin: true, input: false };
        self.variables.insert(variable.name.clone(), new);
    }

    /// The value of a constant integer expression, as far as it can be told without the order of declarations.
    pub(super) fn fold(&self, expr: &Expr) -> Option<i128> {
        match &expr.kind {
            ExprKind::Number(text) => number(text).1,
            ExprKind::Bool(value) => Some(i128::from(*value)),
            ExprKind::Name(name) => {
                self.numbers.get(name).copied().or_else(|| self.variables.get(name).and_then(|found| found.number))
            }
            ExprKind::Cast(_, inner) => self.fold(inner),
            ExprKind::Unary(operator, inner) => unary(operator, self.fold(inner)?),
            ExprKind::Binary(operator, left, right) => binary(operator, self.fold(left)?, self.fold(right)?),
            _ => None,
        }
    }
}

fn differing_defaults(declared: &Signature, new: &Signature, findings: &mut Vec<Diagnostic>) {
    for (a, b) in declared.parameters.iter().zip(&new.parameters) {
        if b.default.is_some() && a.default != b.default {
            let text = format!("{} has another default value where it was declared", new.name);
            findings.push(Diagnostic::error(new.place, 278, text));
        }
    }
}

fn with_defaults(new: &[Parameter], old: &[Parameter]) -> Vec<Parameter> {
    let both = new.iter().zip(old);
    both.map(|(new, old)| Parameter { default: new.default.clone().or_else(|| old.default.clone()), ..new.clone() }).collect()
}

/// A literal's type and its value, if it is an integer.
pub(super) fn number(text: &str) -> (Scalar, Option<i128>) {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let clean: String = text.chars().filter(|letter| *letter != '_').collect();
    let value = hex.map_or_else(|| clean.parse::<i128>().ok(), |hex| i128::from_str_radix(hex, 16).ok());
    let Some(value) = value else {
        return (if clean.ends_with(['f', 'F']) { Scalar::Float } else { Scalar::Double }, None);
    };
    let scalar = match value {
        _ if value <= i128::from(i32::MAX) => Scalar::Int,
        _ if value <= i128::from(u32::MAX) => Scalar::UInt,
        _ if value <= i128::from(i64::MAX) => Scalar::Long,
        _ => Scalar::ULong,
    };
    (scalar, Some(value))
}

pub(super) fn unary(operator: &str, value: i128) -> Option<i128> {
    match operator {
        "-" => Some(-value),
        "+" => Some(value),
        "!" => Some(i128::from(value == 0)),
        _ => None,
    }
}

pub(super) fn binary(operator: &str, a: i128, b: i128) -> Option<i128> {
    match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        "<<" => u32::try_from(b).ok().filter(|b| *b < 64).map(|b| a << b),
        ">>" => u32::try_from(b).ok().filter(|b| *b < 64).map(|b| a >> b),
        "&" => Some(a & b),
        "|" => Some(a | b),
        "^" => Some(a ^ b),
        _ => None,
    }
}

/// An expression in a form that can be compared.
pub(super) fn spelled(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(text) | ExprKind::Name(text) => text.clone(),
        ExprKind::Unary(operator, inner) => format!("{operator}{}", spelled(inner)),
        ExprKind::Binary(operator, left, right) => format!("{}{operator}{}", spelled(left), spelled(right)),
        ExprKind::Cast(ty, inner) => format!("({}){}", ty.name, spelled(inner)),
        ExprKind::Bool(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}
