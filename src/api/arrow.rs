//! Records as a stream of Apache Arrow (its IPC streaming format): a schema, then a batch for each piece, then the end of the stream.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use serde_json::{Map, Value};

use super::table::{Cell, Kind, Table};

/// Records of a batch: some 700 KiB.
const BATCH: usize = 8_192;

/// The values of one column.
enum Column {
    Time(Vec<i64>),
    Int(Vec<i64>),
    Unsigned(Vec<u64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
}

impl Column {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Time => Self::Time(Vec::new()),
            Kind::Int => Self::Int(Vec::new()),
            Kind::Unsigned => Self::Unsigned(Vec::new()),
            Kind::Float => Self::Float(Vec::new()),
            Kind::Bool => Self::Bool(Vec::new()),
        }
    }

    /// A value of another kind is left out; then the columns are not of one length, which is an error of the batch.
    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Time(values), Cell::Time(at)) => values.push(at.0),
            (Self::Int(values), Cell::Int(number)) => values.push(number),
            (Self::Unsigned(values), Cell::Unsigned(number)) => values.push(number),
            (Self::Float(values), Cell::Float(number)) => values.push(number),
            (Self::Bool(values), Cell::Bool(yes)) => values.push(yes),
            _ => {}
        }
    }

    fn array(self, zone: Option<&'static str>) -> ArrayRef {
        match self {
            Self::Time(values) => Arc::new(TimestampMillisecondArray::from(values).with_timezone_opt(zone)),
            Self::Int(values) => Arc::new(Int64Array::from(values)),
            Self::Unsigned(values) => Arc::new(UInt64Array::from(values)),
            Self::Float(values) => Arc::new(Float64Array::from(values)),
            Self::Bool(values) => Arc::new(BooleanArray::from(values)),
        }
    }
}

/// Times of the server's clock are of no zone.
fn zone<T: Table>(table: &T) -> Option<&'static str> {
    table.is_utc().then_some("UTC")
}

/// What stands beside the records goes with the schema: texts as they are, everything else as JSON.
fn schema<T: Table>(table: &T, about: &Map<String, Value>) -> Schema {
    let fields = T::COLUMNS.iter().map(|(name, kind)| {
        let kind = match kind {
            Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, zone(table).map(Into::into)),
            Kind::Int => DataType::Int64,
            Kind::Unsigned => DataType::UInt64,
            Kind::Float => DataType::Float64,
            Kind::Bool => DataType::Boolean,
        };
        Field::new(*name, kind, false)
    });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let metadata: HashMap<_, _> = about.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata)
}

fn batch<T: Table>(table: &T, schema: &Arc<Schema>, from: usize) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<Column> = T::COLUMNS.iter().map(|(_, kind)| Column::of(*kind)).collect();
    for at in from..table.len().min(from + BATCH) {
        columns.iter_mut().zip(table.cells(at)).for_each(|(column, cell)| column.push(cell));
    }
    let arrays = columns.into_iter().map(|column| column.array(zone(table))).collect();
    RecordBatch::try_new(Arc::clone(schema), arrays)
}

/// The stream, piece by piece. An error ends it without its end, which readers may take for one: the connection must be broken then.
pub(super) fn pieces<T: Table>(
    table: &Arc<T>,
    about: &Map<String, Value>,
) -> impl Iterator<Item = Result<Vec<u8>, ArrowError>> + Send + use<T> + 'static {
    let (table, schema) = (Arc::clone(table), Arc::new(schema(table.as_ref(), about)));
    let mut writer = None;
    let batches = table.len().div_ceil(BATCH);
    // The schema, the batches, the end.
    (0..batches + 2).map(move |at| {
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(StreamWriter::try_new(Vec::new(), &schema)?),
        };
        match at {
            0 => {}
            at if at <= batches => writer.write(&batch(table.as_ref(), &schema, (at - 1) * BATCH)?)?,
            _ => writer.finish()?,
        }
        Ok(std::mem::take(writer.get_mut()))
    })
}
