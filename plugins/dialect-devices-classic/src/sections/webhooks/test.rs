//! Trying a webhook out.

use portico_sdk::api::{DeliveryState, TestEvent};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::{BodyError, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{OWN, of_device};
use crate::events::TEST_PAYLOAD;
use crate::sections::devices::found;
use crate::sections::devices::view::own;
use crate::{Classic, bad, told};

/// How long a test waits for what its receiver answers.
const WAIT_SECONDS: u32 = 10;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    test_payload: Value,
}

/// Sends the payload and tells what came of it. The core's event of a test carries none, so that it goes to the
/// formatter with the subscription's data: of two tests at the same moment both may carry the later one's.
pub(super) fn test(call: &Call<Classic>) -> Result<Response, Fault> {
    let Test { test_payload } = match call.json() {
        Err(BodyError::Missing) => Test::default(),
        read => read?,
    };
    let device = found(call, &call.param("deviceId")?)?;
    let webhook = of_device(call, &device)?.ok_or_else(|| Fault::invalid("url", "the device has no webhook yet"))?;
    let path = format!("/v1/webhooks/{}", webhook.id);
    let mut kept = own(&device, OWN).as_object().cloned().unwrap_or_default();
    kept.insert(TEST_PAYLOAD.to_owned(), test_payload);
    call.gateway.patch(&path, &json!({ "format_data": kept }))?;
    let test: TestEvent = call.gateway.post_waiting(&format!("{path}/test"), &json!({}), WAIT_SECONDS)?.json()?;
    let Some(outcome) = test.outcome else {
        let shown = json!({ "delivered": null, "statusCode": null, "responseTime": null });
        return Ok(told(shown, Some("Test webhook queued")));
    };
    if outcome.state != DeliveryState::Delivered {
        return Err(bad::delivery_failed());
    }
    let shown = json!({ "delivered": true, "statusCode": outcome.status, "responseTime": outcome.duration_ms });
    Ok(told(shown, Some("Test webhook delivered")))
}
