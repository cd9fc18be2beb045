//! Samples of a day, summed up by stretches.

use super::*;

const START: i64 = 1_700_000_000_000 / 3_600_000 * 3_600_000;

fn at(seconds: i64) -> UnixMillis {
    UnixMillis(START + seconds * 1_000)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn one_sample_is_its_own_percentiles_and_nothing_has_none() {
    let mut series = Series::default();
    assert_eq!(series.sum(at(0), 5), Summary::default());
    assert_eq!(Summary::default().percentile(50), None);
    series.record(at(0), Duration::from_micros(12_340));
    let sum = series.sum(at(1), 5);
    assert_eq!((sum.count, sum.max), (1, Some(Duration::from_micros(12_340))));
    for percent in [50, 95, 99] {
        assert_eq!(sum.percentile(percent), sum.max);
    }
}

#[test]
fn percentiles_are_within_a_size_of_the_truth_and_never_above_the_longest() {
    let mut series = Series::default();
    (1..=1_000).for_each(|value| series.record(at(0), ms(value)));
    let sum = series.sum(at(0), 5);
    assert_eq!((sum.count, sum.max), (1_000, Some(ms(1_000))));
    assert_eq!(sum.rows.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
    for (percent, truth) in [(50, 500.0), (95, 950.0), (99, 990.0)] {
        let told = sum.percentile(percent).unwrap().as_secs_f64() * 1e3;
        assert!((told / truth - 1.0).abs() < 0.05 && told <= 1_000.0, "{percent}: {told}");
    }
}

#[test]
fn rows_have_no_holes_and_what_is_beyond_the_scale_is_in_its_ends() {
    let mut series = Series::default();
    for took in [Duration::ZERO, ms(1), Duration::from_secs(3_600)] {
        series.record(at(0), took);
    }
    let sum = series.sum(at(0), 5);
    assert_eq!(sum.rows.len(), SIZES);
    assert_eq!((sum.rows[0], sum.rows[SIZES - 1].1), ((Duration::from_micros(100), 1), 1));
    assert!(sum.rows.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(sum.max, Some(Duration::from_micros(671_088_630)), "the longest that is told");
}

#[test]
fn a_window_has_what_fell_into_it_and_a_day_has_everything_once() {
    let mut series = Series::default();
    let day = 86_400;
    // One each ten seconds, and what is asked at any time agrees with it.
    for second in (0..2 * day).step_by(10) {
        series.record(at(second), ms(5));
        if second % 4_570 != 0 {
            continue;
        }
        for minutes in 1..=DAY {
            let begin = Summary::begin(at(second), minutes);
            let behind = at(second).since(begin) / 1_000 - i64::from(minutes) * 60;
            let coarse = match minutes {
                ..10 => 60,
                10..86 => 300,
                _ => 3_600,
            };
            assert!((0..coarse).contains(&behind), "{minutes} minutes begin {behind} s early");
            let counted = series.sum(at(second), minutes).count;
            let truth = (at(second).since(begin.max(at(0))) / 10_000 + 1).unsigned_abs();
            assert_eq!(counted, truth, "{minutes} minutes at {second}");
        }
    }
    assert_eq!(series.sum(at(2 * day + 2 * day), DAY), Summary::default(), "nothing is older than a day");
    assert!(series.cells.is_empty());
}

#[test]
fn a_day_of_a_hop_takes_a_few_kibibytes_and_whatever_is_sent_it_has_a_bound() {
    let (mut usual, mut worst) = (Series::default(), Series::default());
    let (mut most, mut worst_most, mut number) = (0, 0, 1_u64);
    for second in (0..2 * 86_400).step_by(2) {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usual.record(at(second), ms(20 + (number >> 33) % 60));
        // Each size in each minute.
        let edge = |half: i64| EDGES_US[usize::try_from((second + half) % 41).unwrap()];
        [0, 1].map(edge).map(Duration::from_micros).into_iter().for_each(|took| worst.record(at(second), took));
        (most, worst_most) = (most.max(usual.bytes()), worst_most.max(worst.bytes()));
    }
    println!("a day of one hop: {most} bytes; of one that sends everything: {worst_most}");
    assert!(most <= 3 * 1_024, "{most}");
    assert!(worst_most <= 18 * 1_024, "{worst_most}");
}
