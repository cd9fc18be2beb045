//! The whole: what must stand before everything else, the program in its order, and the table of its events.

use super::{
    Top, Translator,
    emit::Defaults,
    item::{Function, Init, PRIMITIVES, Variables},
};
use std::{collections::HashSet, ops::Range};

/// Handlers in the order of the runtime's table: MQL's name, the parameters of the runtime's pointer, the arguments.
const EVENTS: &[(&str, &str, &str)] = &[
    ("OnInit", "", ""),
    ("OnDeinit", "const int reason", "reason"),
    ("OnTick", "", ""),
    ("OnTimer", "", ""),
    ("OnTrade", "", ""),
    (
        "OnTradeTransaction",
        "const mql::MqlTradeTransaction &transaction, const mql::MqlTradeRequest &request, const mql::MqlTradeResult &result",
        "transaction, request, result",
    ),
    (
        "OnChartEvent",
        "const int id, const long &first, const double &second, const mql::string &third",
        "id, first, second, third",
    ),
    ("OnBookEvent", "const mql::string &symbol", "symbol"),
];

impl Translator<'_> {
    pub(super) fn whole(&mut self, tops: &[Top]) {
        let digit = self.program.dialect.digit();
        self.out.lines(&format!("#include \"mql{digit}.hpp\"\nnamespace mql_program {{\nusing namespace mql;\n"));
        self.forward(tops);
        self.prototypes(tops);
        for top in tops {
            match top {
                Top::Function(function) => self.function(function, None),
                Top::Variables(variables) => self.variables(variables),
                Top::Aggregate { begin, end } => self.aggregate(*begin, *end),
                Top::Enum { .. } => {}
                Top::Import { begin, end } => self.import(*begin, *end),
            }
        }
        self.out.lines("} // namespace mql_program\n");
        self.registrations(tops);
        self.table(tops);
    }

    /// Names of aggregates, and enumerations as a whole, so that their order does not matter.
    fn forward(&mut self, tops: &[Top]) {
        for top in tops {
            match top {
                Top::Aggregate { begin, .. } => {
                    let (keyword, name) = self.aggregate_name(*begin);
                    self.put_at(*begin, &format!("{keyword} {name};"));
                }
                Top::Enum { begin, end } => self.enumeration(*begin, *end),
                _ => {}
            }
        }
    }

    /// Functions may be used before they are written. Their default values stand here, and not with the body, unless they name
    /// something that only comes later.
    fn prototypes(&mut self, tops: &[Top]) {
        let functions = tops.iter().filter_map(|top| match top {
            Top::Function(function) if !self.is_method(function) => Some(function),
            _ => None,
        });
        let functions: Vec<&Function> = functions.collect();
        let late: HashSet<&str> = tops.iter().flat_map(|top| self.globals(top)).collect();
        let names_late = |range: &Range<usize>| range.clone().any(|at| late.contains(self.token(at).text.as_str()));
        let defaults =
            |function: &Function| function.params.iter().filter_map(|param| default(&param.declarator.init)).collect::<Vec<_>>();
        let early: HashSet<usize> = functions.iter().filter(|f| !defaults(f).iter().any(names_late)).map(|f| f.begin).collect();
        self.early_defaults = early;
        let mut done: HashSet<String> = HashSet::new();
        // The one with default values, wherever it stands, is the one that is written down.
        let mut sorted = functions.clone();
        sorted.sort_by_key(|function| (defaults(function).is_empty(), function.begin));
        for function in sorted {
            if done.insert(self.signature(function)) {
                let early = self.early_defaults.contains(&function.begin);
                self.head(function, if early { Defaults::Keep } else { Defaults::Drop }, None);
                self.out.put(";");
            }
        }
    }

    fn globals(&self, top: &Top) -> Vec<&str> {
        match top {
            Top::Variables(variables) => {
                variables.declarators.iter().map(|one| self.token(one.name.start).text.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn is_method(&self, function: &Function) -> bool {
        function.name.clone().any(|at| self.scan.is(at, "::")) || function.base.is_empty()
    }

    fn signature(&self, function: &Function) -> String {
        let word = |range: &Range<usize>| range.clone().map(|at| self.token(at).text.as_str()).collect::<String>();
        let params = function.params.iter().map(|param| {
            let declarator = &param.declarator;
            format!("{} {} {}", word(&param.base), declarator.stars, declarator.dims.len())
        });
        format!("{}({})", word(&function.name), params.collect::<Vec<_>>().join(","))
    }

    fn import(&mut self, begin: usize, end: usize) {
        let library = self.token(begin).text.clone();
        let stem = library.rsplit(['\\', '/']).next().unwrap_or_default();
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let space: String = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
        self.put_at(begin, &format!("namespace {space} {{"));
        let mut at = begin + 1;
        while at < end {
            if self.scan.is(at, ";") {
                at += 1;
                continue;
            }
            let Some(super::Item::Function(function)) = self.scan.item(at, super::Around::Program) else {
                return self.wrong(at, 104, "only prototypes may stand in an #import");
            };
            self.out.put("inline");
            self.head(&function, Defaults::Keep, None);
            let name = self.token(function.name.start).text.clone();
            let result = self.result_type(&function);
            let mut call = format!("{{ return mql::dll_call<{result}>(\"{library}\", \"{name}\"");
            for param in &function.params {
                let given = self.renamed(self.token(param.declarator.name.start));
                let base = self.token(param.base.start).text.as_str();
                // A number by reference: the library gets its address.
                let number =
                    param.declarator.by_ref && param.declarator.dims.is_empty() && PRIMITIVES.contains(&base) && base != "string";
                call.push_str(&if number { format!(", mql::dll_out({given})") } else { format!(", {given}") });
            }
            self.out.put(&(call + "); }"));
            at = function.end;
        }
        self.out.put(&format!("}} using namespace {space};"));
    }

    /// Properties and inputs are told to the runtime before `main` begins, inputs behind their own first values.
    fn registrations(&mut self, tops: &[Top]) {
        let mut lines = String::from("[[maybe_unused]] static const bool mql_registered[] = {\n    true,\n");
        for property in &self.program.properties {
            let value = property.value.replace("\\\"", "\"").replace('\\', "\\\\").replace('"', "\\\"");
            lines.push_str(&format!("    mql::register_property(\"{}\", \"{value}\"),\n", property.name));
        }
        for top in tops {
            let Top::Variables(variables) = top else { continue };
            if self.is_input(variables) {
                for name in self.globals(top) {
                    lines.push_str(&format!("    mql::register_input(\"{name}\", &mql_program::{name}),\n"));
                }
            }
        }
        self.out.lines(&(lines + "};\n"));
    }

    fn is_input(&self, variables: &Variables) -> bool {
        // In MQL4 `extern` is an input, too.
        variables.specs.input || (variables.specs.extern_ && self.program.dialect.digit() == 4)
    }

    fn table(&mut self, tops: &[Top]) {
        let name = self.program.name();
        let digit = self.program.dialect.digit();
        let mut lines = String::from("extern const mql::Program mql_program_table;\nconst mql::Program mql_program_table = {\n");
        lines.push_str(&format!("    .dialect = {digit},\n    .name = \"{name}\",\n"));
        for (event, params, arguments) in EVENTS {
            let handler = tops.iter().find_map(|top| match top {
                Top::Function(function) if function.name.len() == 1 && self.token(function.name.start).text == *event => {
                    Some(function)
                }
                _ => None,
            });
            let call = format!("mql_program::{event}({arguments})");
            lines.push_str(&match handler {
                None => format!("    .{event} = nullptr,\n"),
                // MQL lets OnInit have no result: all is well then.
                Some(function) if *event == "OnInit" && self.token(function.base.start).text == "void" => {
                    format!("    .OnInit = []() -> int {{ {call}; return 0; }},\n")
                }
                Some(_) if *event == "OnInit" => format!("    .OnInit = []() -> int {{ return {call}; }},\n"),
                Some(_) => format!("    .{event} = []({params}) {{ {call}; }},\n"),
            });
        }
        self.out.lines(&(lines + "};"));
    }
}

fn default(init: &Init) -> Option<Range<usize>> {
    match init {
        Init::Value(range) => Some(range.clone()),
        _ => None,
    }
}
