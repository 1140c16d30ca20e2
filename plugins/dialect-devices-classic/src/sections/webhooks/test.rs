//! Trying a webhook out.

use portico_sdk::api::{Delivery, DeliveryState, DeliveryWithAttempts, Page, TestEvent};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::{BodyError, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::of_device;
use crate::events::TEST_PAYLOAD;
use crate::sections::devices::found;
use crate::{Classic, bad, told};

/// How long a test waits until its delivery is through, where the core offers that.
const WAIT_SECONDS: u32 = 10;
/// The newest deliveries of a webhook among which that of its test is looked for.
const DELIVERIES_LOOKED_AT: u32 = 20;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    test_payload: Value,
}

/// Sends the payload and tells what came of it. The core's event of a test carries none, so that it is kept with the
/// subscription, where the formatter finds it: of two tests at the same moment both may carry the later one's.
pub(super) fn test(call: &Call<Classic>) -> Result<Response, Fault> {
    let Test { test_payload } = match call.json() {
        Err(BodyError::Missing) => Test::default(),
        read => read?,
    };
    let device = found(call, &call.param("deviceId")?)?;
    let webhook = of_device(call, &device)?.ok_or_else(|| Fault::invalid("url", "the device has no webhook yet"))?;
    let path = format!("/v1/webhooks/{}", webhook.id);
    let mut kept = webhook.format_data.unwrap_or_default();
    kept.insert(TEST_PAYLOAD.to_owned(), test_payload);
    call.gateway.patch(&path, &json!({ "format_data": kept }))?;
    let event: TestEvent = call.gateway.post_waiting(&format!("{path}/test"), &json!({}), WAIT_SECONDS)?.json()?;
    let recent = format!("{path}/deliveries?limit={DELIVERIES_LOOKED_AT}");
    let recent: Page<Delivery> = call.gateway.get(&recent)?.json()?;
    let delivery = recent.items.iter().find(|delivery| delivery.event == event.event && delivery.attempts > 0);
    let Some(delivery) = delivery else {
        let shown = json!({ "delivered": null, "statusCode": null, "responseTime": null });
        return Ok(told(shown, Some("Test webhook queued")));
    };
    let delivery: DeliveryWithAttempts = call.gateway.get(&format!("/v1/deliveries/{}", delivery.id))?.json()?;
    let last = delivery.attempt_log.last();
    if delivery.delivery.state != DeliveryState::Delivered {
        return Err(bad::delivery_failed());
    }
    let shown = json!({
        "delivered": true,
        "statusCode": last.and_then(|attempt| attempt.status),
        "responseTime": last.map(|attempt| attempt.duration_ms),
    });
    Ok(told(shown, Some("Test webhook delivered")))
}
