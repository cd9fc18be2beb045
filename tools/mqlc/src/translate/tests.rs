//! One test a construct: what is said differently in C++, and that g++ takes it with the runtime's headers.

use super::cpp;
use crate::preprocess::{self, Dialect, Roots};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

fn source(text: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("mqlc-translate-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("main.mq5");
    fs::write(&path, text).unwrap();
    path
}

fn whole(text: &str, dialect: Dialect) -> Result<String, String> {
    let path = source(text);
    let roots = Roots { shown_from: path.parent().unwrap().to_path_buf(), includes: Vec::new(), defines: Vec::new() };
    let program = preprocess::program(&path, dialect, &roots).map_err(|failed| failed.findings[0].line(&failed.files));
    let found = program.and_then(|program| cpp(&program).map_err(|findings| findings[0].line(&program.files)));
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    found
}

/// The C++ in one line, without places and with single blanks.
fn flat(text: &str) -> String {
    let cpp = whole(text, Dialect::Mql5).unwrap();
    let lines = cpp.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(text: &str, wanted: &[&str]) {
    let found = flat(text);
    for piece in wanted {
        assert!(found.contains(piece), "`{piece}` is not in: {found}");
    }
}

#[track_caller]
fn says_in_a_function(body: &str, wanted: &[&str]) {
    says(&format!("class C {{}}; void f() {{ {body} }}"), wanted);
}

#[test]
fn a_point_is_an_arrow_but_not_in_a_number() {
    says_in_a_function("a.b.c(1.5, .5)[2].d = 1.;", &["a -> b -> c ( 1.5 , .5 ) [ 2 ] -> d = 1. ;"]);
}

#[test]
fn handles_are_made_used_and_deleted() {
    says_in_a_function(
        "C *p = new C(1), *q = new C; delete p; delete list[2]; C *all[]; p = (C *)q; p = dynamic_cast<C *>(q); const C *k = p;",
        &[
            "Ptr<C> p = mql_new<C> ( 1 ) ; Ptr<C> q = mql_new<C>() ;",
            "mql_delete( p ) ;",
            "mql_delete( list [ 2 ] ) ;",
            "DynArr<Ptr<C>> all ;",
            "p = (Ptr<C>) q ;",
            "p = mql_cast<C> ( q ) ;",
            "Ptr<C> k = p ;",
        ],
    );
}

#[test]
fn a_product_is_no_declaration_of_a_handle() {
    says_in_a_function("a * b; int x = a * c;", &["a * b ; int x = a * c ;"]);
}

#[test]
fn arrays_are_types_of_the_runtime() {
    says_in_a_function(
        "uchar a[], b[4], c = 1; int m[2][3], n[][3]; static double s[]; const string w[] = {\"a\", \"b\"}; int z[] = {}, y[3] = {0};",
        &[
            "DynArr<uchar> a ; Fix<uchar, (4)> b ; uchar c = 1 ;",
            "Fix<int, (2), (3)> m ; DynArr<Fix<int, (3)>> n ;",
            "static DynArr<double> s ;",
            "const Fix<string, 2> w = { { \"a\"_s , \"b\"_s } } ;",
            "DynArr<int> z ; Fix<int, (3)> y = {} ;",
        ],
    );
}

#[test]
fn array_parameters_are_views() {
    says(
        "void f(uchar &a[], const int &b[], const string &t, double &d, C *&p, const int &m[][3]) {} class C {};",
        &["void f ( ArrRef<uchar> a , CArr<int> b , const string & t , double & d , Ptr<C> & p , CArr<Fix<int, (3)>> m ) {"],
    );
}

#[test]
fn plain_declarations_stay_one() {
    says_in_a_function(
        "int a = f(1, 2), b; for(int i = 0, n = 3; i < n; i++) g(i);",
        &["int a = f ( 1 , 2 ) , b ; for ( int i = 0 , n = 3 ; i < n ; i ++ )"],
    );
}

#[test]
fn structures_of_numbers_are_packed_and_those_with_texts_are_not() {
    let found = flat(
        "struct A { int x; uchar y[4]; }; struct B { string t; }; struct C { A a; }; struct D { B b; }; struct E { int d[]; };",
    );
    for (name, packed) in [("A", true), ("B", false), ("C", true), ("D", false), ("E", false)] {
        assert_eq!(found.contains(&format!("_Pragma(\"pack(push, 1)\") struct {name}")), packed, "{name}: {found}");
    }
    says(
        "struct pack(4) P { int x; }; union U { double d; ulong u; };",
        &["pack(push, 4)", "union U { MQL_AGGREGATE(U) double d ;"],
    );
}

#[test]
fn classes_hide_by_default_and_have_virtual_destructors() {
    says(
        "class A { int m; public: A(void) : m(0) {} void f(int x = 1) const; }; void A::f(int x = 1) const { m.g(); }
         class B : public A { ~B() { delete this; } };",
        &[
            "class A { MQL_AGGREGATE(A) virtual ~A() = default; private: int m ; public : A ( ) : m ( 0 ) { }",
            "void f ( int x = 1 ) const ;",
            "void A::f ( int x ) const { m -> g ( ) ; }",
            "class B : public A { MQL_AGGREGATE(B) private: virtual ~B ( ) {",
        ],
    );
}

#[test]
fn interfaces_are_abstract() {
    says(
        "interface I { void f(); };",
        &["class I { MQL_AGGREGATE(I) virtual ~I() = default; public: virtual void f ( ) = 0; } ;"],
    );
}

#[test]
fn functions_may_be_used_before_they_are_written() {
    let found = flat("void a() { b(); } void b(int x = 5, const string t = \"\") { }");
    let early = found.find("void b ( int x = 5 , const string t = \"\"_s ) ;").expect("the prototype");
    assert!(early < found.find("void a ( ) {").unwrap() && found.contains("void b ( int x , const string t ) { }"), "{found}");
}

#[test]
fn a_default_that_names_a_later_constant_waits_for_it() {
    says("const int K = 3; void a(int x = K) {}", &["void a ( int x ) ;", "const int K = 3 ;", "void a ( int x = K ) { }"]);
}

#[test]
fn a_prototype_of_the_source_is_said_once() {
    let found = flat("void a(int x = 1); void a(int x) {}");
    assert_eq!(found.matches("void a ( int x = 1 ) ;").count(), 1, "{found}");
    assert_eq!(found.matches("void a ( int x ) ;").count(), 0, "{found}");
}

#[test]
fn enumerations_have_four_bytes_and_stand_first() {
    says("void f(E e = E_B) {} enum E { E_A, E_B = 5 };", &["enum E : int { E_A , E_B = 5 } ; void f ( E e = E_B ) ;"]);
}

#[test]
fn inputs_and_properties_are_registered() {
    let text = "#property description \"say \\\"hi\\\"\"\ninput group \"G\"\ninput int Wait=3; // three\nsinput string Name=\"x\";\nextern int Other;";
    says(
        text,
        &[
            "int Wait = 3 ;",
            "mql::register_property(\"description\", \"say \\\"hi\\\"\")",
            "mql::register_input(\"Wait\", &mql_program::Wait)",
            "mql::register_input(\"Name\", &mql_program::Name)",
            "extern int Other ;",
        ],
    );
    assert!(!flat(text).contains("register_input(\"Other\""));
    let four = whole("extern int Other=1;", Dialect::Mql4).unwrap();
    assert!(four.contains("register_input(\"Other\"") && !four.contains("extern int Other"), "{four}");
}

#[test]
fn handlers_are_in_the_table() {
    let found = flat("void OnInit() {} void OnDeinit(const int reason) {} void OnTick() {}");
    for piece in [
        ".OnInit = []() -> int { mql_program::OnInit(); return 0; }",
        ".OnDeinit = [](const int reason) { mql_program::OnDeinit(reason); }",
        ".OnTimer = nullptr",
        ".dialect = 5",
        ".name = \"main\"",
    ] {
        assert!(found.contains(piece), "{piece}: {found}");
    }
}

#[test]
fn libraries_are_reached_by_their_name() {
    says(
        "#import \"ws2_32.dll\"\nint send(int s, const uchar &b[], int n, int &flags);\nvoid gone();\n#import\nint f() { return ws2_32::send(1); }",
        &[
            "namespace ws2_32 { inline int send ( int s , CArr<uchar> b , int n , int & flags ) { return mql::dll_call<int>(\"ws2_32.dll\", \"send\", s, b, n, mql::dll_out(flags)); }",
            "return mql::dll_call<void>(\"ws2_32.dll\", \"gone\"); } } using namespace ws2_32;",
            "return ws2_32 :: send ( 1 ) ;",
        ],
    );
}

#[test]
fn words_of_cpp_are_names_in_mql() {
    says_in_a_function("int and = 1, xor; and.not(xor);", &["int and_mql = 1 , xor_mql ; and_mql -> not_mql ( xor_mql ) ;"]);
}

#[test]
fn constants_are_translated_everywhere() {
    says(
        "const color K = C'1,0,0'; void f(datetime d = D'1970.01.02') { g('a', \"é\", __FUNCTION__, 010); }",
        &[
            "const color K = ((color)1) ;",
            "datetime d = ((datetime)86400)",
            "g ( ((ushort)97) , \"\\303\\251\"_s , \"f\"_s , 10 ) ;",
        ],
    );
}

#[test]
fn declarations_are_found_wherever_a_statement_may_begin() {
    says_in_a_function(
        "switch(x) { case 1: { uchar a[]; } break; case K::B: default: { C *p; } } if(x) { uchar b[]; } else { uchar c[]; } do { uchar d[]; } while(x);",
        &["DynArr<uchar> a ;", "Ptr<C> p ;", "DynArr<uchar> b ;", "DynArr<uchar> c ;", "DynArr<uchar> d ;"],
    );
}

#[test]
fn every_line_is_a_line_of_the_source() {
    let found = whole("int a;\n\n\nvoid f() {\n   a = 1;\n}\n", Dialect::Mql5).unwrap();
    let mut place = (0, "");
    for line in found.lines() {
        match line.strip_prefix("#line ").and_then(|rest| rest.split_once(' ')) {
            Some((number, file)) => place = (number.parse::<u32>().unwrap() - 1, file),
            None => place.0 += 1,
        }
        if line.contains("a = 1 ;") {
            assert_eq!(place, (5, "\"main.mq5\""));
            return;
        }
    }
    panic!("the statement is not there: {found}");
}

#[test]
fn what_is_outside_of_the_subset_is_told_with_its_place() {
    let wrong = |text: &str| whole(text, Dialect::Mql5).unwrap_err();
    assert!(
        wrong("void f() {\n int &b = a;\n}").starts_with("main.mq5(2,7) : error 229"),
        "{}",
        wrong("void f() {\n int &b = a;\n}")
    );
    assert!(wrong("void f() { struct S { int x; }; }").contains("error 104"));
    assert!(wrong("int f( {").contains("error 154"));
    assert!(wrong("+ 1;").contains("error 104"));
    assert!(wrong("int x = C'1';").contains("error 110"));
}

#[test]
fn the_compiler_takes_every_construct() {
    let text = r#"
#property strict
enum Side { SIDE_BUY = 0, SIDE_SELL };
struct Pair { int a; ulong b; uchar raw[3]; };
struct Named { string name; Pair pair; };
union Bits { double value; ulong bits; };
class Base { protected: int m_x; public: Base(int x = 1) { m_x = x; } virtual int Get() const { return m_x; } };
class Derived : public Base { public: Base *next; Derived() : Base(2) { next = NULL; } virtual int Get() const override { return m_x * Twice(1); } };
input int Wait = 3;
input string Token = "";
input Side First = SIDE_BUY;
const uint TABLE[] = {1, 2, 3};
const string WORDS[2] = {"a", "b"};
Base *g_all[];
int Sum(const int &values[], Pair &pair) { int sum = 0; for(int i = 0; i < ArraySize(values); i++) sum += values[i]; pair.a = sum; return sum; }
void Grow(uchar &bytes[], const int n) { ArrayResize(bytes, n); ArrayInitialize(bytes, 0); if(n > 0) bytes[0] = 'x'; }
int OnInit()
{
   Pair pair = {0};
   int values[] = {1, 2, 3}, grid[2][2] = {{1, 2}, {3, 4}};
   int sum = Sum(values, pair) + grid[1][0] + (int)TABLE[1];
   uchar bytes[];
   Grow(bytes, 4);
   Derived *made = new Derived;
   Base *base = made;
   Derived *again = dynamic_cast<Derived *>(base);
   if(again != NULL && CheckPointer(again) == POINTER_DYNAMIC)
      sum += again.Get();
   base = (Base *)again;
   delete base;
   Named named;
   named.name = WORDS[0] + "c";
   named.pair = pair;
   Bits both;
   both.value = 1.5;
   if(named.name == NULL || First == SIDE_SELL || both.bits == 18446744073709551615)
      return INIT_FAILED;
   ArrayResize(g_all, 1);
   g_all[0] = NULL;
   switch(sum) { case 1: { uchar few[2] = {1, 2}; sum = few[1]; } break; default: sum = Wait; }
   return sum > 100 ? INIT_FAILED : INIT_SUCCEEDED;
}
void OnDeinit(const int reason) {}
int Twice(const int x = 4) { static int s_calls; s_calls++; return x * 2; }
"#;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for dialect in [Dialect::Mql5, Dialect::Mql4] {
        let path = source("").with_extension("cpp");
        fs::write(&path, whole(text, dialect).unwrap()).unwrap();
        let warnings = [
            "-Wall",
            "-Wextra",
            "-Wconversion",
            "-Wshadow",
            "-Werror",
            "-Wno-missing-field-initializers",
            "-Wno-unused-parameter",
        ];
        let mut compile = Command::new("g++");
        compile
            .args(["-std=c++20", "-fwrapv", "-fsyntax-only"])
            .args(warnings)
            .arg("-isystem")
            .arg(root.join("tools/mqlrt"))
            .arg(&path);
        let said = compile.output().expect("g++ is installed");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
