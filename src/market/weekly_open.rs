//! Whose summer time a trade server follows, told by its bars.
//!
//! Markets that close over the weekend open again at one time of New York's Sunday, all year round: that is how their sessions are
//! defined. Seen with the right rule, all weekly openings of a symbol are at the same New York time; with a wrong one they are an hour
//! off in the weeks in which the rules differ. What the time itself is does not matter, so this holds for gold and indices too.

use std::sync::LazyLock;

use jiff::{Timestamp, tz::TimeZone};

use super::broker_time::BrokerClock;
use crate::{config::Dst, domain::market::Bar};

static NEW_YORK: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC));

const HOUR: i64 = 3_600;
/// A weekend; longer pauses have a holiday in them, after which markets may open at another hour.
const WEEKEND: std::ops::RangeInclusive<i64> = 44 * HOUR..=56 * HOUR;
/// The first bar of a week may be some minutes late, when nobody traded.
const LATE: i64 = 30 * 60;
/// The rules in question, the commonest first.
const RULES: [Dst; 3] = [Dst::Us, Dst::Eu, Dst::None];

/// Opening times of the first bars after weekends, broker time.
#[must_use]
pub(super) fn weekly_opens(bars: &[Bar]) -> Vec<i64> {
    let weekend = |pair: &&[Bar]| WEEKEND.contains(&(pair[1].time - pair[0].time));
    bars.windows(2).filter(weekend).map(|pair| pair[1].time).collect()
}

/// The rule that the weekly openings of one symbol agree with, given one measured offset. None if they agree with all rules, as
/// within one season, or with none.
#[must_use]
pub(super) fn rule_of(opens: &[i64], broker_time: i64, offset_s: i32) -> Option<Dst> {
    let fits = |dst: &Dst| {
        let clock = BrokerClock::following(*dst, broker_time, offset_s);
        let mut times = opens.iter().map(|open| new_york_time_of_week(clock.to_utc(*open)));
        times.next().is_some_and(|first| times.all(|time| (time - first).abs() < LATE))
    };
    let fitting: Vec<Dst> = RULES.into_iter().filter(fits).collect();
    (fitting.len() < RULES.len()).then(|| fitting.first().copied()).flatten()
}

/// Seconds since Sunday midnight, New York. An opening on either side of it stays comparable.
fn new_york_time_of_week(utc: i64) -> i64 {
    let Ok(at) = Timestamp::from_second(utc) else { return 0 };
    let civil = at.to_zoned(NEW_YORK.clone());
    let day = i64::from(civil.weekday().to_sunday_zero_offset());
    let time = day * 86_400 + i64::from(civil.hour()) * HOUR + i64::from(civil.minute()) * 60 + i64::from(civil.second());
    // Saturday evening counts as before Sunday.
    if day > 3 { time - 7 * 86_400 } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    /// Weekly openings of a market that opens on Sunday at `hour` New York time, as a server in `zone` with its clock `ahead` shows
    /// them: by the civil calendar, not by the module that is judged.
    fn opens(zone: &str, ahead: i64, hour: i8) -> Vec<i64> {
        let (home, server) = (TimeZone::get("America/New_York").unwrap(), TimeZone::get(zone).unwrap());
        let sunday = |week| jiff::civil::date(2024, 1, 14).saturating_add(jiff::Span::new().weeks(week));
        let shown = |week| {
            let open = sunday(week).at(hour, 0, 0, 0).to_zoned(home.clone()).unwrap().timestamp();
            let civil = open.to_zoned(server.clone()).datetime();
            civil.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second() + ahead
        };
        (0..45).map(shown).collect()
    }

    #[test]
    fn a_year_of_openings_tells_each_rule_from_the_others_whatever_hour_the_market_opens() {
        let winter = at("2024-12-20T12:00:00Z");
        for hour in [17, 18, 19] {
            assert_eq!(rule_of(&opens("America/New_York", 7 * HOUR, hour), winter, 7_200), Some(Dst::Us), "{hour}");
            assert_eq!(rule_of(&opens("Europe/Athens", 0, hour), winter, 7_200), Some(Dst::Eu), "{hour}");
            assert_eq!(rule_of(&opens("Etc/GMT-3", 0, hour), winter, 10_800), Some(Dst::None), "{hour}");
            assert_eq!(rule_of(&opens("Europe/London", 0, hour), winter, 0), Some(Dst::Eu), "{hour}");
        }
    }

    #[test]
    fn three_weeks_around_a_switch_are_enough_and_one_season_is_not() {
        let all = opens("America/New_York", 7 * HOUR, 17);
        let march = at("2024-03-20T12:00:00Z");
        assert_eq!(rule_of(&all[7..10], march, 10_800), Some(Dst::Us));
        assert_eq!(rule_of(&all[..6], march, 10_800), None, "winter alone");
        assert_eq!(rule_of(&[], march, 10_800), None);
    }

    #[test]
    fn openings_that_agree_with_nothing_prove_nothing() {
        let mut all = opens("America/New_York", 7 * HOUR, 17);
        all[20] += 5 * HOUR;
        assert_eq!(rule_of(&all, at("2024-12-20T12:00:00Z"), 7_200), None);
    }

    #[test]
    fn weekends_are_seen_and_nights_and_holidays_are_not() {
        let bar = |time: &str| Bar { time: at(time), ..Bar::default() };
        let bars = [
            bar("2024-03-07T23:58:00Z"),
            bar("2024-03-08T00:05:00Z"),
            bar("2024-03-08T23:54:00Z"),
            bar("2024-03-11T00:05:00Z"),
            bar("2024-03-15T23:54:00Z"),
            bar("2024-03-19T00:05:00Z"),
        ];
        assert_eq!(weekly_opens(&bars), [at("2024-03-11T00:05:00Z")]);
    }
}
