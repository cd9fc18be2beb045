//! What stands at the top level and in classes.

use super::{Parsed, Parser};
use crate::{
    ast::{Access, Aggregate, Function, Item, Member, Shape, Storage, TypeName, Variable},
    diagnostic::{Diagnostic, Place},
    lex::Kind,
};

/// What stands before a declaration.
#[derive(Default, Clone, Copy)]
struct Marks {
    is_virtual: bool,
    is_static: bool,
}

impl Parser<'_> {
    pub(super) fn items(&mut self) -> Parsed<Vec<Item>> {
        let mut found = Vec::new();
        while let Some(token) = self.look(0) {
            if self.take(";") || (token.kind == Kind::Import && token.text.is_empty()) {
                self.at += usize::from(token.kind == Kind::Import);
            } else if token.kind == Kind::Import {
                found.push(self.import()?);
            } else if let Some(item) = self.item()? {
                found.push(item);
            }
        }
        Ok(found)
    }

    fn import(&mut self) -> Parsed<Item> {
        let (place, library) = (self.place(), self.tokens[self.at].text.clone());
        self.at += 1;
        let mut found = Vec::new();
        loop {
            match self.look(0) {
                None => return Err(Diagnostic::error(place, 300, "#import was not closed")),
                Some(token) if token.kind == Kind::Import => return Ok(Item::Import(place, library, found)),
                Some(_) => {
                    let result = self.type_name()?;
                    let (place, name) = self.name()?;
                    let function = self.function(place, name, Some(result), Marks::default())?;
                    if function.body.is_some() {
                        return Err(Diagnostic::error(function.place, 160, "an imported function has no body"));
                    }
                    found.push(function);
                }
            }
        }
    }

    fn item(&mut self) -> Parsed<Option<Item>> {
        let word = self.look(0).map_or("", |token| token.text.as_str());
        match word {
            "class" => self.aggregate(Shape::Class).map(Some),
            "interface" => self.aggregate(Shape::Interface).map(Some),
            "struct" => self.aggregate(Shape::Struct).map(Some),
            "union" => self.aggregate(Shape::Union).map(Some),
            "enum" => self.enumeration().map(Some),
            "input" | "sinput" | "extern" => {
                self.at += 1;
                if word != "extern" && self.take_word("group") {
                    if self.look(0).is_none_or(|token| token.kind != Kind::Text) {
                        return Err(self.unexpected(157, "the group's name is expected"));
                    }
                    self.at += 1;
                    return Ok(None);
                }
                let ty = self.type_name()?;
                self.variables(&ty, false).map(|found| Some(Item::Variables(Storage::Input, found)))
            }
            _ => self.function_or_variables().map(Some),
        }
    }

    fn function_or_variables(&mut self) -> Parsed<Item> {
        let is_static = self.take_word("static");
        // C::C( and C::~C(
        if self.is_name(0) && self.is_at(1, "::") && (self.is_at(2, "~") || self.is_at(3, "(")) {
            let (_, class) = self.name()?;
            self.at += 1;
            let (place, name) = self.method_name()?;
            let mut function = self.function(place, name, None, Marks::default())?;
            function.class = Some(class);
            return Ok(Item::Function(Box::new(function)));
        }
        if !self.is_word("const") && !self.is_name(0) {
            return Err(self.unexpected(149, "a declaration is expected"));
        }
        let ty = self.type_name()?;
        if self.is("&") {
            return Err(self.unexpected(229, "a reference can only be a parameter"));
        }
        if self.is_name(0) && self.is_at(1, "::") {
            let (_, class) = self.name()?;
            self.at += 1;
            let (place, name) = self.method_name()?;
            if self.is("(") {
                let mut function = self.function(place, name, Some(ty), Marks::default())?;
                function.class = Some(class);
                return Ok(Item::Function(Box::new(function)));
            }
            let dims = self.dims()?;
            let init = if self.take("=") { Some(self.initializer()?) } else { None };
            self.expect(";")?;
            let name = format!("{class}::{name}");
            return Ok(Item::StaticMember(Variable {
                place,
                name,
                ty,
                reference: false,
                dims,
                init,
                construct: None,
                is_static: true,
            }));
        }
        let is_function = self.is_name(0) && self.is_at(1, "(") && (self.builtin || self.is_parameter_list(2));
        if is_function {
            let (place, name) = self.name()?;
            return self.function(place, name, Some(ty), Marks::default()).map(|found| Item::Function(Box::new(found)));
        }
        self.variables(&ty, is_static).map(|found| Item::Variables(Storage::Plain, found))
    }

    /// Tells `int f(int a)` from `C a(1)`.
    fn is_parameter_list(&self, ahead: usize) -> bool {
        let is_const = self.look(ahead).is_some_and(|token| token.is_word("const"));
        self.is_at(ahead, ")")
            || is_const
            || self.is_type(ahead)
            || (self.is_name(ahead) && (self.is_name(ahead + 1) || self.is_at(ahead + 1, "&")))
    }

    fn method_name(&mut self) -> Parsed<(Place, String)> {
        let destructor = self.take("~");
        let (place, name) = self.name()?;
        Ok((place, if destructor { format!("~{name}") } else { name }))
    }

    fn variables(&mut self, ty: &TypeName, is_static: bool) -> Parsed<Vec<Variable>> {
        let (mut ty, mut found) = (ty.clone(), Vec::new());
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

    /// From the opening bracket of the parameters to the end.
    fn function(&mut self, place: Place, name: String, result: Option<TypeName>, marks: Marks) -> Parsed<Function> {
        let (parameters, variadic) = self.parameters()?;
        let constant = self.take_word("const");
        let mut found = Function {
            place,
            class: None,
            name,
            result,
            parameters,
            variadic,
            constant,
            is_virtual: marks.is_virtual,
            is_static: marks.is_static,
            pure: false,
            members: Vec::new(),
            body: None,
            end: place,
        };
        if self.take("=") {
            if self.look(0).is_none_or(|token| token.text != "0") {
                return Err(self.unexpected(149, "'0' is expected"));
            }
            self.at += 1;
            found.pure = true;
        }
        if self.take(";") {
            return Ok(found);
        }
        if self.take(":") {
            while found.members.is_empty() || self.take(",") {
                let (place, name) = self.name()?;
                found.members.push((place, name, self.arguments()?));
            }
        }
        if !self.is("{") {
            return Err(self.unexpected(141, "'{' is expected"));
        }
        found.body = Some(self.block()?);
        found.end = self.tokens[self.at - 1].place;
        Ok(found)
    }

    fn parameters(&mut self) -> Parsed<(Vec<Variable>, bool)> {
        self.expect("(")?;
        let (mut found, mut variadic) = (Vec::new(), false);
        // f(void) is f().
        if self.is_word("void") && self.is_at(1, ")") {
            self.at += 1;
        }
        if self.take(")") {
            return Ok((found, variadic));
        }
        loop {
            if self.is("...") {
                if !self.builtin {
                    return Err(self.unexpected(185, "a function of the program has a fixed number of parameters"));
                }
                self.at += 1;
                variadic = true;
            } else {
                found.push(self.parameter()?);
            }
            if self.take(")") {
                return Ok((found, variadic));
            }
            self.expect(",")?;
        }
    }

    fn parameter(&mut self) -> Parsed<Variable> {
        let ty = self.type_name()?;
        let reference = self.take("&");
        let (place, name) = if self.is_name(0) { self.name()? } else { (self.place(), String::new()) };
        let dims = self.dims()?;
        let init = if self.take("=") { Some(self.expr()?) } else { None };
        Ok(Variable { place, name, ty, reference, dims, init, construct: None, is_static: false })
    }

    fn enumeration(&mut self) -> Parsed<Item> {
        self.at += 1;
        let (place, name) = if self.is("{") { (self.place(), String::new()) } else { self.name()? };
        self.expect("{")?;
        let mut found = Vec::new();
        while !self.take("}") {
            let (place, name) = self.name()?;
            let value = if self.take("=") { Some(self.expr()?) } else { None };
            found.push((place, name, value));
            if !self.is("}") {
                self.expect(",")?;
            }
        }
        self.expect(";")?;
        Ok(Item::Enum(place, name, found))
    }

    fn aggregate(&mut self, shape: Shape) -> Parsed<Item> {
        self.at += 1;
        let (place, name) = self.name()?;
        if self.take(";") {
            if shape != Shape::Class {
                return Err(Diagnostic::error(place, 162, "only a class can be declared ahead"));
            }
            return Ok(Item::Aggregate(Aggregate { place, name, shape, base: None, members: None }));
        }
        let mut base = None;
        if self.take(":") {
            if !self.take_word("public") {
                return Err(self.unexpected(149, "'public' is expected"));
            }
            base = Some(self.name()?);
            if self.is(",") {
                return Err(self.unexpected(149, "there is one base class at most"));
            }
        }
        self.expect("{")?;
        let default = if shape == Shape::Class { Access::Private } else { Access::Public };
        let members = self.members(&name, default)?;
        self.expect(";")?;
        Ok(Item::Aggregate(Aggregate { place, name, shape, base, members: Some(members) }))
    }

    fn members(&mut self, class: &str, mut access: Access) -> Parsed<Vec<Member>> {
        let mut found = Vec::new();
        while !self.take("}") {
            let named = [("public", Access::Public), ("protected", Access::Protected), ("private", Access::Private)];
            if let Some((_, new)) = named.iter().find(|(word, _)| self.is_word(word)) {
                self.at += 1;
                self.expect(":")?;
                access = *new;
            } else if !self.take(";") {
                found.push(self.member(class, access)?);
            }
        }
        Ok(found)
    }

    fn member(&mut self, class: &str, access: Access) -> Parsed<Member> {
        let mut marks = Marks::default();
        loop {
            if self.take_word("virtual") {
                marks.is_virtual = true;
            } else if self.take_word("static") {
                marks.is_static = true;
            } else {
                break;
            }
        }
        if self.is("~") || (self.is_word(class) && self.is_at(1, "(")) {
            let (place, name) = self.method_name()?;
            let function = self.function(place, name, None, marks)?;
            return Ok(Member::Method(access, Box::new(function)));
        }
        let ty = self.type_name()?;
        if self.is_word("operator") {
            return Err(self.unexpected(149, "operators are outside of the plain subset"));
        }
        if self.is("&") {
            return Err(self.unexpected(229, "a reference can only be a parameter"));
        }
        if self.is_name(0) && self.is_at(1, "(") {
            let (place, name) = self.name()?;
            let function = self.function(place, name, Some(ty), marks)?;
            return Ok(Member::Method(access, Box::new(function)));
        }
        let fields = self.variables(&ty, marks.is_static)?;
        if let Some(field) = fields.iter().find(|field| field.init.is_some() || field.construct.is_some()) {
            return Err(Diagnostic::error(
                field.place,
                219,
                format!("{} cannot have a value in the body of its type", field.name),
            ));
        }
        if marks.is_virtual {
            return Err(Diagnostic::error(fields[0].place, 263, "data cannot be virtual"));
        }
        Ok(Member::Fields(access, fields))
    }
}
