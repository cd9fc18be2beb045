//! An indicator as messages to a terminal: times by the broker's clock, no message above 64 KiB.

use super::broker_time::BrokerClock;
use crate::{
    domain::indicator::{Indicator, IndicatorSlot, Line, LineStyle, Point, PointKind, Shape},
    protocol::{
        codec::Row,
        message::{Draw, DrawLine, DrawPoint, draw_flag, draw_shape, line_style},
    },
};

/// What points and lines of one message may take, bytes. The rest of it is below 1 KiB, and messages stay below 64 KiB.
const MESSAGE_MAX: usize = 60_000;
/// What a point or a line takes beside its label, at most: numbers by their widest forms.
const ROW_MAX: usize = 40;
/// For those that do not say: amber.
const COLOR: u32 = 0x00ea_b308;
/// Characters of a line of keys in the name under which a terminal draws; all of them are random.
const LINE_SUFFIX: usize = 10;

/// What a terminal is told so that it shows this indicator, or no longer does.
pub(super) fn messages(indicator: &Indicator, clock: BrokerClock) -> Vec<Draw> {
    let slot = &indicator.slot;
    let empty = || Draw {
        id: name_on_chart(slot),
        symbol: slot.symbol.clone(),
        timeframe: slot.timeframe.number(),
        name: indicator.drawing.name.clone(),
        expires_at: indicator.expires_at.0,
        ..Draw::default()
    };
    let mut all = vec![Draw { flags: draw_flag::REPLACE, ..empty() }];
    if indicator.deleted {
        return all;
    }
    let mut room = MESSAGE_MAX;
    let mut place = |all: &mut Vec<Draw>, label: &str, put: &dyn Fn(&mut Draw)| {
        let takes = ROW_MAX + label.len();
        if takes > room {
            all.push(empty());
            room = MESSAGE_MAX;
        }
        room = room.saturating_sub(takes);
        if let Some(last) = all.last_mut() {
            put(last);
        }
    };
    for point in &indicator.drawing.points {
        let row = draw_point(point, clock);
        place(&mut all, &row.label, &|draw| draw.points.push(Row(row.clone())));
    }
    for line in &indicator.drawing.lines {
        let row = draw_line(line);
        place(&mut all, &row.label, &|draw| draw.lines.push(Row(row.clone())));
    }
    let last = all.len() - 1;
    all[..last].iter_mut().for_each(|draw| draw.flags |= draw_flag::MORE);
    all
}

/// Two bots may give one name to two indicators, and on a chart they are two.
fn name_on_chart(slot: &IndicatorSlot) -> String {
    let line = slot.line.to_string();
    format!("{}_{}", slot.id, &line[line.len().saturating_sub(LINE_SUFFIX)..])
}

fn draw_point(point: &Point, clock: BrokerClock) -> DrawPoint {
    DrawPoint {
        time: clock.to_broker(point.time),
        kind: match point.kind {
            PointKind::High => 0,
            PointKind::Low => 1,
        },
        price: point.price,
        label: point.label.clone().unwrap_or_default(),
        color: color(point.color.as_deref()),
        shape: match point.shape {
            None | Some(Shape::Circle) => draw_shape::CIRCLE,
            Some(Shape::ArrowUp) => draw_shape::ARROW_UP,
            Some(Shape::ArrowDown) => draw_shape::ARROW_DOWN,
            Some(Shape::Square) => draw_shape::SQUARE,
        },
        size: point.size.unwrap_or(1),
    }
}

fn draw_line(line: &Line) -> DrawLine {
    DrawLine {
        price: line.price,
        label: line.label.clone().unwrap_or_default(),
        color: color(line.color.as_deref()),
        style: match line.style {
            None | Some(LineStyle::Solid) => line_style::SOLID,
            Some(LineStyle::Dashed) => line_style::DASHED,
            Some(LineStyle::Dotted) => line_style::DOTTED,
        },
        width: line.width.unwrap_or(1),
    }
}

/// `#rrggbb` as a number.
fn color(text: Option<&str>) -> u32 {
    text.and_then(|text| u32::from_str_radix(text.strip_prefix('#')?, 16).ok()).unwrap_or(COLOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Dst, ServerClock},
        domain::{
            UnixMillis,
            api_key::Reach,
            ids::{KeyId, OwnerId},
            indicator::Drawing,
            market::Timeframe,
        },
        protocol::{FromHub, codec::Messages},
    };

    fn indicator(points: usize, label: &str) -> Indicator {
        let point = |n: usize| Point {
            time: 1_710_000_000 + n as i64,
            kind: PointKind::Low,
            price: 1.0 / 3.0,
            label: Some(label.to_owned()),
            color: Some("#ffffff".into()),
            shape: Some(Shape::Square),
            size: Some(3),
        };
        let line = Line {
            id: "sl".into(),
            price: 1.25,
            start_time: 0,
            bars: 1,
            label: None,
            color: None,
            style: Some(LineStyle::Dotted),
            width: None,
        };
        Indicator {
            slot: IndicatorSlot {
                line: KeyId::new(ulid::Ulid(7)),
                id: "x".repeat(50),
                symbol: "E".repeat(64),
                timeframe: Timeframe::M1,
            },
            owner: OwnerId::SELF,
            reach: Reach::Live,
            accounts: None,
            created_at: UnixMillis(0),
            expires_at: UnixMillis(i64::MAX),
            deleted: false,
            ended_at: None,
            drawing: Drawing {
                name: "n".repeat(400),
                points: (0..points).map(point).collect(),
                lines: vec![line],
                ..Drawing::default()
            },
        }
    }

    fn clock() -> BrokerClock {
        BrokerClock::configured(ServerClock { utc_offset: 7_200, dst: Dst::Us })
    }

    #[test]
    fn what_does_not_fit_comes_in_several_messages_below_64_kib_and_nothing_is_lost() {
        let many = indicator(2_000, &"ж".repeat(63));
        let messages = messages(&many, clock());
        assert!(messages.len() > 3);
        for (at, draw) in messages.iter().enumerate() {
            assert!(FromHub::from(draw.clone()).encode(u64::MAX).len() < 65_536);
            assert_eq!(draw.flags & draw_flag::REPLACE != 0, at == 0, "only the first takes away");
            assert_eq!(draw.flags & draw_flag::MORE != 0, at + 1 < messages.len(), "all but the last say that more comes");
            assert_eq!((draw.id.len(), draw.timeframe), (61, 1));
        }
        let times: Vec<_> = messages.iter().flat_map(|draw| draw.points.iter().map(|point| point.0.time)).collect();
        assert!(times == (0..2_000).map(|n| 1_710_000_000 + n + 7_200).collect::<Vec<_>>());
        assert_eq!(messages.last().unwrap().lines[0].0.style, line_style::DOTTED);
    }

    #[test]
    fn what_is_left_out_has_a_color_a_shape_and_a_size() {
        let mut one = indicator(1, "");
        one.drawing.points[0] = Point { label: None, color: None, shape: None, size: None, ..one.drawing.points[0].clone() };
        let [draw] = messages(&one, clock()).try_into().unwrap();
        let point = &draw.points[0].0;
        assert_eq!((point.color, point.shape, point.size, point.kind), (0x00ea_b308, draw_shape::CIRCLE, 1, 1));
        assert_eq!((draw.lines[0].0.color, draw.lines[0].0.width), (0x00ea_b308, 1));
    }

    #[test]
    fn two_bots_may_use_one_name_and_a_deleted_one_is_taken_away() {
        let one = indicator(1, "");
        let mut other = one.clone();
        other.slot.line = KeyId::new(ulid::Ulid(8));
        assert_ne!(messages(&one, clock())[0].id, messages(&other, clock())[0].id);
        let [gone] = messages(&Indicator { deleted: true, ..one }, clock()).try_into().unwrap();
        assert!(gone.flags == draw_flag::REPLACE && gone.points.is_empty() && gone.lines.is_empty());
    }
}
