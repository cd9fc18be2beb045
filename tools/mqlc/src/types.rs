//! Types and what becomes of one in the place of another.

use std::fmt;

/// A type without pointer and brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Of an expression in which an error was found, and of parameters of builtins that take everything.
    Any,
    /// No value.
    Void,
    /// Of `NULL`.
    Null,
    /// A number or `string`.
    Scalar(Scalar),
    /// An enumeration.
    Enum(String),
    /// A class, structure, union or interface.
    Aggregate(String),
}

/// The types of the language itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the language")]
pub enum Scalar {
    Bool,
    Char,
    UChar,
    Short,
    UShort,
    Int,
    UInt,
    Color,
    Long,
    ULong,
    DateTime,
    Float,
    Double,
    String,
}

use Scalar::{Bool, Char, Color, DateTime, Double, Float, Int, Long, Short, UChar, UInt, ULong, UShort};

impl Scalar {
    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Bool,
            "char" => Char,
            "uchar" => UChar,
            "short" => Short,
            "ushort" => UShort,
            "int" => Int,
            "uint" => UInt,
            "color" => Color,
            "long" => Long,
            "ulong" => ULong,
            "datetime" => DateTime,
            "float" => Float,
            "double" => Double,
            "string" => Self::String,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            Char => "char",
            UChar => "uchar",
            Short => "short",
            UShort => "ushort",
            Int => "int",
            UInt => "uint",
            Color => "color",
            Long => "long",
            ULong => "ulong",
            DateTime => "datetime",
            Float => "float",
            Double => "double",
            Self::String => "string",
        }
    }

    /// In bytes; a string's is that of its descriptor.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Bool | Char | UChar => 1,
            Short | UShort => 2,
            Int | UInt | Color | Float => 4,
            Long | ULong | DateTime | Double => 8,
            Self::String => 12,
        }
    }

    /// `float` or `double`.
    #[must_use]
    pub const fn is_real(self) -> bool {
        matches!(self, Float | Double)
    }

    /// May be below zero.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Char | Short | Int | Long | DateTime | Float | Double)
    }

    /// A value that an integer type does not have.
    #[must_use]
    pub fn overflows(self, value: i128) -> bool {
        let (least, most) = self.range();
        !self.is_real() && (value < least || value > most)
    }

    /// The smallest and the largest value of an integer type.
    const fn range(self) -> (i128, i128) {
        match self {
            Bool => (0, 1),
            Char => (i8::MIN as i128, i8::MAX as i128),
            UChar => (0, u8::MAX as i128),
            Short => (i16::MIN as i128, i16::MAX as i128),
            UShort => (0, u16::MAX as i128),
            Int => (i32::MIN as i128, i32::MAX as i128),
            UInt | Color => (0, u32::MAX as i128),
            ULong => (0, u64::MAX as i128),
            _ => (i64::MIN as i128, i64::MAX as i128),
        }
    }

    /// What two numbers become in an operation.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        let has = |wanted: Self| self == wanted || other == wanted;
        [Double, Float, DateTime, ULong, Long, UInt].into_iter().find(|wanted| has(*wanted)).unwrap_or(if has(Color) {
            UInt
        } else {
            Int
        })
    }
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// Without pointer and brackets.
    pub base: Base,
    /// `C *`
    pub pointer: bool,
    /// Of an array: `None` is a dimension without a size.
    pub dims: Vec<Option<u64>>,
}

impl Type {
    /// Without pointer and brackets.
    #[must_use]
    pub const fn of(base: Base) -> Self {
        Self { base, pointer: false, dims: Vec::new() }
    }

    /// A number or `string`.
    #[must_use]
    pub const fn scalar(scalar: Scalar) -> Self {
        Self::of(Base::Scalar(scalar))
    }

    /// Nothing more is said about it.
    #[must_use]
    pub const fn any() -> Self {
        Self::of(Base::Any)
    }

    /// `C *`
    #[must_use]
    pub const fn pointer_to(class: String) -> Self {
        Self { base: Base::Aggregate(class), pointer: true, dims: Vec::new() }
    }

    /// Is it an array?
    #[must_use]
    pub fn is_array(&self) -> bool {
        !self.dims.is_empty()
    }

    /// Takes everything.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.base == Base::Any
    }

    /// A number's type; that of an enumeration is `int`.
    #[must_use]
    pub fn number(&self) -> Option<Scalar> {
        match &self.base {
            _ if self.pointer || self.is_array() => None,
            Base::Scalar(Scalar::String) => None,
            Base::Scalar(scalar) => Some(*scalar),
            Base::Enum(_) => Some(Int),
            _ => None,
        }
    }

    /// Is it `string`?
    #[must_use]
    pub fn is_string(&self) -> bool {
        self.base == Base::Scalar(Scalar::String) && !self.is_array()
    }

    /// An object, not a pointer to one and not an array of them.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        match &self.base {
            Base::Aggregate(name) if !self.pointer && !self.is_array() => Some(name),
            _ => None,
        }
    }

    /// The class of an object or behind a pointer.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        match &self.base {
            Base::Aggregate(name) if !self.is_array() => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Any => f.write_str("any type")?,
            Base::Void => f.write_str("void")?,
            Base::Null => f.write_str("NULL")?,
            Base::Scalar(scalar) => f.write_str(scalar.name())?,
            Base::Enum(name) | Base::Aggregate(name) => f.write_str(name)?,
        }
        if self.pointer {
            f.write_str(" *")?;
        }
        for dim in &self.dims {
            match dim {
                Some(size) => write!(f, "[{size}]")?,
                None => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

/// Whether a number of one type may lose something in another. `value`: what it is, if that is known now.
#[must_use]
pub fn loses(from: Scalar, to: Scalar, value: Option<i128>) -> bool {
    if let (Some(value), false) = (value, to.is_real()) {
        let (least, most) = to.range();
        // 0xFFFFFFFF as int and -1 as uint are said on purpose: the bits are the same.
        let same_bits = to.size() >= 4 && value >= -(1 << (8 * to.size() - 1)) && value < 1 << (8 * to.size());
        return to != Bool && !same_bits && (value < least || value > most);
    }
    match (from.is_real(), to.is_real()) {
        _ if to == Bool || from == to => false,
        (true, true) => from == Double,
        (true, false) => true,
        // A double has 53 bits, a float 24.
        (false, true) => value.is_none() && (from.size() == 8 || (to == Float && from.size() == 4)),
        (false, false) => from.size() > to.size(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_in_smaller_ones() {
        for (from, to) in
            [(Long, Int), (Double, Int), (Int, UChar), (Double, Float), (Long, Double), (ULong, UInt), (DateTime, Int)]
        {
            assert!(loses(from, to, None), "{from:?} {to:?}");
        }
        for (from, to) in [(Int, Long), (Int, Double), (UInt, Int), (ULong, Long), (UChar, Int), (Long, DateTime), (Long, Bool)] {
            assert!(!loses(from, to, None), "{from:?} {to:?}");
        }
        assert!(!loses(Int, UChar, Some(255)));
        assert!(loses(Int, UChar, Some(256)));
        assert!(!loses(Long, Int, Some(7)));
        assert!(!loses(Int, UInt, Some(-1)));
    }

    #[test]
    fn an_operation_takes_the_wider_type() {
        assert_eq!(UChar.common(Char), Int);
        assert_eq!(Int.common(UInt), UInt);
        assert_eq!(UInt.common(Long), Long);
        assert_eq!(Long.common(DateTime), DateTime);
        assert_eq!(Long.common(Float), Float);
        assert_eq!(Color.common(Int), UInt);
    }
}
