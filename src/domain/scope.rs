//! What an API key reaches, and from where: symbols, accounts, addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

use super::{account::Account, limits::mask_fits, trade::FieldError};

/// Names, accounts or networks that one list may have.
const MOST: usize = 1_000;

/// What a key reaches. What is left out is not limited; an empty list allows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Symbols that may be read and traded: names as the broker has them, `*` at either end for any letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbols: Option<Vec<String>>,
    /// Accounts that exist for the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountName>>,
    /// Networks from which it may be presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ips: Option<Vec<Network>>,
    /// The terminal that is meant where a call names none: an account number, `number@server`, or a token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_terminal: Option<String>,
}

impl Scope {
    /// Whether anything of this symbol may be read or traded.
    #[must_use]
    pub fn allows_symbol(&self, symbol: &str) -> bool {
        self.symbols.as_ref().is_none_or(|names| names.iter().any(|name| mask_fits(name, symbol)))
    }

    /// Whether this account exists for the key.
    #[must_use]
    pub fn allows_account(&self, account: &Account) -> bool {
        self.accounts.as_ref().is_none_or(|names| names.iter().any(|name| name.means(account)))
    }

    /// Whether the key may be presented from this address. An IPv4 address that came as IPv6 is the IPv4 address.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.ips.as_ref().is_none_or(|networks| networks.iter().any(|network| network.0.contains(&address)))
    }

    /// Whether it keeps a key from something that its owner has: then the key must not mint another.
    #[must_use]
    pub const fn narrows(&self) -> bool {
        self.symbols.is_some() || self.accounts.is_some()
    }

    /// What cannot be meant.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Vec::new();
        let mut wrong = |field, detail: String| found.push(FieldError { field, detail });
        let bad = |name: &String| name.is_empty() || name.len() > 64 || name.chars().any(char::is_control);
        if self.symbols.as_ref().is_some_and(|names| names.len() > MOST || names.iter().any(bad)) {
            wrong("symbols", format!("must be at most {MOST} names of 1 to 64 printable characters"));
        }
        if self.accounts.as_ref().is_some_and(|names| names.len() > MOST) {
            wrong("accounts", format!("must be at most {MOST} accounts"));
        }
        if self.ips.as_ref().is_some_and(|networks| networks.len() > MOST) {
            wrong("ips", format!("must be at most {MOST} networks"));
        }
        let terminal = |text: &String| text.parse::<AccountName>().is_ok() || text.parse::<super::ids::TokenId>().is_ok();
        if self.default_terminal.as_ref().is_some_and(|text| !terminal(text)) {
            wrong("default_terminal", "must be an account number, number@server or a token id".to_owned());
        }
        found
    }
}

/// An account as people name it: its number, on any server or on one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(into = "String")]
pub struct AccountName {
    login: u64,
    server: Option<String>,
}

impl AccountName {
    /// Whether `account` is meant.
    #[must_use]
    pub fn means(&self, account: &Account) -> bool {
        self.login == account.login && self.server.as_ref().is_none_or(|server| *server == account.server)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(server) => write!(f, "{}@{server}", self.login),
            None => write!(f, "{}", self.login),
        }
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.to_string()
    }
}

impl FromStr for AccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, server) = text.split_once('@').map_or((text, None), |(number, server)| (number, Some(server)));
        let wrong = || format!("`{text}` is no account: use its number or number@server");
        let login = number.parse().map_err(|_| wrong())?;
        Account::new(login, server.unwrap_or("any")).map_err(|_| wrong())?;
        Ok(Self { login, server: server.map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for AccountName {
    /// A number or a text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::Number(number) => number.to_string(),
            Either::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A network of addresses, `203.0.113.0/24`, or one address, `203.0.113.7`, IPv4 or IPv6. One of IPv4 written as IPv6 is the IPv4 network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let net = net.map_err(|_| format!("`{text}` is neither an address nor a network like 203.0.113.0/24"))?;
        Ok(Self(canonical(net.trunc())))
    }
}

/// `::ffff:203.0.113.0/120` is `203.0.113.0/24`: addresses are compared in their shortest form.
fn canonical(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (address @ IpAddr::V4(_), Some(length)) if net.addr().is_ipv6() => IpNet::new(address, length).unwrap_or(net),
        _ => net,
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(json: serde_json::Value) -> Scope {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_key_without_lists_reaches_everything_and_an_empty_list_nothing() {
        let account = Account::new(1001, "Demo-Server").unwrap();
        let reaches = |scope: &Scope| {
            [scope.allows_symbol("EURUSD"), scope.allows_account(&account), scope.allows_address([203, 0, 113, 7].into())]
        };
        assert_eq!(reaches(&Scope::default()), [true; 3]);
        assert_eq!(reaches(&scope(serde_json::json!({"symbols": [], "accounts": [], "ips": []}))), [false; 3]);
    }

    #[test]
    fn accounts_are_numbers_on_any_server_or_on_one() {
        let of = |text: &str| text.parse::<AccountName>().unwrap();
        let (demo, live) = (Account::new(1001, "Demo").unwrap(), Account::new(1001, "Live").unwrap());
        assert!(of("1001").means(&demo) && of("1001").means(&live) && !of("1002").means(&demo));
        assert!(of("1001@Demo").means(&demo) && !of("1001@Demo").means(&live) && !of("1001@demo").means(&demo));
        for bad in ["", "0", "x", "1001@", "@Demo", "-1"] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
        assert_eq!(scope(serde_json::json!({"accounts": [1001, "1002@Demo"]})).accounts.unwrap(), [of("1001"), of("1002@Demo")]);
    }

    #[test]
    fn networks_hold_addresses_of_both_kinds_however_they_are_written() {
        let allows =
            |network: &str, address: &str| scope(serde_json::json!({"ips": [network]})).allows_address(address.parse().unwrap());
        for (network, address, inside) in [
            ("203.0.113.0/24", "203.0.113.200", true),
            ("203.0.113.9/24", "203.0.113.200", true),
            ("203.0.113.0/24", "203.0.114.1", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("::ffff:203.0.113.0/120", "203.0.113.9", true),
            ("::ffff:203.0.113.0/120", "203.0.114.9", false),
            ("::ffff:203.0.113.7", "203.0.113.7", true),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/32", "2001:db9::5", false),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.7", false),
            ("0.0.0.0/0", "203.0.113.7", true),
        ] {
            assert_eq!(allows(network, address), inside, "{address} in {network}");
        }
        for bad in ["", "203.0.113.0/33", "203.0.113", "example.com", "203.0.113.1-9"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_found() {
        for (json, field) in [
            (serde_json::json!({"symbols": [""]}), "symbols"),
            (serde_json::json!({"symbols": vec!["A"; 1_001]}), "symbols"),
            (serde_json::json!({"accounts": vec![1; 1_001]}), "accounts"),
            (serde_json::json!({"ips": vec!["10.0.0.0/8"; 1_001]}), "ips"),
            (serde_json::json!({"default_terminal": "-"}), "default_terminal"),
            (serde_json::json!({"default_terminal": ""}), "default_terminal"),
        ] {
            assert_eq!(scope(json.clone()).problems()[0].field, field, "{json}");
        }
        let fine = serde_json::json!({"default_terminal": "tok_01M807HNJ9D8AJMDS7869DFZHC", "symbols": ["*"], "accounts": []});
        assert_eq!(scope(fine).problems(), []);
    }
}
