//! What may stand for what.

use super::{
    Checker,
    expr::Value,
    table::{Parameter, Table},
};
use crate::{
    diagnostic::Place,
    types::{Base, Scalar, Type, loses},
};

/// A conversion that works: what it costs in the choice of an overload, and whether MetaEditor warns.
pub(super) struct Fit {
    pub(super) cost: u32,
    pub(super) warning: Option<(u16, String)>,
}

/// MetaEditor's number and the words.
pub(super) type Wrong = (u16, String);

const fn exact() -> Result<Fit, Wrong> {
    Ok(Fit { cost: 0, warning: None })
}

const fn costs(cost: u32) -> Result<Fit, Wrong> {
    Ok(Fit { cost, warning: None })
}

/// A constant of the terminal or a literal with a point: its author knows whether it fits.
fn known(from: &Value, found: Scalar, to: Scalar) -> bool {
    from.fixed && from.number.is_none() && found.is_real() == to.is_real()
}

impl Table {
    /// A value put into a variable, a parameter or a result of a type.
    pub(super) fn assign(&self, from: &Value, to: &Type) -> Result<Fit, Wrong> {
        let refused = |number: u16| Err((number, format!("cannot convert {} to {to}", from.ty)));
        if from.ty.is_any() || to.is_any() {
            return if from.ty.is_any() { exact() } else { costs(3) };
        }
        if from.ty.base == Base::Void {
            return Err((151, "an expression of type void has no value".to_owned()));
        }
        if to.is_array() || from.ty.is_array() {
            return Err((120, format!("an array is no value: {} and {to}", from.ty)));
        }
        if let Some(class) = to.class() {
            if to.pointer && from.frozen {
                return Err((358, "a pointer to a constant object cannot be one to an object that may change".to_owned()));
            }
            return match &from.ty.base {
                Base::Null if to.pointer => costs(1),
                // An object for a pointer needs GetPointer; a pointer for an object is the object behind it.
                Base::Aggregate(_) if to.pointer && !from.ty.pointer => refused(302),
                Base::Aggregate(_) if !to.pointer && self.holds_objects(class) => {
                    Err((216, format!("{class} holds objects and cannot be copied")))
                }
                Base::Aggregate(name) if name == class => exact(),
                Base::Aggregate(name) if self.derives(name, class) => costs(1),
                _ => refused(if to.pointer { 302 } else { 246 }),
            };
        }
        if to.is_string() {
            return match &from.ty.base {
                _ if from.ty.is_string() => exact(),
                Base::Null => costs(1),
                _ if from.ty.number().is_some() => Err((181, format!("implicit conversion of {} to string", from.ty))),
                _ => refused(246),
            };
        }
        if let Base::Enum(name) = &to.base {
            return match &from.ty.base {
                Base::Enum(found) if found == name => exact(),
                _ if from.ty.is_string() => refused(180),
                _ => Err((262, format!("cannot convert {} to the enumeration {name} without a cast", from.ty))),
            };
        }
        let Some(number) = to.number() else { return refused(302) };
        match &from.ty.base {
            Base::Null => costs(2),
            _ if from.ty.is_string() => Err((180, format!("implicit conversion of string to {to}"))),
            _ if from.ty.pointer && to.number() == Some(Scalar::Bool) => costs(2),
            _ => match from.ty.number() {
                Some(found) if !known(from, found, number) && loses(found, number, from.number) => {
                    let text = format!("possible loss of data from {} to {to}", from.ty);
                    Ok(Fit { cost: 3, warning: Some((if from.fixed { 44 } else { 43 }, text)) })
                }
                Some(found) if found == number && from.ty.base == to.base => exact(),
                Some(found) if found.is_real() == number.is_real() => costs(1),
                Some(_) => costs(2),
                None => refused(246),
            },
        }
    }

    /// An argument for a parameter.
    pub(super) fn fit(&self, from: &Value, to: &Parameter) -> Result<Fit, Wrong> {
        if from.ty.is_any() {
            return exact();
        }
        if !to.ty.dims.is_empty() {
            return fit_array(from, to);
        }
        if !to.reference {
            return self.assign(from, &to.ty);
        }
        if from.ty.is_array() && !to.ty.is_any() {
            return Err((201, format!("an array stands for a variable of type {}", to.ty)));
        }
        // What a pointer points to is a variable.
        let pointed = from.ty.pointer && !to.ty.pointer && to.ty.class().is_some();
        if !from.lvalue && !pointed {
            return Err((200, format!("a parameter by reference must be a variable of type {}", to.ty)));
        }
        if from.constant && !to.constant && !pointed {
            return Err((202, "a constant cannot be passed by a reference that is not const".to_owned()));
        }
        if pointed && from.frozen && !to.constant {
            return Err((202, "a constant object cannot be passed by a reference that is not const".to_owned()));
        }
        if to.ty.is_any() {
            return costs(3);
        }
        match (from.ty.class(), to.ty.class()) {
            (Some(a), Some(b)) if from.ty.pointer == to.ty.pointer || pointed => {
                if a == b {
                    return exact();
                }
                if self.derives(a, b) {
                    return costs(1);
                }
            }
            _ if from.ty == to.ty => return exact(),
            _ => {}
        }
        Err((201, format!("a variable of type {} by reference, {} given", to.ty, from.ty)))
    }
}

fn fit_array(from: &Value, to: &Parameter) -> Result<Fit, Wrong> {
    if !from.ty.is_array() {
        return Err((241, format!("an array is expected, {} given", from.ty)));
    }
    if from.constant && !to.constant {
        return Err((202, "a constant array cannot be passed by a reference that is not const".to_owned()));
    }
    let shapes = from.ty.dims.len() == to.ty.dims.len() && from.ty.dims[1..] == to.ty.dims[1..];
    if to.ty.base == Base::Any {
        return costs(3);
    }
    if from.ty.base != to.ty.base || from.ty.pointer != to.ty.pointer || !shapes {
        return Err((201, format!("an array {} is expected, {} given", to.ty, from.ty)));
    }
    exact()
}

impl Checker {
    /// As [`Table::assign`], and tells what is wrong.
    pub(super) fn assigned(&mut self, place: Place, from: &Value, to: &Type) {
        match self.table.assign(from, to) {
            Ok(Fit { warning: Some((number, text)), .. }) => self.warn(place, number, text),
            Ok(_) => {}
            Err((number, text)) => self.wrong(place, number, text),
        }
    }
}
