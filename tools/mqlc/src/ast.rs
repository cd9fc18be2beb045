//! What a program says, as the parser gives it to the checker.

use crate::diagnostic::Place;

/// A type as it is written, without array brackets.
#[derive(Debug, Clone)]
pub struct TypeName {
    /// Of the name.
    pub place: Place,
    /// `int`, `CTrades`…
    pub name: String,
    /// `C *`
    pub pointer: bool,
    /// `const` before it.
    pub constant: bool,
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// Of its first token; of the operator for a binary one.
    pub place: Place,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// `12`, `0x1F`, `1.5`, as written.
    Number(String),
    /// Of one or more adjacent literals.
    Text,
    /// `'x'`
    Char,
    /// `D'…'`
    Date,
    /// `C'…'`
    Color,
    /// `true` or `false`
    Bool(bool),
    /// `NULL`
    Null,
    /// `this`
    This,
    /// A name.
    Name(String),
    /// `left::name`; an empty left is the global scope.
    Scoped(String, String),
    /// `object.member`
    Member(Box<Expr>, String),
    /// `array[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `callee(arguments)`
    Call(Box<Expr>, Vec<Expr>),
    /// `-a`, `!a`, `~a`, `++a`, `--a`, `+a`
    Unary(String, Box<Expr>),
    /// `a++`, `a--`
    Postfix(String, Box<Expr>),
    /// `a + b`
    Binary(String, Box<Expr>, Box<Expr>),
    /// `a = b`, `a += b`…
    Assign(String, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `(T)a` or `T(a)`
    Cast(TypeName, Box<Expr>),
    /// `new C(arguments)`
    New(String, Vec<Expr>),
    /// `delete p`
    Delete(Box<Expr>),
    /// `dynamic_cast<C *>(p)`
    DynamicCast(TypeName, Box<Expr>),
    /// `sizeof(T)` or `sizeof(a)`; the type's name, if it is a lone word.
    SizeOf(Option<String>, Option<Box<Expr>>),
    /// `{1, 2}`, behind the `=` of a declaration only.
    List(Vec<Expr>),
}

/// One variable, field or parameter.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Of its name.
    pub place: Place,
    /// Empty for a parameter without one.
    pub name: String,
    /// Its type without brackets.
    pub ty: TypeName,
    /// `T &a`
    pub reference: bool,
    /// `[]` is `None`, `[N]` is its size.
    pub dims: Vec<Option<Expr>>,
    /// Behind `=`.
    pub init: Option<Expr>,
    /// `C a(arguments)`
    pub construct: Option<Vec<Expr>>,
    /// `static`
    pub is_static: bool,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// Of its first token.
    pub place: Place,
    /// What it is.
    pub kind: StmtKind,
}

/// The kinds of statements.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// `{…}`
    Block(Vec<Stmt>),
    /// `;`
    Empty,
    /// `a();`
    Expr(Expr),
    /// `int a, b = 1;`
    Declare(Vec<Variable>),
    /// `if(a) b; else c;`
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    /// `while(a) b;`
    While(Expr, Box<Stmt>),
    /// `do a; while(b);`
    DoWhile(Box<Stmt>, Expr),
    /// `for(a; b; c) d;`
    For(Box<Stmt>, Option<Expr>, Vec<Expr>, Box<Stmt>),
    /// `switch(a) {…}`
    Switch(Expr, Vec<Stmt>),
    /// `case a:`
    Case(Expr),
    /// `default:`
    Default,
    /// `return a;`
    Return(Option<Expr>),
    /// `break;`
    Break,
    /// `continue;`
    Continue,
}

/// A function, a method or the prototype of one.
#[derive(Debug, Clone)]
pub struct Function {
    /// Of its name.
    pub place: Place,
    /// The class before `::`.
    pub class: Option<String>,
    /// `~C` for a destructor.
    pub name: String,
    /// `None` for constructors and destructors.
    pub result: Option<TypeName>,
    /// Parameters.
    pub parameters: Vec<Variable>,
    /// `...` at the end; builtins only.
    pub variadic: bool,
    /// `const` behind the parameters.
    pub constant: bool,
    /// `virtual`
    pub is_virtual: bool,
    /// `static`
    pub is_static: bool,
    /// `= 0`
    pub pure: bool,
    /// What a constructor's list initialises.
    pub members: Vec<(Place, String, Vec<Expr>)>,
    /// `None` for a prototype.
    pub body: Option<Vec<Stmt>>,
    /// Of the closing brace.
    pub end: Place,
}

/// Who may use a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// The class and those that inherit from it.
    Protected,
    /// The class.
    Private,
}

/// What kind of aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `class`
    Class,
    /// `interface`
    Interface,
    /// `struct`
    Struct,
    /// `union`
    Union,
}

/// A member of an aggregate.
#[derive(Debug, Clone)]
pub enum Member {
    /// Fields of one declaration.
    Fields(Access, Vec<Variable>),
    /// A method; boxed, because it is large.
    Method(Access, Box<Function>),
}

/// `class`, `struct`, `union`, `interface`.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// Of its name.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Which.
    pub shape: Shape,
    /// What it inherits from.
    pub base: Option<(Place, String)>,
    /// `None` for a forward declaration.
    pub members: Option<Vec<Member>>,
}

/// What stands before global variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Nothing, `static` or `const`.
    Plain,
    /// `input`, `sinput`, and `extern` in MQL4.
    Input,
}

/// What stands at the top level.
#[derive(Debug, Clone)]
pub enum Item {
    /// A function; boxed, because it is large.
    Function(Box<Function>),
    /// Variables of one declaration.
    Variables(Storage, Vec<Variable>),
    /// `int C::m = 0;`
    StaticMember(Variable),
    /// An aggregate.
    Aggregate(Aggregate),
    /// An enumeration and its members.
    Enum(Place, String, Vec<(Place, String, Option<Expr>)>),
    /// The prototypes of a library: its name and they.
    Import(Place, String, Vec<Function>),
}
