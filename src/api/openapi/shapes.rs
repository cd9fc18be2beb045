//! Schemas of MetaTrader's records as answers show them: made of the record's own fields and of the same tables of names and times by
//! which `json::named` and `json::with_utc` write the answers, so that they cannot drift apart.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use crate::{
    api::{account, depth, history, json::Names, market_data, orders, positions},
    domain::{
        account::AccountInfo,
        market::{BookLevel, SymbolSpec, Tick},
        trade::{Deal, Order, OrderCheck, Position, TradeRequest, TradeResult},
    },
    events::view,
};

/// A value that may be null.
fn nullable(kind: Type, format: Option<KnownFormat>, description: String) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([kind, Type::Null]))
        .format(format.map(SchemaFormat::KnownFormat))
        .description(Some(description))
        .into()
}

/// A text.
fn text(description: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).into()
}

/// The fields of a record, with a name beside each enum of `names`, and `times` told thrice: UTC, its milliseconds, broker time.
fn shape<T: PartialSchema>(about: &str, names: &[Names], times: &[&str]) -> Object {
    let mut object = match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    };
    object.description = Some(about.to_owned());
    for (field, _) in names {
        let name = nullable(Type::String, None, format!("Name of `{field}`; null for a number that has none."));
        object.properties.insert(format!("{field}_name"), name);
    }
    for time in times {
        let (utc, msc) = (format!("`{time}`, UTC; null where there is none."), format!("`{time}`, UTC epoch milliseconds."));
        object.properties.insert((*time).to_owned(), nullable(Type::String, Some(KnownFormat::DateTime), utc));
        object.properties.insert(format!("{time}_msc"), nullable(Type::Integer, Some(KnownFormat::Int64), msc));
        let broker = nullable(Type::Integer, Some(KnownFormat::Int64), "The broker's own wall clock, epoch seconds.".to_owned());
        object.properties.insert(time.replacen("time", "broker_time", 1), broker);
    }
    object
}

/// Shapes, each under the name that the document gives it.
macro_rules! shapes {
    ($($row:ident as $name:literal, $about:literal: $record:ty, $names:expr, $times:expr $(, $field:literal = $schema:expr)*;)*) => {
        $(
            #[doc = $about]
            #[derive(Debug)]
            pub(in crate::api) struct $row;

            impl PartialSchema for $row {
                fn schema() -> RefOr<Schema> {
                    #[allow(unused_mut, reason = "not every shape has further fields")]
                    let mut object = shape::<$record>($about, $names, $times);
                    $(object.properties.insert($field.to_owned(), $schema);)*
                    object.into()
                }
            }

            impl ToSchema for $row {
                fn name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }
            }
        )*
    };
}

shapes! {
    AccountRow as "AccountFigures", "An account's figures: `AccountInfo` of MetaQuotes' Python package.":
        AccountInfo, &account::NAMES, &[], "terminal" = text("The token of the terminal that told them.");
    SymbolRow as "Symbol", "A symbol's specification: `SymbolInfo` of MetaQuotes' Python package.":
        SymbolSpec, &market_data::SYMBOL_NAMES, &["time"];
    QuoteRow as "Quote", "The last price of a symbol.": Tick, &[], &["time"], "symbol" = text("The broker's own name.");
    LevelRow as "BookLevel", "One price of an order book.": BookLevel, &depth::NAMES, &[];
    PositionRow as "Position", "An open position: `TradePosition` of MetaQuotes' Python package.":
        Position, &positions::NAMES, &["time", "time_update"];
    OrderRow as "Order", "An order, pending or of the past: `TradeOrder` of MetaQuotes' Python package.":
        Order, &orders::NAMES, &["time_setup", "time_done", "time_expiration"];
    DealRow as "Deal", "A deal: `TradeDeal` of MetaQuotes' Python package.": Deal, &history::DEAL_NAMES, &["time"];
    RequestRow as "CommandRequest", "What goes to the broker: `MqlTradeRequest`, with names.":
        TradeRequest, &view::REQUEST_NAMES, &[];
    ResultRow as "CommandResult", "What the terminal answered: `MqlTradeResult`.":
        TradeResult, &[], &[], "retcode_name" = nullable(Type::String, None, "Name of `retcode`.".to_owned());
    CheckRow as "OrderCheck", "What the terminal expects of an order: `MqlTradeCheckResult`.":
        OrderCheck, &[], &[],
        "ok" = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Whether the retcode is 0.")).into(),
        "retcode_name" = nullable(Type::String, None, "Name of `retcode`.".to_owned()),
        "request" = utoipa::openapi::Ref::from_schema_name("CommandRequest").into();
}

/// A row of the trade history: what is said of every row, then the fields of a deal, of an order or of a position.
#[derive(Debug)]
pub(in crate::api) struct HistoryRow;

impl PartialSchema for HistoryRow {
    fn schema() -> RefOr<Schema> {
        let about =
            "What was seen of a deal, an order or a position. Beside the fields that every row has stand those of its `kind`.";
        let RefOr::T(Schema::Object(mut row)) = super::schemas::HistoryHead::schema() else {
            return RefOr::T(Object::new().into());
        };
        row.description = Some(about.to_owned());
        for fields in [
            shape::<Order>("", &view::ORDER_NAMES, &["time_setup", "time_done", "time_expiration"]),
            shape::<Position>("", &view::POSITION_NAMES, &["time", "time_update"]),
            shape::<Deal>("", &view::DEAL_NAMES, &["time"]),
        ] {
            row.properties.extend(fields.properties);
        }
        row.into()
    }
}

impl ToSchema for HistoryRow {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        super::schemas::HistoryHead::schemas(schemas);
    }
}
