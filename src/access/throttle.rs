//! Slows down whoever tries secrets: by address, and only those attempts that fail.
//!
//! A secret of ours has 256 random bits, so nobody guesses one; what is protected are logins, the log and the time of others. Whoever
//! shows a valid secret never meets this, from whatever address. IPv6 counts by /64, which is what one customer has.
//!
//! Memory is bounded: a shard forgets its older half of addresses when it is full. Whoever has so many addresses is not held by
//! counting them, and costs no more than the table.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::Clock, config, domain::UnixMillis};

/// Failures are counted over this time.
const WINDOW_MS: i64 = 60_000;
/// The first delay, milliseconds; each later one is twice as long.
const FIRST_DELAY_MS: i64 = 60_000;
/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;
/// Addresses in half a shard: 131,072 in all.
const HALF: usize = 4_096;

/// What is known of one address that failed.
#[derive(Debug, Clone, Copy)]
struct Record {
    window: UnixMillis,
    failures: u32,
    /// How often it was delayed already.
    delays: u32,
    until: UnixMillis,
}

/// Half of a shard is young, half is old; what is met again is young.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<IpAddr, Record>,
    old: HashMap<IpAddr, Record>,
}

impl Shard {
    fn take(&mut self, network: &IpAddr) -> Option<Record> {
        self.young.remove(network).or_else(|| self.old.remove(network))
    }

    fn put(&mut self, network: IpAddr, record: Record) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(network, record);
    }
}

/// Failed attempts by address.
#[derive(Debug)]
pub struct Throttle {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    per_minute: u32,
    longest_ms: i64,
    clock: Clock,
}

impl Throttle {
    /// An empty one.
    #[must_use]
    pub fn new(settings: &config::Throttle, clock: Clock) -> Self {
        let longest_ms = i64::try_from(settings.longest_delay.as_millis()).unwrap_or(i64::MAX);
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), per_minute: settings.failures_per_minute, longest_ms, clock }
    }

    /// An attempt from there has failed. Some: there were too many, and what fails from there is refused for so long.
    pub fn failed(&self, address: IpAddr) -> Option<Duration> {
        if self.per_minute == 0 {
            return None;
        }
        let (network, now) = (network(address), self.clock.steady());
        let mut shard = self.shard(&network);
        let fresh = Record { window: now, failures: 0, delays: 0, until: UnixMillis(0) };
        let mut record = shard.take(&network).unwrap_or(fresh);
        if now.since(record.until.max(record.window)) > self.longest_ms.max(WINDOW_MS) {
            // Quiet for so long: what was is over.
            record = fresh;
        }
        if now >= record.until {
            self.count(&mut record, now);
        }
        let wait = record.until.since(now);
        shard.put(network, record);
        positive(wait)
    }

    fn count(&self, record: &mut Record, now: UnixMillis) {
        if now.since(record.window) >= WINDOW_MS {
            (record.window, record.failures) = (now, 0);
        }
        record.failures += 1;
        if record.failures > self.per_minute {
            let delay = FIRST_DELAY_MS.saturating_mul(1 << record.delays.min(32)).min(self.longest_ms);
            record.delays = record.delays.saturating_add(1);
            record.until = now.plus_ms(delay);
            // The next window begins when the delay is over.
            (record.window, record.failures) = (record.until, 0);
        }
    }

    /// How long attempts from there are refused, without counting one: for what must not even be tried, as a password, whose check is
    /// expensive.
    #[must_use]
    pub fn waits(&self, address: IpAddr) -> Option<Duration> {
        let (network, now) = (network(address), self.clock.steady());
        let shard = self.shard(&network);
        let record = shard.young.get(&network).or_else(|| shard.old.get(&network))?;
        positive(record.until.since(now))
    }

    fn shard(&self, network: &IpAddr) -> std::sync::MutexGuard<'_, Shard> {
        let index = usize::try_from(self.hasher.hash_one(network) % SHARDS as u64).unwrap_or(0);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many addresses are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        let sizes = self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        });
        sizes.sum()
    }

    /// Whether no address has failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn positive(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

/// What counts as one: an address of IPv4, a /64 of IPv6.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(&config::Throttle::default(), Clock::start())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const HERE: &str = "198.51.100.7";

    fn fails(throttle: &Throttle, times: usize) -> Vec<Option<u64>> {
        (0..times).map(|_| throttle.failed(ip(HERE)).map(|wait| wait.as_secs())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_failures_a_minute_are_let_and_the_eleventh_waits() {
        let throttle = throttle();
        assert_eq!(fails(&throttle, 10), [None; 10]);
        assert_eq!(throttle.waits(ip(HERE)), None);
        assert_eq!(fails(&throttle, 2), [Some(60); 2]);
        assert_eq!(throttle.waits(ip(HERE)).unwrap().as_secs(), 60);
        assert_eq!(throttle.failed(ip("198.51.100.8")), None, "the neighbour has done nothing");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(fails(&throttle, 1), [Some(40)], "failing on does not make it longer");
    }

    #[tokio::test(start_paused = true)]
    async fn slow_failures_are_never_delayed() {
        let throttle = throttle();
        for _ in 0..100 {
            assert_eq!(fails(&throttle, 10), [None; 10]);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_delay_is_twice_the_one_before_up_to_the_longest_and_quiet_ends_it() {
        let throttle = throttle();
        let mut delays = Vec::new();
        for _ in 0..7 {
            let delay = fails(&throttle, 11)[10].unwrap();
            delays.push(delay);
            tokio::time::advance(Duration::from_secs(delay)).await;
        }
        assert_eq!(delays, [60, 120, 240, 480, 900, 900, 900]);
        tokio::time::advance(Duration::from_secs(901)).await;
        assert_eq!(fails(&throttle, 11)[9..], [None, Some(60)], "as at the first time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_64_of_ipv6_is_one_and_a_mapped_address_is_its_ipv4() {
        let throttle = throttle();
        for n in 0..10 {
            assert_eq!(throttle.failed(ip(&format!("2001:db8:1:2::{n}"))), None);
        }
        assert!(throttle.failed(ip("2001:db8:1:2:ffff::1")).is_some());
        assert!(throttle.failed(ip("2001:db8:1:3::1")).is_none());
        assert_eq!(network(ip("::ffff:198.51.100.7")), ip(HERE));
    }

    #[test]
    fn a_million_addresses_take_no_more_memory_than_the_table_has() {
        let throttle = throttle();
        for n in 0..1_000_000_u32 {
            let _ = throttle.failed(IpAddr::from(n.to_be_bytes()));
        }
        assert!(throttle.len() <= 2 * HALF * SHARDS, "{}", throttle.len());
    }

    #[test]
    fn a_thousand_addresses_with_a_thousand_failures_each_are_all_held() {
        let throttle = throttle();
        let mut answered = 0;
        for _ in 0..1_000 {
            answered += (0..1_000_u32).filter(|n| throttle.failed(IpAddr::from(n.to_be_bytes())).is_none()).count();
        }
        assert_eq!((answered, throttle.len()), (10_000, 1_000));
    }

    #[test]
    fn zero_turns_it_off() {
        let settings = config::Throttle { failures_per_minute: 0, ..config::Throttle::default() };
        let throttle = Throttle::new(&settings, Clock::start());
        assert_eq!((fails(&throttle, 50), throttle.is_empty()), (vec![None; 50], true));
    }

    proptest! {
        /// In whatever rhythm one fails, no minute has more failures that are answered than may be.
        #[test]
        fn no_minute_has_more_than_twice_ten_that_are_not_refused(steps in proptest::collection::vec(0_u64..20_000, 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            let let_at = runtime.block_on(async {
                let throttle = throttle();
                let (mut now, mut let_at) = (0_u64, Vec::new());
                for step in steps {
                    tokio::time::advance(Duration::from_millis(step)).await;
                    now += step;
                    if throttle.failed(ip(HERE)).is_none() {
                        let_at.push(now);
                    }
                }
                let_at
            });
            for (index, at) in let_at.iter().enumerate() {
                // Windows stand still, so that the end of one and the beginning of the next may meet in one minute.
                prop_assert!(let_at[index..].iter().take_while(|later| **later < at + 60_000).count() <= 20);
            }
        }
    }
}
