//! Identifiers: 128-bit, time-ordered, with a prefix in their text form so that a stray one says what it is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

/// A text that is no identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} id: expected `{prefix}` and 26 letters or digits")]
pub struct InvalidId {
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        ///
        /// JSON and text: prefix and ULID. MessagePack: 16 bytes, big-endian, so byte order is time order.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// The text prefix of this kind of identifier.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a ULID; the caller owns the clock and the randomness.
            #[must_use]
            pub const fn new(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The 16 bytes of the wire and of storage keys.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// From the 16 bytes of [`Self::to_bytes`].
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }

            /// When it was made, by the clock of the hub that made it.
            #[must_use]
            pub fn created_at(self) -> super::UnixMillis {
                super::UnixMillis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|rest| Ulid::from_string(rest).ok())
                    .map(Self)
                    .ok_or(InvalidId { kind: $kind, prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.to_bytes()) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(de::Error::custom)
                } else {
                    sixteen_bytes(d).map(Self::from_bytes)
                }
            }
        }
    };
}

id!(
    /// A connection token.
    TokenId, "token", "tok_"
);
id!(
    /// An API key.
    KeyId, "key", "key_"
);
id!(
    /// One trade command, from the request that made it to its final outcome.
    CommandId, "command", "cmd_"
);
id!(
    /// One live connection of a terminal.
    SessionId, "session", "ses_"
);
id!(
    /// One change of a kill switch.
    KillId, "kill", "kil_"
);
id!(
    /// Something that a person must look at.
    IncidentId, "incident", "inc_"
);
id!(
    /// A hook: an address at which alerts of another service become commands.
    HookId, "hook", "hok_"
);
id!(
    /// One alert that came to a hook.
    AlertId, "alert", "alr_"
);
id!(
    /// A webhook: an address to which the hub sends events.
    WebhookId, "webhook", "whk_"
);
id!(
    /// Whoever owns tokens, keys and what came through them.
    OwnerId, "owner", "own_"
);

id!(
    /// A person who can log in.
    UserId, "user", "usr_"
);
id!(
    /// One login of a person, from their password to its end.
    LoginId, "login", "lgn_"
);

impl OwnerId {
    /// The hub's own: of whoever runs it, and of everything that its first keys made.
    pub const SELF: Self = Self(Ulid(0));
}

impl UserId {
    /// What the user owns, if they are an owner of their own: the same number, so that neither is looked up by the other.
    #[must_use]
    pub const fn tenant(self) -> OwnerId {
        OwnerId(self.0)
    }

    /// The line under which the user acts: their commands, timers and indicators stand under this key id, which no secret has.
    #[must_use]
    pub const fn line(self) -> KeyId {
        KeyId(self.0)
    }
}

impl OwnerId {
    /// The user whose things these are; nobody for the hub's own.
    #[must_use]
    pub const fn founder(self) -> UserId {
        UserId(self.0)
    }
}

impl KeyId {
    /// The user whose line this is, if it is a user's.
    #[must_use]
    pub const fn user(self) -> UserId {
        UserId(self.0)
    }

    /// Who asks when the hub itself carries out a kill switch. No key of a caller ever has this id.
    pub const HUB: Self = Self(Ulid(0));
}

/// 128 random bits that an Expert Advisor draws in each `OnInit`: the only one who may execute what is bound to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EaInstance(pub [u8; 16]);

impl fmt::Display for EaInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for EaInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EaInstance {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for EaInstance {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            u128::from_str_radix(&text, 16)
                .ok()
                .filter(|_| text.len() == 32)
                .map(|n| Self(n.to_be_bytes()))
                .ok_or_else(|| de::Error::custom("an instance is 32 hexadecimal digits"))
        } else {
            sixteen_bytes(d).map(Self)
        }
    }
}

fn sixteen_bytes<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 16], D::Error> {
    let bytes: serde_bytes::ByteBuf = Deserialize::deserialize(d)?;
    <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| de::Error::invalid_length(bytes.len(), &"16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused_by_name() {
        let token = TokenId::new(Ulid::from_parts(1, 2));
        assert_eq!(token.to_string().parse::<TokenId>(), Ok(token));
        let error = token.to_string().parse::<KeyId>().unwrap_err();
        assert_eq!(error.to_string(), "not a key id: expected `key_` and 26 letters or digits");
    }

    #[test]
    fn ids_are_text_in_json_and_sixteen_bytes_in_messagepack() {
        let id = CommandId::new(Ulid::from_parts(7, 9));
        assert_eq!(serde_json::from_str::<CommandId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        let packed = rmp_serde::to_vec(&id).unwrap();
        assert_eq!(packed.len(), 18);
        assert_eq!(rmp_serde::from_slice::<CommandId>(&packed).unwrap(), id);
    }
}
