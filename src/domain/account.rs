//! Which trading account a terminal is logged in to, and what MetaTrader tells about it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A trading account. Two brokers may issue the same number, so the server's name is part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The account number (`ACCOUNT_LOGIN`).
    pub login: u64,
    /// The trade server's name (`ACCOUNT_SERVER`), for instance `Demo-Server`.
    pub server: String,
}

/// Why a login and a server's name are no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccount {
    /// MetaTrader reports 0 while nobody is logged in.
    #[error("account number 0: the terminal is not logged in to an account")]
    NotLoggedIn,
    /// Empty, too long or with control characters.
    #[error("trade server name must be 1 to 64 printable characters")]
    BadServer,
}

impl Account {
    /// Checks what a terminal claims. Server names are compared exactly, as MetaTrader reports them.
    ///
    /// # Errors
    /// [`InvalidAccount`] for a zero login, or a server name that is empty, over 64 bytes or has control characters.
    pub fn new(login: u64, server: &str) -> Result<Self, InvalidAccount> {
        if login == 0 {
            return Err(InvalidAccount::NotLoggedIn);
        }
        if server.is_empty() || server.len() > 64 || server.chars().any(char::is_control) {
            return Err(InvalidAccount::BadServer);
        }
        Ok(Self { login, server: server.to_owned() })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.login, self.server)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which MetaTrader the terminal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(rename_all = "lowercase")]
#[serde(rename_all = "lowercase", try_from = "PlatformRepr", into = "PlatformRepr")]
pub enum Platform {
    /// MetaTrader 4.
    Mt4,
    /// MetaTrader 5.
    Mt5,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PlatformRepr {
    Number(u8),
    Name(String),
}

impl TryFrom<PlatformRepr> for Platform {
    type Error = &'static str;
    fn try_from(repr: PlatformRepr) -> Result<Self, Self::Error> {
        match repr {
            PlatformRepr::Number(4) => Ok(Self::Mt4),
            PlatformRepr::Number(5) => Ok(Self::Mt5),
            PlatformRepr::Name(name) if name == "mt4" => Ok(Self::Mt4),
            PlatformRepr::Name(name) if name == "mt5" => Ok(Self::Mt5),
            _ => Err("platform is 4 (mt4) or 5 (mt5)"),
        }
    }
}

impl From<Platform> for PlatformRepr {
    fn from(platform: Platform) -> Self {
        Self::Name(platform.name().to_owned())
    }
}

impl Platform {
    /// `mt4` or `mt5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mt4 => "mt4",
            Self::Mt5 => "mt5",
        }
    }
}

/// `ACCOUNT_TRADE_MODE` of a demo account.
pub const TRADE_MODE_DEMO: u8 = 0;
/// `ACCOUNT_TRADE_MODE` of a real account.
pub const TRADE_MODE_REAL: u8 = 2;
/// `ACCOUNT_MARGIN_MODE` of a hedging account: every fill is a position of its own.
pub const MARGIN_MODE_HEDGING: u8 = 2;

/// `AccountInfo` as MetaQuotes' Python package has it: 28 fields in that order. Money in the account's currency.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are ENUM_ACCOUNT_INFO_* of the MQL5 reference, by name")]
pub struct AccountInfo {
    pub login: u64,
    pub trade_mode: u8,
    pub leverage: u32,
    pub limit_orders: u32,
    pub margin_so_mode: u8,
    pub trade_allowed: bool,
    pub trade_expert: bool,
    pub margin_mode: u8,
    pub currency_digits: u8,
    pub fifo_close: bool,
    pub balance: f64,
    pub credit: f64,
    pub profit: f64,
    pub equity: f64,
    pub margin: f64,
    pub margin_free: f64,
    pub margin_level: f64,
    pub margin_so_call: f64,
    pub margin_so_so: f64,
    pub margin_initial: f64,
    pub margin_maintenance: f64,
    pub assets: f64,
    pub liabilities: f64,
    pub commission_blocked: f64,
    pub name: String,
    pub server: String,
    pub currency: String,
    pub company: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_is_not_logged_in_has_no_account() {
        assert_eq!(Account::new(0, "Demo"), Err(InvalidAccount::NotLoggedIn));
        assert_eq!(Account::new(1, ""), Err(InvalidAccount::BadServer));
        assert_eq!(Account::new(1, "a\nb"), Err(InvalidAccount::BadServer));
        assert_eq!(Account::new(1001, "Demo-Server").unwrap().to_string(), "1001@Demo-Server");
    }
}
