//! Examples: answers that a hub gave, with the calls that they answer. `tests/conformance/record.py` writes the file.

use std::sync::OnceLock;

use serde_json::{Value, json};

/// By operation: `parameters`, `request` and `responses` by status.
fn recorded() -> &'static Value {
    static RECORDED: OnceLock<Value> = OnceLock::new();
    RECORDED.get_or_init(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default())
}

/// Puts them where they belong.
pub(super) fn show(operation: &mut Value) {
    let Some(example) = operation["operationId"].as_str().and_then(|id| recorded().get(id)) else { return };
    if let Some(request) = example.get("request") {
        operation["requestBody"]["content"]["application/json"]["example"] = request.clone();
    }
    for (status, body) in example["responses"].as_object().into_iter().flatten() {
        let kind = if status.starts_with('2') { "application/json" } else { "application/problem+json" };
        let Some(told) = operation["responses"].get_mut(status).and_then(|told| told.get_mut("content")?.get_mut(kind)) else {
            continue;
        };
        match told.get_mut("examples") {
            Some(examples) => examples["recorded"] = json!({"summary": "As a hub answered it.", "value": body}),
            None => told["example"] = body.clone(),
        }
    }
}
