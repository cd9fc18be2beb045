//! Bars in few bytes: one page of at most [`MAX_BARS`] bars, column by column, differences, zstd.
//!
//! ```text
//! page   version u8 · n u16 LE · digits u8 · crc u32 LE · zstd( columns )
//! ```
//!
//! `crc` is CRC-32C of the four bytes before it and everything after it. Prices are integers of `digits` decimals when
//! each of them converts back to the very same bits; otherwise the page says [`RAW`] and holds their bits. So decoding
//! gives back exactly what was encoded, always. Columns, all as zigzag varints: time (difference of differences), open
//! (to the close before), high and low (to the open), close (to the open), tick volume, spread (to the one before), volume.

use crate::domain::market::Bar;

/// Most bars in a page.
pub(crate) const MAX_BARS: usize = 512;
/// Longest page, bytes.
pub(crate) const MAX_PAGE: usize = 4096;

const VERSION: u8 = 1;
const HEAD: usize = 8;
/// In place of the digits: prices are bits of `f64`.
const RAW: u8 = 255;
const MAX_DIGITS: u8 = 8;
const LEVEL: i32 = 3;
/// Eight columns of varints of at most ten bytes.
const MAX_COLUMNS: usize = MAX_BARS * 8 * 10;

/// Cuts bars into pages that hold both limits. Each comes with the time of its first bar.
pub(crate) fn paginate(bars: &[Bar]) -> Vec<(i64, Vec<u8>)> {
    let mut pages = Vec::new();
    let mut waiting: Vec<&[Bar]> = bars.chunks(MAX_BARS).rev().collect();
    while let Some(chunk) = waiting.pop() {
        let Some(first) = chunk.first() else { continue };
        match encode(chunk) {
            Some(page) if page.len() <= MAX_PAGE => pages.push((first.time, page)),
            // A single bar is far below the limit, so this ends.
            _ if chunk.len() > 1 => {
                let (left, right) = chunk.split_at(chunk.len() / 2);
                waiting.push(right);
                waiting.push(left);
            }
            _ => {}
        }
    }
    pages
}

/// One page, of any length; `None` for more than [`MAX_BARS`] bars.
fn encode(bars: &[Bar]) -> Option<Vec<u8>> {
    let count = u16::try_from(bars.len()).ok().filter(|count| usize::from(*count) <= MAX_BARS)?;
    let digits = digits_of(bars);
    let price = |price: f64| digits.map_or_else(|| price.to_bits().cast_signed(), |digits| scaled(price, digits));
    let mut columns = Vec::with_capacity(bars.len() * 16);
    let mut put = |value: i64| put_varint(&mut columns, value);
    let (mut time, mut step) = (0i64, 0i64);
    for bar in bars {
        let next = bar.time.wrapping_sub(time);
        put(next.wrapping_sub(step));
        (time, step) = (bar.time, next);
    }
    let mut close = 0i64;
    for bar in bars {
        put(price(bar.open).wrapping_sub(close));
        close = price(bar.close);
    }
    bars.iter().for_each(|bar| put(price(bar.high).wrapping_sub(price(bar.open))));
    bars.iter().for_each(|bar| put(price(bar.low).wrapping_sub(price(bar.open))));
    bars.iter().for_each(|bar| put(price(bar.close).wrapping_sub(price(bar.open))));
    bars.iter().for_each(|bar| put(bar.tick_volume));
    let mut spread = 0i64;
    for bar in bars {
        put(i64::from(bar.spread).wrapping_sub(spread));
        spread = i64::from(bar.spread);
    }
    bars.iter().for_each(|bar| put(bar.real_volume));
    let packed = zstd::bulk::compress(&columns, LEVEL).ok()?;
    let mut page = Vec::with_capacity(HEAD + packed.len());
    page.push(VERSION);
    page.extend_from_slice(&count.to_le_bytes());
    page.push(digits.unwrap_or(RAW));
    let crc = crc32c::crc32c_append(crc32c::crc32c(&page), &packed);
    page.extend_from_slice(&crc.to_le_bytes());
    page.extend_from_slice(&packed);
    Some(page)
}

/// The bars of a page, or `None` if these bytes are none.
pub(crate) fn decode(page: &[u8]) -> Option<Vec<Bar>> {
    let (head, packed) = page.split_first_chunk::<HEAD>()?;
    let [version, low, high, digits, crc @ ..] = *head;
    let count = usize::from(u16::from_le_bytes([low, high]));
    let known = version == VERSION && count <= MAX_BARS && (digits <= MAX_DIGITS || digits == RAW);
    if !known || crc32c::crc32c_append(crc32c::crc32c(&head[..4]), packed) != u32::from_le_bytes(crc) {
        return None;
    }
    let columns = zstd::bulk::decompress(packed, MAX_COLUMNS).ok()?;
    let mut rest = columns.as_slice();
    let mut bars =
        vec![Bar { time: 0, open: 0.0, high: 0.0, low: 0.0, close: 0.0, tick_volume: 0, spread: 0, real_volume: 0 }; count];
    let (mut time, mut step) = (0i64, 0i64);
    for bar in &mut bars {
        step = step.wrapping_add(take_varint(&mut rest)?);
        time = time.wrapping_add(step);
        bar.time = time;
    }
    let mut column = || (0..count).map(|_| take_varint(&mut rest)).collect::<Option<Vec<i64>>>();
    let (opens, highs, lows, closes) = (column()?, column()?, column()?, column()?);
    let (ticks, spreads, volumes) = (column()?, column()?, column()?);
    let price = |value: i64| if digits == RAW { f64::from_bits(value.cast_unsigned()) } else { unscaled(value, digits) };
    let (mut last_close, mut spread) = (0i64, 0i64);
    for (index, bar) in bars.iter_mut().enumerate() {
        let open = last_close.wrapping_add(opens[index]);
        last_close = open.wrapping_add(closes[index]);
        spread = spread.wrapping_add(spreads[index]);
        bar.open = price(open);
        bar.high = price(open.wrapping_add(highs[index]));
        bar.low = price(open.wrapping_add(lows[index]));
        bar.close = price(last_close);
        bar.tick_volume = ticks[index];
        bar.spread = i32::try_from(spread).ok()?;
        bar.real_volume = volumes[index];
    }
    rest.is_empty().then_some(bars)
}

/// The fewest decimals at which every price is an integer that converts back to the same bits.
fn digits_of(bars: &[Bar]) -> Option<u8> {
    let mut digits = 0;
    for price in bars.iter().flat_map(|bar| [bar.open, bar.high, bar.low, bar.close]) {
        // What is exact at fewer decimals need not be at more, so the whole page is checked again below.
        while digits <= MAX_DIGITS && !exact(price, digits) {
            digits += 1;
        }
    }
    let all = digits <= MAX_DIGITS
        && bars.iter().all(|bar| [bar.open, bar.high, bar.low, bar.close].iter().all(|price| exact(*price, digits)));
    all.then_some(digits)
}

fn exact(price: f64, digits: u8) -> bool {
    // 2^53: above it neighbouring integers are one f64.
    let small = (price * power(digits)).abs() < 9_007_199_254_740_992.0;
    small && unscaled(scaled(price, digits), digits).to_bits() == price.to_bits()
}

fn scaled(price: f64, digits: u8) -> i64 {
    (price * power(digits)).round() as i64
}

fn unscaled(value: i64, digits: u8) -> f64 {
    // Both sides are exact, so the division rounds once: as parsing the decimal would.
    value as f64 / power(digits)
}

fn power(digits: u8) -> f64 {
    10f64.powi(i32::from(digits))
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    /// M1 bars that move like a quiet major pair.
    pub(crate) fn walk(first: i64, count: usize) -> Vec<Bar> {
        let mut state = 42u64;
        let mut random = move |below: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below.cast_unsigned()).cast_signed()
        };
        let mut close = 108_000i64;
        (0..count as i64)
            .map(|n| {
                let open = close + random(3) - 1;
                close = open + random(21) - 10;
                let (high, low) = (open.max(close) + random(8), open.min(close) - random(8));
                let points = |value: i64| value as f64 / 100_000.0;
                Bar {
                    time: first + n * 60,
                    open: points(open),
                    high: points(high),
                    low: points(low),
                    close: points(close),
                    tick_volume: 20 + random(200),
                    spread: random(10) as i32,
                    real_volume: 0,
                }
            })
            .collect()
    }

    fn bits(bars: &[Bar]) -> Vec<[u64; 4]> {
        bars.iter().map(|bar| [bar.open, bar.high, bar.low, bar.close].map(f64::to_bits)).collect()
    }

    fn any_price() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (0i64..10_000_000, 0u8..=8).prop_map(|(points, digits)| points as f64 / power(digits)),
            1 => any::<u64>().prop_map(f64::from_bits),
            1 => prop_oneof![Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(1.0 / 3.0), Just(9_007_199_254_740_993.0)],
        ]
    }

    fn any_bar(price: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = Bar> {
        (any::<i64>(), price.clone(), price.clone(), price.clone(), price, any::<i64>(), any::<i32>(), any::<i64>()).prop_map(
            |(time, open, high, low, close, tick_volume, spread, real_volume)| Bar {
                time,
                open,
                high,
                low,
                close,
                tick_volume,
                spread,
                real_volume,
            },
        )
    }

    fn check(bars: &[Bar]) {
        let back: Vec<Bar> = paginate(bars)
            .into_iter()
            .flat_map(|(first, page)| {
                assert!(page.len() <= MAX_PAGE);
                let bars = decode(&page).unwrap();
                assert_eq!(bars[0].time, first);
                bars
            })
            .collect();
        assert_eq!(bits(&back), bits(bars));
        let rest =
            |bars: &[Bar]| bars.iter().map(|bar| (bar.time, bar.tick_volume, bar.spread, bar.real_volume)).collect::<Vec<_>>();
        assert_eq!(rest(&back), rest(bars));
    }

    proptest! {
        #[test]
        fn any_bars_come_back_bit_for_bit(bars in proptest::collection::vec(any_bar(any_price().boxed()), 0..40)) {
            check(&bars);
        }

        #[test]
        fn decimal_prices_come_back_bit_for_bit(points in proptest::collection::vec(0i64..100_000_000, 4..400), digits in 0u8..=8) {
            let prices: Vec<f64> = points.iter().map(|points| format!("{points}e-{digits}").parse().unwrap()).collect();
            let bars: Vec<Bar> = prices.windows(4).enumerate().map(|(n, p)| Bar { time: n as i64 * 60, open: p[0], high: p[1], low: p[2], close: p[3], tick_volume: 1, spread: 2, real_volume: 3 }).collect();
            prop_assert!(digits_of(&bars).is_some_and(|found| found <= digits), "a decimal needs no raw page");
            check(&bars);
        }

        #[test]
        fn decoding_arbitrary_bytes_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 8..200), fix in any::<bool>()) {
            if fix {
                bytes[0] = VERSION;
                let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..]);
                bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            }
            let _ = decode(&bytes);
        }

        #[test]
        fn arbitrary_columns_never_panic(columns in proptest::collection::vec(any::<u8>(), 0..400), count in 0u16..600, digits in any::<u8>()) {
            let mut page = vec![VERSION];
            page.extend_from_slice(&count.to_le_bytes());
            page.push(digits);
            let packed = zstd::bulk::compress(&columns, 1).unwrap();
            let crc = crc32c::crc32c_append(crc32c::crc32c(&page), &packed);
            page.extend_from_slice(&crc.to_le_bytes());
            page.extend_from_slice(&packed);
            let _ = decode(&page);
        }
    }

    #[test]
    fn a_page_with_any_single_bit_flipped_is_refused() {
        let page = encode(&walk(1_700_000_000, 20)).unwrap();
        for bit in 0..page.len() * 8 {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn ordinary_bars_take_less_than_ten_bytes_each() {
        let bars = walk(1_700_000_000, 5120);
        let bytes: usize = paginate(&bars).iter().map(|(_, page)| page.len()).sum();
        assert!(bytes < bars.len() * 10, "{} bytes a bar", bytes as f64 / bars.len() as f64);
        check(&bars);
    }
}
