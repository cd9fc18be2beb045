//! The payload of a batch record: MessagePack, an array of operations `[code, key, value]`.

use serde::{Deserialize, Serialize};

/// One operation, as journal, overlay and projection know it. Sealed values are ciphertext here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    PutSealed {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Delete {
        key: Vec<u8>,
    },
    /// Tombstone of the key `id` of a scope.
    Shred {
        scope: [u8; 32],
        id: [u8; 8],
    },
}

#[derive(Serialize)]
struct Row<'a>(u8, #[serde(with = "serde_bytes")] &'a [u8], #[serde(with = "serde_bytes")] &'a [u8]);

#[derive(Deserialize)]
struct OwnedRow(u8, #[serde(with = "serde_bytes")] Vec<u8>, #[serde(with = "serde_bytes")] Vec<u8>);

/// The payload of `ops`.
pub(crate) fn encode_ops(ops: &[Op]) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let rows: Vec<Row<'_>> = ops
        .iter()
        .map(|op| match op {
            Op::Put { key, value } => Row(0, key, value),
            Op::PutSealed { key, value } => Row(1, key, value),
            Op::Delete { key } => Row(2, key, &[]),
            Op::Shred { scope, id } => Row(3, scope, id),
        })
        .collect();
    rmp_serde::to_vec(&rows)
}

/// The operations of a payload, or `None` if it is none of ours.
pub(crate) fn decode_ops(payload: &[u8]) -> Option<Vec<Op>> {
    let rows: Vec<OwnedRow> = rmp_serde::from_slice(payload).ok()?;
    rows.into_iter()
        .map(|OwnedRow(code, key, value)| match code {
            0 => Some(Op::Put { key, value }),
            1 => Some(Op::PutSealed { key, value }),
            2 => Some(Op::Delete { key }),
            3 => Some(Op::Shred { scope: key.try_into().ok()?, id: value.try_into().ok()? }),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn op() -> impl Strategy<Value = Op> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            (bytes(), bytes()).prop_map(|(key, value)| Op::Put { key, value }),
            (bytes(), bytes()).prop_map(|(key, value)| Op::PutSealed { key, value }),
            bytes().prop_map(|key| Op::Delete { key }),
            (any::<[u8; 32]>(), any::<[u8; 8]>()).prop_map(|(scope, id)| Op::Shred { scope, id }),
        ]
    }

    proptest! {
        #[test]
        fn operations_round_trip(ops in proptest::collection::vec(op(), 0..8)) {
            prop_assert_eq!(decode_ops(&encode_ops(&ops).unwrap()).unwrap(), ops);
        }

        #[test]
        fn decoding_arbitrary_payloads_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_ops(&bytes);
        }
    }
}
