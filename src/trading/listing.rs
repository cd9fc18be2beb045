//! Lists of commands, of one account or of several, from either end.

use super::Trading;
use crate::{
    domain::{
        UnixMillis,
        account::Account,
        command::CommandRecord,
        ids::{CommandId, OwnerId},
    },
    store::{
        StoreError,
        merged::{Direction, Merged},
        records,
    },
};

/// Records that one call looks through at most.
const LOOKED_AT_MAX: usize = 5_000;
/// An id's time and the record's differ by less, unless the machine's clock was set while it was made.
const CLOCK_MS: i64 = 60_000;

/// Which commands are asked for.
#[derive(Debug, Clone)]
pub struct Listing<'a> {
    /// Whose.
    pub owner: OwnerId,
    /// Of these accounts.
    pub accounts: &'a [Account],
    /// Only those that the caller gave this reference.
    pub client_order_id: Option<&'a str>,
    /// From which end.
    pub direction: Direction,
    /// Made at or after.
    pub from: Option<UnixMillis>,
    /// Made before.
    pub to: Option<UnixMillis>,
    /// Where the page before ended.
    pub after: Option<CommandId>,
}

impl Listing<'_> {
    fn prefixes(&self) -> Vec<Vec<u8>> {
        let prefix = |account| match self.client_order_id {
            Some(reference) => records::client_orders(self.owner, account, Some(reference)),
            None => records::account_commands(self.owner, account),
        };
        self.accounts.iter().map(prefix).collect()
    }

    /// Behind the last page, and nothing before the time that is asked for.
    fn start(&self) -> Option<[u8; 16]> {
        let bound = match self.direction {
            Direction::Ascending => self.from.map(|from| first_id(from.plus_ms(-CLOCK_MS))),
            Direction::Descending => self.to.map(|to| first_id(to.plus_ms(CLOCK_MS))),
        };
        self.direction.later(self.after.map(|id| id.to_bytes()), bound)
    }

    /// Whether everything from here on is outside of the time that is asked for.
    fn is_beyond(&self, id: CommandId) -> bool {
        match self.direction {
            Direction::Ascending => self.to.is_some_and(|to| id.created_at() >= to.plus_ms(CLOCK_MS)),
            Direction::Descending => self.from.is_some_and(|from| id.created_at() < from.plus_ms(-CLOCK_MS)),
        }
    }

    fn takes(&self, record: &CommandRecord) -> bool {
        self.from.is_none_or(|from| record.created_at >= from) && self.to.is_none_or(|to| record.created_at < to)
    }
}

/// The lowest id of a moment.
fn first_id(at: UnixMillis) -> [u8; 16] {
    CommandId::new(ulid::Ulid::from_parts(u64::try_from(at.0).unwrap_or(0), 0)).to_bytes()
}

impl Trading {
    /// Commands that `keep` wants, in the order that is asked for, and where the next page begins. A page that is not full may have a
    /// next one: no call looks through more than so many commands.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        listing: &Listing<'_>,
        limit: usize,
        mut keep: impl FnMut(&CommandRecord) -> bool,
    ) -> Result<(Vec<CommandRecord>, Option<CommandId>), StoreError> {
        let start = listing.start();
        let start = start.as_ref().map(<[u8; 16]>::as_slice);
        let mut lists = Merged::new(&*self.inner.store, listing.direction, listing.prefixes(), start);
        let (mut found, mut looked_at) = (Vec::new(), 0);
        while let Some((_, key, _)) = lists.next().await? {
            let Some(id) = records::command_of(&key) else { continue };
            if listing.is_beyond(id) {
                break;
            }
            found.extend(self.command(id).await?.filter(|record| listing.takes(record) && keep(record)));
            looked_at += 1;
            if found.len() == limit || looked_at == LOOKED_AT_MAX {
                return Ok((found, Some(id)));
            }
        }
        Ok((found, None))
    }
}
